"""Ready spaces for networks that look at images."""

from __future__ import annotations

from search_spaces.checks import Choice
from search_spaces.deep_networks import (
    INITIALIZER,
    INPUT_SCALING,
    L1,
    L2,
    MOMENTUM,
    NESTEROV,
    OPTIMIZER,
    SCHEDULE,
)
from search_spaces.parameters import Categorical, Constant, Float, Int
from search_spaces.space import Space

CHOICES: dict[str, tuple[Choice, ...]] = {"pooling": ("max", "average")}
"""Axis of words -> all its legal values."""

CNN = Space(
    learning_rate=Float(1e-4, 1e-1, log=True),
    optimizer=OPTIMIZER,
    momentum=MOMENTUM,
    nesterov=NESTEROV,
    dropout=Float(0.0, 0.6),
    l1=L1,
    l2=L2,
    layers=Int(1, 3),
    channels=Int(4, 16, log=True),
    kernel_size=Categorical((3, 5)),
    pooling=Categorical(("max", "average")),
    units=Int(16, 128, log=True),
    batch_size=Categorical((32, 64, 128)),
    activation=Categorical(("tanh", "relu", "leaky_relu")),
    initializer=INITIALIZER,
    schedule=SCHEDULE,
    input_scaling=INPUT_SCALING,
)
"""The ready space of the `cnn` trainer.

`layers` counts blocks of convolution, activation and pooling; the first block makes `channels`
channels and each further one twice as many; `units` follow on the last.
"""

DCGAN = Space(
    learning_rate=Float(1e-5, 1e-2, log=True),
    discriminator_ratio=Float(0.25, 4.0, log=True),
    beta1=Float(0.0, 0.9),
    beta2=Constant(0.999),
    layers=Int(1, 2),
    channels=Int(4, 32, log=True),
    latent=Int(8, 64, log=True),
    batch_size=Categorical((32, 64, 128)),
    activation=Categorical(("relu", "leaky_relu")),
    loss=Categorical(("minimax", "non_saturating")),
    discriminator_steps=Int(1, 2),
    label_smoothing=Float(0.0, 0.3),
)
"""The ready space of the `dcgan` trainer; axes as in `search_spaces.gans.VECTOR_GAN`.

`layers` counts the discriminator's convolutions and the generator's transposed ones; `channels`
are those next to the image, twice as many with each further layer.
"""
