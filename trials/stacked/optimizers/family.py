"""What a family of optimizers must offer, and the piece of the rows that it moves at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from trials.stacked.optimizers.rule import Rule

Figures = npt.NDArray[np.float64]

MOMENTS = ("first_moment", "second_moment")
"""What a row remembers for its optimizer, by name: `first` and `second` of a `Tile`."""


class Tile(NamedTuple):
    """Some columns of R neighbouring rows: views into the tensors of all rows.

    Attributes:
        parameters: (R, Q), changed in place.
        gradient: (R, Q), free to be overwritten.
        first: (R, Q), a state that starts as zeros.
        second: (R, Q), another.
        scratch: (R, Q), memory without content.
        n_weights: The first columns, as many as are weights; biases follow.
    """

    parameters: Tensor
    gradient: Tensor
    first: Tensor
    second: Tensor
    scratch: Tensor
    n_weights: int

    def rows(self, rows: slice) -> Tile:
        """The same columns of fewer rows."""
        return Tile(
            self.parameters[rows],
            self.gradient[rows],
            self.first[rows],
            self.second[rows],
            self.scratch[rows],
            self.n_weights,
        )

    def cut(self, rows: slice, columns: slice) -> Tile:
        """A part of contiguous tensors; all parts share scratch, so that it stays in the cache."""
        parameters = self.parameters[rows, columns]
        shape = parameters.shape
        return Tile(
            parameters,
            self.gradient[rows, columns],
            self.first[rows, columns],
            self.second[rows, columns],
            self.scratch.view(-1)[: shape.numel()].view(shape),
            min(max(self.n_weights - columns.start, 0), shape[1]),
        )

    def column(self, values: Sequence[float]) -> Tensor:
        """One number per row, shape (R, 1)."""
        like = self.parameters
        return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1)


def of_rows(column: Tensor, rows: slice) -> Tensor:
    """The numbers of some rows; a view is made only where these are not all rows."""
    is_whole = rows.start == 0 and rows.stop == column.shape[0]
    return column if is_whole else column[rows]


class Family(Protocol):
    """Optimizers that share their passes over memory.

    Implementations hold one tile. A step must neither allocate nor read a number back from the
    device; zeros with a gradient of zero stay zeros; and a row's bits depend on its own figures
    alone. Rules come sorted by `Rule.rank`.
    """

    def __init__(self, rules: Sequence[Rule], tile: Tile) -> None: ...

    @staticmethod
    def figures(rules: Sequence[Rule], rates: Figures, steps: Figures, /) -> Figures:
        """The numbers that change with the learning rate and the count of steps.

        Args:
            rules: One per row.
            rates: Learning rates, schedules included, positive, shape (K,).
            steps: Each row's count of steps, from 1, shape (S, K).

        Returns:
            C numbers per step and row, shape (S, C, K); (1, C, K) when steps are alike.
        """
        ...

    def step(self, figures: Sequence[Tensor]) -> None:
        """Moves the parameters of the tile; `figures` are C columns of shape (R, 1)."""
        ...
