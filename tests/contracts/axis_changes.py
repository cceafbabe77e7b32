"""Two values of every axis of a network's trainer, and what else must be so for it to matter."""

from __future__ import annotations

from typing import Any

from small_trainers import small_trainer

N_POINTS = 60

SIZES = {"units": 5, "channels": 2, "code": 3, "layers": 1}
SIZES |= {"batch_size": 32, "window": 6, "pretraining_epochs": 1}
"""Of small networks that soon learn answers; a trainer has those that it knows."""

LEVEL = {"optimizer": "adam", "learning_rate": 1e-6}
"""A course on which the validation loss hardly falls."""

Change = tuple[Any, Any, dict[str, Any]]

CHANGES: dict[str, Change] = {
    "learning_rate": (0.01, 0.02, {}),
    "optimizer": ("sgd", "adam", {}),
    "momentum": (0.0, 0.5, {"optimizer": "sgd"}),
    "nesterov": (False, True, {"optimizer": "sgd", "momentum": 0.5}),
    "beta1": (0.9, 0.5, {"optimizer": "adam"}),
    "beta2": (0.999, 0.5, {"optimizer": "adam"}),
    "rho": (0.9, 0.5, {"optimizer": "adadelta", "learning_rate": 1.0}),
    "epsilon": (1e-8, 1e-2, {"optimizer": "adam"}),
    "dropout": (0.0, 0.3, {}),
    "dropconnect": (0.0, 0.3, {}),
    "max_norm": (0.0, 0.1, {}),
    "l1": (0.0, 0.01, {}),
    "l2": (0.0, 0.1, {}),
    "label_smoothing": (0.0, 0.2, {}),
    "loss": ("mse", "logistic", {}),
    "class_weights": ("none", "balanced", {}),
    "batch_size": (16, 32, {}),
    "initializer": ("orthogonal", "normal", {}),
    "initial_scale": (1.0, 0.5, {}),
    "schedule": ("constant", "step", {}),
    "schedule_factor": (0.1, 0.5, {"schedule": "step"}),
    "schedule_patience": (0, 50, LEVEL | {"schedule": "plateau"}),
    "early_stopping_patience": (0, 1, LEVEL),
    "input_scaling": ("none", "standardize", {}),
    "units": (5, 6, {}),
    "layers": (1, 2, {}),
    "activation": ("tanh", "relu", {}),
    "normalization": ("none", "layer", {}),
    "sparsity": (0.05, 0.5, {"sparsity_weight": 1.0, "activation": "sigmoid"}),
    "sparsity_weight": (0.0, 1.0, {}),
    "channels": (2, 3, {}),
    "kernel_size": (1, 3, {}),
    "pooling": ("max", "average", {}),
    "window": (6, 7, {}),
    "horizon": (1, 2, {}),
    "log": (False, True, {}),
    "difference": (False, True, {}),
    "seasonal_lag": (0, 12, {}),
    "cell": ("lstm", "gru", {}),
    "front": ("none", "conv", {}),
    "heads": (1, 2, {}),
    "feed_forward": (1, 2, {}),
    "position": ("none", "sine", {}),
    "summary": ("mean", "last", {}),
    "kind": ("plain", "denoising", {}),
    "noise": ("masking", "gaussian", {"kind": "denoising"}),
    "noise_level": (0.3, 0.6, {"kind": "denoising"}),
    "likelihood": ("gaussian", "bernoulli", {}),
    "kl_weight": (1.0, 0.1, {"kind": "vae"}),
    "binarize": ("none", "threshold", {}),
    "code": (3, 4, {}),
    "visible": ("binary", "gaussian", {}),
    "k": (1, 2, {}),
    "persistent": (False, True, {}),
    "classifier_rate": (0.01, 0.1, {}),
    "pretraining": ("rbm", "none", {}),
    "pretraining_epochs": (1, 2, {}),
    "pretraining_rate": (0.05, 0.1, {}),
    "pretraining_momentum": (0.5, 0.0, {}),
    "pretraining_noise": (0.2, 0.5, {"pretraining": "autoencoder"}),
    "n_labels": (0, 20, {}),
}
"""Axis -> two values, and what else must be so for it to matter."""

OF_SERIES: dict[str, Change] = {"loss": ("mse", "mae", {})}
"""Where answers are numbers of a series."""

WITHOUT_CLASSES = frozenset({"label_smoothing", "class_weights"})

OF_ONE_VALUE = frozenset({("dbn", "activation"), ("recursive", "input_scaling")})
"""Axes that a trainer has fixed."""

OTHERWISE: dict[tuple[str, str], dict[str, Any]] = {
    ("rbm", "input_scaling"): {"visible": "gaussian"},
    ("rbm", "sparsity"): {"sparsity_weight": 1.0},
}
"""What else must be so for one trainer."""

CASES = [
    *[("linear", "breast_cancer"), ("mlp", "breast_cancer"), ("cnn", "digits")],
    *[("cnn_1d", "digits"), ("cnn_1d", "airline"), ("rnn", "digits"), ("rnn", "airline")],
    *[("transformer", "digits"), ("recursive", "expressions"), ("autoencoder", "digits")],
    *[("rbm", "digits"), ("dbn", "digits"), ("pretrained", "digits")],
]


def pairs_of(trainer: Any, name: str) -> dict[str, list[dict[str, Any]]]:
    """Axis -> the parameters of two rows that differ in it alone."""
    domain = trainer.domain
    sizes = {axis: value for axis, value in SIZES.items() if axis in domain}
    changes = CHANGES | (OF_SERIES if "window" in domain else {})
    found = {}
    for axis in domain:
        if (name, axis) in OF_ONE_VALUE or ("window" in domain and axis in WITHOUT_CLASSES):
            continue
        first, second, needs = changes[axis]
        needs = OTHERWISE.get((name, axis), needs)
        found[axis] = [sizes | needs | {axis: value} for value in (first, second)]
    return found


def case_trainer(name: str, data: str) -> Any:
    """The trainer on a little of those data."""
    return small_trainer(name, 90 if data == "airline" else N_POINTS, data)
