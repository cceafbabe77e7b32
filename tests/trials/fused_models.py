"""Ordinary torch modules for tests of fused trainers, and rows that train them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces import Float, Int, Space
from trials.contract import Row
from trials.data import Dataset
from trials.fused import FusedTrainer, fused

SPACE = Space(units=Int(4, 64), dropout=Float(0.0, 0.5), learning_rate=Float(1e-4, 1.0, log=True))
EPOCHS = 3
N_CLASSES = 3
Params = dict[str, Any]


def image(x: Tensor) -> Tensor:
    """Five features as a picture of 4 x 5."""
    return x.unsqueeze(1).unsqueeze(2) * torch.ones(1, 1, 4, 1, dtype=x.dtype)


class Layer(nn.Module):
    """A function without parameters as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """The function of `x`."""
        return self.function(x)


class Words(nn.Module):
    """Features as words of a small vocabulary, which attend to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Linear(8, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """One output per class."""
        words = self.embedding((x * 2 + 4).long().clamp(0, 8))
        found, _ = self.attention(words, words, words, need_weights=False)
        out: Tensor = self.out(found.mean(1))
        return out


class Recurrent(nn.Module):
    """Features as a sequence, read by an LSTM."""

    def __init__(self, units: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, units, num_layers=2, batch_first=True, dropout=dropout)
        self.out = nn.Linear(units, N_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """One output per class."""
        out: Tensor = self.out(self.lstm(x.unsqueeze(-1))[0][:, -1])
        return out


def perceptron(params: Params) -> nn.Module:
    """Layer norm and an odd width."""
    units = params["units"]
    return nn.Sequential(
        nn.Linear(5, units), nn.LayerNorm(units), nn.Tanh(), nn.Linear(units, N_CLASSES)
    )


def dropping(params: Params) -> nn.Module:
    """Two dropout modules, the second asked twice."""
    drop = nn.Dropout(params["dropout"])
    return nn.Sequential(
        nn.Linear(5, params["units"]),
        nn.Dropout(params["dropout"]),
        nn.Linear(params["units"], 6),
        drop,
        nn.ReLU(),
        drop,
        nn.Linear(6, N_CLASSES),
    )


def convolutional(params: Params) -> nn.Module:
    """Two convolutions over pictures, whole channels of which are dropped."""
    return nn.Sequential(
        Layer(image),
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.Dropout2d(params["dropout"]),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 2),
        nn.Flatten(),
        nn.Linear(4, N_CLASSES),
    )


def normalised(_params: Params) -> nn.Module:
    """Batch norm, whose running averages are rows too."""
    return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, N_CLASSES))


def attending(_params: Params) -> nn.Module:
    """Embedding and attention."""
    return Words()


def recurrent(params: Params) -> nn.Module:
    """Cannot be stacked."""
    return Recurrent(params["units"])


def drawing(params: Params) -> nn.Module:
    """Draws its dropout by itself, so it cannot be stacked."""
    return nn.Sequential(
        nn.Linear(5, params["units"]),
        Layer(lambda x: functional.dropout(x, 0.3)),
        nn.Linear(params["units"], N_CLASSES),
    )


STACKED = [perceptron, dropping, convolutional, normalised, attending]
ALONE = [recurrent, drawing]
PARAMS: Params = {"units": 13, "dropout": 0.3, "learning_rate": 0.05, "batch_size": 16}


def trainer_of(
    build: Callable[..., nn.Module], data: Dataset, dtype: torch.dtype = torch.float32
) -> FusedTrainer:
    """The trainer of a model with cross-entropy."""
    return fused(build, functional.cross_entropy, SPACE)(data, dtype=dtype)


def company(n_rows: int, **changes: Any) -> list[Row]:
    """Rows that differ in seed, rate, optimizer, penalty and dropout."""
    rng = np.random.default_rng(3)
    return [
        Row(
            key,
            PARAMS
            | {
                "learning_rate": float(10 ** rng.uniform(-3, -1)),
                "optimizer": str(rng.choice(["sgd", "adam", "rmsprop"])),
                "l2": float(rng.choice([0.0, 0.01])),
                "dropout": float(rng.choice([0.0, 0.1, 0.4])),
            }
            | changes,
            int(rng.integers(2**62)),
            EPOCHS,
        )
        for key in range(n_rows)
    ]
