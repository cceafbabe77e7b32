"""Activations of K rows under autograd, each row by its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from trials.stacked.activations import ACTIVATIONS, LEAK
from trials.stacked.dropout import padding_masks
from trials.stacked.runs import runs

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hard_tanh": functional.hardtanh,
    "relu": torch.relu,
    "leaky_relu": lambda x: functional.leaky_relu(x, LEAK),
    "elu": functional.elu,
    "selu": torch.selu,
    "softplus": functional.softplus,
}
"""Name of an activation -> the function that autograd follows."""


class Activated:
    """Units of neighbouring rows, of which padded ones are zero whatever the activation.

    Args:
        names: Each row's activation, equal ones side by side.
        units: Each row's units.
        padded: Units with padding.
        like: Says where and in which precision units are wanted.
    """

    def __init__(
        self, names: Sequence[str], units: Sequence[int], padded: int, like: Tensor
    ) -> None:
        self._runs = runs(names)
        self.moves_zero = any(ACTIVATIONS[name].moves_zero for name in names)
        masks = padding_masks(names, units, 1, padded, like)
        self._real = None if masks is None else masks[0]

    def __call__(self, sums: Tensor) -> Tensor:
        """The units for sums of shape (K, ..., H)."""
        parts = [FUNCTIONS[name](sums[rows]) for name, rows in self._runs]
        units = parts[0] if len(parts) == 1 else torch.cat(parts)
        if self._real is None:
            return units
        return units * self._real.view(len(units), *[1] * (units.dim() - 2), -1)
