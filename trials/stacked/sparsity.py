"""A penalty that keeps most hidden units silent for most points, each row with its own weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from trials.stacked.dropout import real_units
from trials.stacked.network import Stack
from trials.stacked.runs import runs

_NEVER = 1e-6
"""A mean activation counts as at least so far from 0 and from 1: the penalty stays finite."""


class Sparsity:
    """What pulls at the activations of hidden units, before dropout.

    For sigmoid units the penalty of a layer is weight * sum over units of
    KL(target || mean activation over the batch), for all others it is
    weight * mean over the batch of sum |activation|, where the target makes no difference.

    Args:
        weights: Of the penalty per row; rows with 0 are left alone.
        targets: Mean activation that is aimed at per row, in (0, 1).
        activations: Name per row.
        real: One for true and zero for padded units, shape (K, H).
        n_points: Points of a batch that are not padding; None for all.

    Source: Ng, Sparse autoencoder, CS294A lecture notes (2011).
    """

    def __init__(
        self,
        weights: Sequence[float],
        targets: Sequence[float],
        activations: Sequence[str],
        real: Tensor,
        n_points: int | None,
    ) -> None:
        self._n_points = n_points
        sigmoid = [name == "sigmoid" for name in activations]
        column = torch.tensor([weights, targets], dtype=torch.float64).to(real).view(2, -1, 1, 1)
        self._parts = [
            (rows, is_sigmoid, real[rows].unsqueeze(1) * column[0, rows], column[1, rows])
            for (is_wanted, is_sigmoid), rows in runs(
                zip([w > 0 for w in weights], sigmoid, strict=True)
            )
            if is_wanted
        ]

    def add(self, slope: Tensor, units: Tensor) -> None:
        """The penalty's gradient joins `slope`; both are of shape (R, B, H), the first R rows."""
        units = units[:, : self._n_points]
        slope = slope[:, : self._n_points]
        for rows, is_sigmoid, weights, targets in self._parts:
            part = units[rows]
            weight, target = weights[: len(part)] / units.shape[1], targets[: len(part)]
            if is_sigmoid:
                mean = part.mean(1, keepdim=True).clamp_(_NEVER, 1.0 - _NEVER)
                slope[rows].add_(((1.0 - target) / (1.0 - mean) - target / mean) * weight)
            else:
                slope[rows].addcmul_(part.sign(), weight)


class Sparse(Protocol):
    """Settings of rows that may want their hidden units sparse."""

    @property
    def units(self) -> int:
        """Units of the hidden layers."""
        ...

    @property
    def activation(self) -> str:
        """Of hidden units."""
        ...

    @property
    def sparsity(self) -> float:
        """The target."""
        ...

    @property
    def sparsity_weight(self) -> float:
        """Of the penalty; 0 for none."""
        ...


def sparsity(stack: Stack[Sparse]) -> Sparsity | None:
    """What pulls at the hidden activations of the rows; None where none wants it."""
    settings = stack.settings
    weights = [s.sparsity_weight for s in settings]
    if not any(weights):
        return None
    return Sparsity(
        weights,
        [s.sparsity for s in settings],
        [s.activation for s in settings],
        real_units([s.units for s in settings], stack.padded.units, stack.parameters),
        stack.n_points,
    )
