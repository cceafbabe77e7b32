"""The table of families, and how the rows of a stack are cut into the tiles that they move."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from trials.stacked.optimizers.adadelta import AdaDelta
from trials.stacked.optimizers.adaptive import Adaptive
from trials.stacked.optimizers.family import Family, Tile
from trials.stacked.optimizers.momentum import Momentum
from trials.stacked.optimizers.rule import Rule
from trials.stacked.runs import runs

FAMILIES: dict[str, type[Family]] = {
    "sgd": Momentum,
    "adagrad": Adaptive,
    "rmsprop": Adaptive,
    "adam": Adaptive,
    "adamw": Adaptive,
    "adadelta": AdaDelta,
}
"""Name of an optimizer -> the class that moves its rows; names of one class share passes."""

_LEAST_RATE = 1e-30
"""Some families divide by the rate; a rate of 0 would turn padded zeros into 0 * infinity."""

_TILE = 2**16
"""Numbers of a tile on a CPU: its tensors stay in the cache from one pass to the next.

32 rows of 7,312 numbers, Adam: 12.3 us a row in tiles, 16.3 us without (1 MiB of L2, 2026-02).
"""

_WINDOW = 64
"""Steps whose figures are laid out at a time: views of a whole long epoch would cost memory."""


def _pieces(length: int, most: int) -> list[slice]:
    """`length` things in pieces of at most `most`."""
    return [slice(start, min(start + most, length)) for start in range(0, length, most)]


class _Lasso:
    """Adds l1 * sign(w) to the gradient of a tile's weights.

    Args:
        rules: One per row.
        tile: Their tensors.
    """

    def __init__(self, rules: Sequence[Rule], tile: Tile) -> None:
        self._l1 = tile.column([rule.l1 for rule in rules])
        self._weights, self._slopes, self._signs = (
            tensor[:, : tile.n_weights] for tensor in (tile.parameters, tile.gradient, tile.scratch)
        )

    def step(self, _figures: Sequence[Tensor]) -> None:
        """The gradient is that of the loss with its penalty."""
        self._slopes.addcmul_(torch.sign(self._weights, out=self._signs), self._l1)


class _Run:
    """Neighbouring rows of one family.

    Args:
        family: Their class.
        rules: One per row.
        tile: Their tensors, all columns.
    """

    def __init__(self, family: type[Family], rules: Sequence[Rule], tile: Tile) -> None:
        self._family, self._rules, self._like = family, rules, tile.parameters
        n_columns = tile.parameters.shape[1]
        is_cpu = tile.parameters.device.type == "cpu"
        most_columns = min(n_columns, _TILE) if is_cpu else n_columns
        most_rows = max(1, _TILE // n_columns) if is_cpu else len(rules)
        self._rows = _pieces(len(rules), most_rows)
        columns = _pieces(n_columns, most_columns)
        kinds: list[type[_Lasso] | type[Family]] = [family]
        if any(rule.l1 for rule in rules):
            kinds.insert(0, _Lasso)
        self._tiles = [
            [kind(rules[r], tile.cut(r, c)) for c in columns for kind in kinds] for r in self._rows
        ]
        self._table = torch.empty(0)
        self._stride = self._n_figures = 0
        self._window = range(0)
        self._moves: list[tuple[Callable[[Sequence[Tensor]], None], Sequence[Tensor]]] = []

    def begin(self, rates: Sequence[float], steps_done: Sequence[int], n_steps: int) -> None:
        """Prepares the next `n_steps` steps."""
        steps = np.arange(1.0, n_steps + 1)[:, None] + np.array(steps_done, dtype=np.float64)
        figures = self._family.figures(self._rules, np.array(rates), steps)
        n_tabled, n_figures, n_rows = figures.shape
        table = torch.from_numpy(figures).view(n_tabled * n_figures, n_rows, 1)
        self._table = table.to(device=self._like.device, dtype=self._like.dtype)
        self._n_figures = n_figures
        self._stride = n_figures if n_tabled > 1 else 0
        self._open(0, n_steps)

    def _open(self, first: int, n_steps: int) -> None:
        """Lays out the figures of `n_steps` steps from `first` on."""
        if self._stride:
            n_steps = min(n_steps, _WINDOW)
        self._window = range(first, first + n_steps)
        start, stop = first * self._stride, self._window.stop * self._stride
        table = self._table[start : stop or None]
        self._moves = []
        for rows, tiles in zip(self._rows, self._tiles, strict=True):
            figures = table[:, rows].unbind(0)
            self._moves += [(tile.step, figures) for tile in tiles]

    def step(self, index: int) -> None:
        """Moves the rows."""
        if index not in self._window:
            self._open(index, _WINDOW)
        start = (index - self._window.start) * self._stride
        stop = start + self._n_figures
        for move, figures in self._moves:
            move(figures[start:stop])


class Updates:
    """The optimizers of K rows that are sorted by `Rule.rank`.

    The formulas are those of `torch.optim`, with scalars replaced by one number per row. The
    penalty l1 joins the gradient here, tile by tile; weight decay is not here, but for AdamW: it
    is part of the gradient.

    Args:
        rules: One per row.
        parameters: (K, P), changed in place.
        gradient: (K, P), read and overwritten by each step.
        first: (K, P), a state of the family; zeros at the start.
        second: (K, P), another; zeros at the start.
        scratch: (K, P), contiguous memory without content.
        n_weights: The first columns, as many as are weights and so decay with AdamW; all when
            left out.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        parameters: Tensor,
        gradient: Tensor,
        first: Tensor,
        second: Tensor,
        scratch: Tensor,
        n_weights: int | None = None,
    ) -> None:
        ranks = [rule.rank for rule in rules]
        assert ranks == sorted(ranks)
        n_weights = parameters.shape[1] if n_weights is None else n_weights
        tile = Tile(parameters, gradient, first, second, scratch, n_weights)
        self._rules = rules
        self._runs = [
            (rows, _Run(family, rules[rows], tile.rows(rows)))
            for family, rows in runs(FAMILIES[rule.optimizer] for rule in rules)
        ]

    def begin(self, factors: Sequence[float], steps_done: Sequence[int], n_steps: int) -> None:
        """Prepares the next `n_steps` steps.

        Args:
            factors: Of each row's learning rate, from its schedule.
            steps_done: Steps each row has taken, for Adam's bias correction.
            n_steps: Steps of this epoch.
        """
        rates = [
            max(r.learning_rate * f, _LEAST_RATE) for r, f in zip(self._rules, factors, strict=True)
        ]
        for rows, run in self._runs:
            run.begin(rates[rows], steps_done[rows], n_steps)

    def step(self, index: int) -> None:
        """Moves every row along its gradient; `index` counts from 0 within `begin`'s steps."""
        for _, run in self._runs:
            run.step(index)
