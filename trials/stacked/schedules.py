"""Learning-rate schedules by name: the factor of each epoch, spanning the row's epochs."""

from __future__ import annotations

import math
from typing import Protocol

PLATEAU = "plateau"
"""The schedule that follows the validation loss instead of the epoch; see `pace.Pace`."""


class Schedule(Protocol):
    """A course of the learning rate that is known in advance."""

    def __call__(self, epoch: int, epochs: int, factor: float = 0.1, /) -> float:
        """The factor of the learning rate, in (0, 1].

        Args:
            epoch: Counted from 0.
            epochs: That the row has.
            factor: By which the rate is cut, in (0, 1); not every schedule cuts.
        """
        ...


def _constant(_epoch: int, _epochs: int, _factor: float = 0.1) -> float:
    return 1.0


def _step(epoch: int, epochs: int, factor: float = 0.1) -> float:
    """Cut once when half of the epochs are over, and again when three quarters are."""
    return factor ** ((2 * epoch >= epochs) + (4 * epoch >= 3 * epochs))


def _exponential(epoch: int, epochs: int, factor: float = 0.1) -> float:
    """Falls by a constant ratio per epoch, towards the square of the factor, as `step` does."""
    return float(factor ** (2 * epoch / epochs))


def _cosine(epoch: int, epochs: int, _factor: float = 0.1) -> float:
    """Half a cosine from one towards zero (Loshchilov and Hutter, ICLR 2017)."""
    return 0.5 * (1.0 + math.cos(math.pi * min(epoch, epochs - 1) / epochs))


def _warmup_cosine(epoch: int, epochs: int, _factor: float = 0.1) -> float:
    """Rises in equal steps over the first tenth of the epochs, then falls as a cosine."""
    warmup = math.ceil(epochs / 10)
    if epoch < warmup:
        return (epoch + 1) / (warmup + 1)
    return _cosine(epoch - warmup, epochs - warmup) if epochs > warmup else 1.0


SCHEDULES: dict[str, Schedule] = {
    "constant": _constant,
    "step": _step,
    "exponential": _exponential,
    "cosine": _cosine,
    "warmup_cosine": _warmup_cosine,
}
"""Name -> factor of the learning rate in `epoch`, of those that are known in advance."""
