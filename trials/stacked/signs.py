"""What shows in the units and gradients of stacked networks: silence, saturation, fading."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

MOST_POINTS = 16
"""Points that are looked at: they tell a layer of silent units from a healthy one, and cost less
than 3 % of an epoch of 350 points with all that is done with them (2026-11)."""

NEAR_BOUND = 0.98
"""Of the way from the middle of a bounded activation to its bound."""

RECTIFIERS = frozenset({"relu"})
"""Activations whose units can be silent for good: zero, without a slope."""

BOUNDED: dict[str, tuple[float, float]] = {
    "sigmoid": (0.5, 0.5),
    "tanh": (0.0, 1.0),
    "hard_tanh": (0.0, 1.0),
}
"""Activations whose slope is lost at their bounds -> their middle, and their reach from it."""


HEALTHY: dict[str, float] = {"silent_share": 0.0, "saturated_share": 0.0, "gradient_ratio": 1.0}
"""The signs, with the figures of perfect health: share of silent rectifiers and of saturated
activations in the worst hidden layer, and the gradient at the first hidden layer over that at the
last."""


@dataclass(frozen=True)
class HiddenUnits:
    """The hidden layers of a row, as far as its signs depend on them.

    Attributes:
        activation: Of all of them.
        units: True units of each.
    """

    activation: str
    units: int


@runtime_checkable
class Observable(Protocol):
    """A network that shows what is in it; layers are those of the first rows, R of them."""

    def activations(self) -> Iterator[Tensor]:
        """Units of each hidden layer after a `forward`, (R, B, H), padded ones as an activation
        of 0.
        """

    def slopes(self) -> tuple[Sequence[Tensor], Tensor] | None:
        """Gradients at the sums into hidden units after a `backward`; None without such units.

        At the first hidden layer of each row that has one, in parts of neighbouring rows in
        order, (r, B, H) each; and at the last hidden layer, (R, B, H).
        """


class Signs:
    """The signs of some rows' health, measured once an epoch: one number a row of each.

    A row without what a sign is of has that of perfect health, as in `HEALTHY`.

    Args:
        hidden: Of each row.
        like: Says where and how precisely the rows are computed.
    """

    def __init__(self, hidden: Sequence[HiddenUnits], like: Tensor) -> None:
        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float64).to(like)

        names = [row.activation for row in hidden]
        self._units = column([row.units for row in hidden])
        self._rectifies = column([float(name in RECTIFIERS) for name in names])
        bounds = [BOUNDED.get(name, (0.0, math.inf)) for name in names]
        self._middle = column([middle for middle, _ in bounds]).view(-1, 1, 1)
        self._limit = column([NEAR_BOUND * reach for _, reach in bounds]).view(-1, 1, 1)
        self._has_rectifiers = not RECTIFIERS.isdisjoint(names)
        self._has_bounded = not BOUNDED.keys().isdisjoint(names)
        self._none = torch.zeros_like(self._units)
        self._ratio = torch.ones_like(self._units)

    def see_gradients(self, network: object) -> None:
        """Takes the gradients of the last `backward`."""
        slopes = network.slopes() if isinstance(network, Observable) else None
        if slopes is None:
            return
        first = torch.cat([_lengths(part) for part in slopes[0]])
        self._ratio[: len(first)] = first / _lengths(slopes[1])

    def figures(self, network: object, n_points: int) -> dict[str, Tensor]:
        """Every sign of the epoch by its name in `HEALTHY`, shape (K,).

        Args:
            network: After a `forward` without dropout.
            n_points: So many points of the batch come first and are real.
        """
        silent, saturated = self._none, self._none
        n = min(n_points, MOST_POINTS)
        if isinstance(network, Observable):
            for units in network.activations():
                silent = self._worst(silent, self._silent(units[:, :n]))
                saturated = self._worst(saturated, self._saturated(units[:, :n]))
        signs = (silent * self._rectifies, saturated, self._ratio)
        return dict(zip(HEALTHY, (sign.double() for sign in signs), strict=True))

    def _silent(self, units: Tensor) -> Tensor | None:
        """Share of the true units that are 0 for all points, shape (R,)."""
        if not self._has_rectifiers:
            return None
        n_rows, _, width = units.shape
        n_silent = (units.amax(1) <= 0).sum(1)
        true = self._units[:n_rows]
        return (n_silent - (width - true)) / true

    def _saturated(self, units: Tensor) -> Tensor | None:
        """Share of the true activations that are near a bound, shape (R,)."""
        if not self._has_bounded:
            return None
        n_rows, n_points, _ = units.shape
        distance = (units - self._middle[:n_rows]).abs_()
        n_near = (distance > self._limit[:n_rows]).sum((1, 2))
        return n_near / (self._units[:n_rows] * n_points)

    @staticmethod
    def _worst(before: Tensor, found: Tensor | None) -> Tensor:
        """The larger of both, where the first rows have a layer more."""
        if found is None:
            return before
        worst = before.clone()
        worst[: len(found)] = torch.maximum(before[: len(found)], found)
        return worst


def _lengths(slopes: Tensor) -> Tensor:
    """The Euclidean length of each row's gradient, shape (R,)."""
    lengths: Tensor = torch.linalg.vector_norm(slopes, dim=(1, 2))
    return lengths
