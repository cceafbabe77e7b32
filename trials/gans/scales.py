"""Rows whose players see points on another scale than the standardised one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from trials.gans.real import Real
from trials.gans.settings import GameSettings


class Scales:
    """The scales of K rows.

    Args:
        real: The points.
        settings: Of the rows.
    """

    def __init__(self, real: Real, settings: Sequence[GameSettings]) -> None:
        self._real = real
        self._others = {
            k: real.scaled(own.input_scaling)
            for k, own in enumerate(settings)
            if own.input_scaling != "standardize"
        }

    def show(self, pairs: Tensor, chosen: Tensor) -> None:
        """The rows of other scales have their own real points.

        Args:
            pairs: Real points of each step in the first half, shape (steps, K, 2 B, D).
            chosen: Which they are, shape (steps, K, B).
        """
        for k, own in self._others.items():
            pairs[:, k, : chosen.shape[2]] = own.points[chosen[:, k]]

    def standardise(self, made: Tensor) -> Tensor:
        """Samples as the generators make them, (K, N, width), all standardised, in place."""
        real = self._real
        for k, own in self._others.items():
            points = made[k, :, : real.n_features]
            points.mul_(own.scale).add_(own.shift).sub_(real.shift).div_(real.scale)
        return made

    def as_seen(self, made: Tensor) -> Tensor:
        """Standardised samples (K, N, width) as the discriminators see them, in place."""
        real = self._real
        for k, own in self._others.items():
            points = made[k, :, : real.n_features]
            points.mul_(real.scale).add_(real.shift).sub_(own.shift).div_(own.scale)
        return made
