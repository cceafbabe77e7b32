"""Learning-rate schedules by name: the factor of each epoch, spanning the row's epochs."""

from __future__ import annotations

import math
from collections.abc import Callable


def _constant(_epoch: int, _epochs: int) -> float:
    return 1.0


def _step(epoch: int, epochs: int) -> float:
    """A tenth from half of the epochs on, a hundredth from three quarters on."""
    return 0.1 ** ((2 * epoch >= epochs) + (4 * epoch >= 3 * epochs))


def _exponential(epoch: int, epochs: int) -> float:
    """Falls by a constant ratio per epoch, towards a hundredth."""
    return float(0.01 ** (epoch / epochs))


def _cosine(epoch: int, epochs: int) -> float:
    """Half a cosine from one towards zero (Loshchilov and Hutter, ICLR 2017)."""
    return 0.5 * (1.0 + math.cos(math.pi * min(epoch, epochs - 1) / epochs))


def _warmup_cosine(epoch: int, epochs: int) -> float:
    """Rises in equal steps over the first tenth of the epochs, then falls as a cosine."""
    warmup = math.ceil(epochs / 10)
    if epoch < warmup:
        return (epoch + 1) / (warmup + 1)
    return _cosine(epoch - warmup, epochs - warmup) if epochs > warmup else 1.0


SCHEDULES: dict[str, Callable[[int, int], float]] = {
    "constant": _constant,
    "step": _step,
    "exponential": _exponential,
    "cosine": _cosine,
    "warmup_cosine": _warmup_cosine,
}
"""Name -> factor of the learning rate in `epoch`, counted from 0, of a row that has `epochs`.

Every factor is in (0, 1].
"""
