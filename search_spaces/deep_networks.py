"""Ready axes for deep networks, and the ready space of the `mlp` trainer."""

from __future__ import annotations

from search_spaces.checks import Choice
from search_spaces.parameters import Categorical, Constant, Float, Int
from search_spaces.space import Space

CHOICES: dict[str, tuple[Choice, ...]] = {
    "optimizer": (
        *("sgd", "adagrad", "rmsprop", "adam", "adamw", "adadelta"),
        *("lbfgs", "cg", "hessian_free"),
    ),
    "nesterov": (False, True),
    "activation": (
        *("linear", "sigmoid", "tanh", "hard_tanh", "relu", "leaky_relu"),
        *("elu", "selu", "softplus"),
    ),
    "initializer": (
        *("uniform", "normal", "xavier_uniform", "xavier_normal", "he_uniform", "he_normal"),
        "orthogonal",
    ),
    "schedule": ("constant", "step", "exponential", "cosine", "warmup_cosine", "plateau"),
    "normalization": ("none", "batch", "layer"),
    "input_scaling": ("none", "standardize", "minmax", "unit_norm", "zca"),
    "class_weights": ("none", "balanced"),
    "loss": ("mse", "mae", "msle", "mape", "hinge", "logistic", "cross_entropy", "kl"),
}
"""Axis of words -> all its legal values over all trainers; a trainer may have fewer.

Batch size is missing on purpose: any positive number is legal.
"""

LEARNING_RATE = Float(1e-4, 1.0, log=True)
OPTIMIZER = Categorical(("sgd", "adagrad", "rmsprop", "adam"))
"""Those that a learning rate between 1e-4 and 1 suits; AdaDelta wants about 1 whatever the task."""
MOMENTUM = Float(0.0, 0.99, when={"optimizer": "sgd"})
NESTEROV = Categorical((False, True), when={"optimizer": "sgd"})
DROPOUT = Float(0.0, 0.6)
L1 = Float(1e-7, 1e-2, log=True)
L2 = Float(1e-7, 1e-1, log=True)
UNITS = Int(8, 128, log=True)
LAYERS = Int(1, 3)
BATCH_SIZE = Categorical((16, 32, 64, 128))
LABEL_SMOOTHING = Float(0.0, 0.2)
ACTIVATION = Categorical(
    ("sigmoid", "tanh", "hard_tanh", "relu", "leaky_relu", "elu", "selu", "softplus")
)
INITIALIZER = Categorical(
    ("xavier_uniform", "xavier_normal", "he_uniform", "he_normal", "orthogonal")
)
SCHEDULE = Categorical(("constant", "cosine", "warmup_cosine"))
INPUT_SCALING = Constant("standardize")

MLP = Space(
    learning_rate=LEARNING_RATE,
    optimizer=OPTIMIZER,
    momentum=MOMENTUM,
    nesterov=NESTEROV,
    dropout=DROPOUT,
    l1=L1,
    l2=L2,
    label_smoothing=LABEL_SMOOTHING,
    units=UNITS,
    layers=LAYERS,
    batch_size=BATCH_SIZE,
    activation=ACTIVATION,
    initializer=INITIALIZER,
    schedule=SCHEDULE,
    input_scaling=INPUT_SCALING,
)
"""The ready space of the `mlp` trainer; where answers are numbers, without `label_smoothing`.

`units` is the width of every hidden layer.
"""
