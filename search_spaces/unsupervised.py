"""Ready spaces for networks that learn without answers."""

from __future__ import annotations

from search_spaces.checks import Choice
from search_spaces.deep_networks import DROPOUT, L2, SCHEDULE
from search_spaces.parameters import Axis, Categorical, Constant, Float, Int
from search_spaces.space import Space

CHOICES: dict[str, tuple[Choice, ...]] = {
    "kind": ("plain", "denoising", "vae"),
    "noise": ("masking", "gaussian"),
    "likelihood": ("bernoulli", "gaussian"),
    "binarize": ("none", "threshold", "sampled"),
    "visible": ("binary", "gaussian", "softmax"),
    "pretraining": ("none", "rbm", "autoencoder"),
}
"""Axis of words -> all its legal values."""

AUTOENCODER = Space(
    learning_rate=Float(1e-4, 1e-2, log=True),
    optimizer=Categorical(("rmsprop", "adam")),
    l2=L2,
    kind=Categorical(("plain", "denoising")),
    noise=Categorical(("masking", "gaussian"), when={"kind": "denoising"}),
    noise_level=Float(0.05, 0.5, when={"kind": "denoising"}),
    likelihood=Categorical(("bernoulli", "gaussian")),
    code=Constant(16),
    layers=Int(0, 2),
    units=Int(16, 128, log=True),
    activation=Categorical(("tanh", "relu", "leaky_relu", "elu")),
    batch_size=Categorical((16, 32, 64)),
    initializer=Categorical(("xavier_uniform", "he_uniform", "orthogonal")),
    schedule=SCHEDULE,
)
"""The ready space of the `autoencoder` trainer.

The size of the code is fixed: a larger one restores better and compresses less. For a variational
one set `kind: vae` and optimise `validation_elbo`.
"""

RBM = Space(
    learning_rate=Float(1e-3, 0.3, log=True),
    optimizer=Constant("sgd"),
    momentum=Float(0.0, 0.95),
    l2=Float(1e-6, 1e-2, log=True),
    visible=Constant("binary"),
    units=Int(32, 128, log=True),
    k=Categorical((1, 3)),
    persistent=Categorical((False, True)),
    sparsity=Float(0.02, 0.3, log=True),
    sparsity_weight=Float(1e-4, 0.3, log=True),
    batch_size=Categorical((16, 32)),
    initial_scale=Float(0.03, 1.0, log=True),
    schedule=SCHEDULE,
)
"""The ready space of the `rbm` trainer."""

RATINGS = Space(
    learning_rate=Float(3e-2, 1.0, log=True),
    optimizer=Constant("sgd"),
    momentum=Float(0.0, 0.95),
    l2=Float(1e-5, 1e-2, log=True),
    visible=Constant("softmax"),
    units=Int(8, 64, log=True),
    k=Categorical((1, 3)),
    batch_size=Categorical((16, 32)),
    initial_scale=Float(0.03, 1.0, log=True),
    schedule=SCHEDULE,
)
"""The ready space of the `rbm` trainer on ratings."""

_FINE_TUNING: dict[str, Axis] = {
    "learning_rate": Float(1e-3, 3e-2, log=True),
    "optimizer": Categorical(("rmsprop", "adam")),
    "dropout": DROPOUT,
    "l2": Float(1e-7, 1e-3, log=True),
    "units": Int(64, 256, log=True),
    "layers": Int(1, 2),
    "batch_size": Categorical((16, 32)),
}

DBN = Space(
    **_FINE_TUNING,
    pretraining=Constant("rbm"),
    pretraining_epochs=Int(4, 10),
    pretraining_rate=Float(2e-2, 0.3, log=True),
    pretraining_momentum=Float(0.0, 0.9),
    schedule=SCHEDULE,
)
"""The ready space of the `dbn` trainer.

Of the 30 epochs that a trial has by default, two layers leave at least ten for the answers.
"""

PRETRAINED = Space(
    **_FINE_TUNING,
    activation=Categorical(("sigmoid", "tanh", "relu")),
    pretraining=Constant("autoencoder"),
    pretraining_epochs=Int(4, 10),
    pretraining_rate=Float(3e-4, 1e-2, log=True),
    pretraining_noise=Float(0.0, 0.5),
    schedule=SCHEDULE,
)
"""The ready space of the `pretrained` trainer."""
