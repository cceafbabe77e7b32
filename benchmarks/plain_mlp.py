"""The perceptron as users write it today: torch.nn, one trial at a time, one thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from trials.data import Dataset
from trials.data.scaling import fit_scaling


def suggest(trial: Any) -> dict[str, Any]:
    """The space of the benchmark, as an Optuna objective states it."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1.0, log=True),
        "momentum": trial.suggest_float("momentum", 0.0, 0.99),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6),
        "l1": trial.suggest_float("l1", 1e-7, 1e-2, log=True),
        "l2": trial.suggest_float("l2", 1e-7, 1e-1, log=True),
        "units": trial.suggest_int("units", 8, 128, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [16, 32, 64, 128]),
    }


def tensors(data: Dataset) -> tuple[torch.Tensor, ...]:
    """Standardised training and validation part."""
    scaling = fit_scaling("standardize", data.train.x)
    parts = []
    for part in (data.train, data.validation):
        x = scaling.apply(part.x).astype(np.float32).reshape(len(part), -1)
        parts += [torch.from_numpy(x), torch.as_tensor(part.y)]
    return tuple(parts)


def train(params: dict[str, Any], data: Dataset, n_epochs: int, seed: int) -> Iterator[float]:
    """Validation loss after each of `n_epochs` epochs; not a number once training diverged."""
    x, y, x_validation, y_validation = tensors(data)
    torch.manual_seed(seed)
    units, dropout = params["units"], params["dropout"]
    model = nn.Sequential(
        nn.Linear(x.shape[1], units), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(units, units), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(units, data.n_classes),
    )  # fmt: skip
    weights = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": params["l2"]}, {"params": biases}],
        lr=params["learning_rate"],
        momentum=params["momentum"],
    )
    loss_of = nn.CrossEntropyLoss()
    for _ in range(n_epochs):
        model.train()
        for batch in torch.randperm(len(x)).split(params["batch_size"]):
            optimizer.zero_grad()
            penalty = params["l1"] * sum(weight.abs().sum() for weight in weights)
            (loss_of(model(x[batch]), y[batch]) + penalty).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            loss = float(loss_of(model(x_validation), y_validation))
        yield loss  # outside: a generator that is left stays in its context
