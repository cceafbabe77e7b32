"""Hides which of many kernels on an axis with a grid are equal: few are evaluated for each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from tuner.algorithms.axes import Cells

MOST_CELLS = 512
"""So many cells of one axis are remembered."""


class GridKernels:
    """The different kernels on one axis with a grid, and which of them each column has.

    Args:
        centres: Of all kernels, shape (K,).
        widths: Shape (K,).
        order: In which those of one centre stand side by side, shape (K,).

    Attributes:
        of: Which of those that are kept each column has, shape (K,) or longer.
    """

    def __init__(self, centres: np.ndarray, widths: np.ndarray, order: np.ndarray) -> None:
        ordered, wide = centres[order], widths[order]
        is_new = np.ones(len(order), dtype=bool)
        is_new[1:] = (ordered[1:] != ordered[:-1]) | (wide[1:] != wide[:-1])
        self.of = np.empty(len(order), dtype=int)
        self.of[order] = np.cumsum(is_new) - 1
        self._centres, self._widths = ordered[is_new], wide[is_new]
        self._indices: dict[tuple[float, float], int] | None = None
        self._rows: dict[int, int] = {}
        self._ends = np.empty((2, 0))
        self._logs = np.empty((0, len(self._centres)))

    def set(self, columns: list[int], centres: np.ndarray, widths: np.ndarray) -> None:
        """The columns, of which the last may be one more, have kernels with those centres."""
        if self._indices is None:
            pairs = zip(self._centres.tolist(), self._widths.tolist(), strict=True)
            self._indices = {pair: index for index, pair in enumerate(pairs)}
        given = list(zip(centres.tolist(), widths.tolist(), strict=True))
        new = [pair for pair in dict.fromkeys(given) if pair not in self._indices]
        if new:
            self._indices |= {pair: len(self._centres) + n for n, pair in enumerate(new)}
            self._centres = np.append(self._centres, [centre for centre, _ in new])
            self._widths = np.append(self._widths, [width for _, width in new])
        if columns[-1] >= len(self.of):
            self.of = np.pad(self.of, (0, columns[-1] // 4 + 1))
        self.of[columns] = [self._indices[pair] for pair in given]

    def log_masses(self, cells: Cells) -> np.ndarray:
        """Logarithms of what each different kernel has in each of the cells, a row a cell."""
        if len(self._rows) > MOST_CELLS:
            self._rows, self._ends, self._logs = {}, self._ends[:, :0], self._logs[:0]
        n_known = self._logs.shape[1]
        if n_known < len(self._centres):
            logs = _log_masses(self._ends, self._centres[n_known:], self._widths[n_known:])
            self._logs = np.concatenate([self._logs, logs], axis=1)
        new = [at for at, number in enumerate(cells.numbers) if number not in self._rows]
        if new:
            ends = cells.ends[:, new]
            self._rows |= {cells.numbers[at]: len(self._rows) + n for n, at in enumerate(new)}
            self._ends = np.concatenate([self._ends, ends], axis=1)
            self._logs = np.concatenate(
                [self._logs, _log_masses(ends, self._centres, self._widths)]
            )
        return self._logs.take([self._rows[number] for number in cells.numbers], axis=0)


def _log_masses(ends: np.ndarray, centres: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Logarithms of normal kernels' masses in cells, shape (number of cells, of kernels).

    Where rounding leaves little or nothing of a kernel's mass, the prior's is much greater.

    Args:
        ends: Where the cells begin and end, shape (2, number of cells).
        centres: Shape (number of kernels,).
        widths: The same shape.
    """
    low, high = ndtr((ends[:, :, np.newaxis] - centres) / widths)
    logs: np.ndarray = np.log(np.maximum(high - low, np.finfo(float).tiny))
    return logs
