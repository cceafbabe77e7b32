"""Hides how TPE estimates a density over several axes: a mixture of one kernel per trial."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from tuner.algorithms.axes import Axes, Points
from tuner.algorithms.grid_kernels import GridKernels

N_FLAT = 25
"""So many of the latest observations count fully, older ones less and less."""

MOST_PER_AXIS = 100.0
"""A kernel is at least this part of an axis wide."""

N_SETTLED = 98
"""From so many observations on, that least width does not depend on their number."""

_NEGLIGIBLE = 700.0
"""A logarithm so far below the highest adds nothing to a sum."""

_BLOCK = 1280
"""So many kernels are evaluated at once: their arrays stay in the processor's caches."""

_REACH = 8.5
"""Beyond so many widths a normal distribution has no mass that would be seen beside 1."""


class Candidates:
    """Points whose densities are compared, with what does not depend on the estimator.

    Attributes:
        values: Of the numbers, shape (D, N); those with a grid are on it.
        picks: Of the choices, shape (A, N).
        cells: On the axes with a grid.
        powers: Squares of the places on the axes without a grid, then the places, shape (2S, N).
    """

    def __init__(self, axes: Axes, drawn: Points) -> None:
        self.values = axes.values(drawn.places)
        self.picks = drawn.picks
        self.cells = axes.cells(self.values)
        places = drawn.places[axes.smooth]
        self.powers = np.concatenate([places * places, places])


class _Ends:
    """Up to which number between 0 and 1 each kernel is drawn, and each choice by a kernel.

    Attributes:
        of_kernels: Shape (K + 1,).
        of_choices: Of all choices but the last, a table for each axis, a row for each choice
            that a kernel may be at and one for the prior.
    """

    def __init__(self, weights: np.ndarray, tables: list[np.ndarray]) -> None:
        ends = np.cumsum(weights)
        self.of_kernels = ends / ends[-1]
        self.of_choices = [np.cumsum(table[:, :-1], axis=1) for table in tables]


class Estimator:
    """A mixture of product kernels, one on each of K observations and, last, a broad prior.

    Densities lack the factors that all estimators of the same axes have in common. The logarithm
    of a kernel is a product of what a candidate has (features) and what the kernel makes of it
    (coefficients), grids aside: squares in the normal densities are multiplied out, and a choice
    selects from the logarithms of its table. So one product of matrices has all of them.

    Args:
        axes: Of the observations.
        seen: The observations, oldest first.

    Source: Bergstra et al., NeurIPS (2011), section 4; bandwidths and weights are those of
    Optuna's `TPESampler`.
    """

    def __init__(self, axes: Axes, seen: Points) -> None:
        n_axes, n = seen.places.shape
        self._axes = axes
        self._ends: _Ends | None = None
        self._centres, self._widths = np.zeros((n_axes, n + 1)), np.ones((n_axes, n + 1))
        self._centres[:, :-1] = seen.places
        self._widths[:, :-1], self._order = bandwidths(seen.places)
        self._rows = np.empty((len(axes.choices), n + 1), dtype=int)
        self._rows[:, :-1] = seen.picks
        self._rows[:, -1] = self._n_choices = [
            len(axis.distribution.choices) for axis in axes.choices.values()
        ]
        self._n_powers = 2 * len(axes.smooth)
        n_features = self._n_powers + sum(self._n_choices) + len(self._n_choices)
        self._coefficients = np.zeros((n_features, n + 1))
        self._constants = np.empty(n + 1)
        self._evaluate(np.arange(n + 1))
        self._kinds = [self._grid_kernels(axis, n) for axis in axes.gridded]
        self._set_size(n)

    @property
    def can_grow(self) -> bool:
        """Whether another observation leaves most kernels as they are."""
        return self._n >= N_SETTLED

    def append(self, places: np.ndarray, picks: np.ndarray) -> None:
        """One more observation, the newest; the estimator is then what it would be made anew.

        Args:
            places: Of the numbers, shape (D,).
            picks: Of the choices, shape (A,).
        """
        n = self._n
        self._reserve(n + 2)
        for array in (self._centres, self._widths, self._rows, self._coefficients):
            array[:, n + 1] = array[:, n]
        self._constants[n + 1] = self._constants[n]
        self._centres[:, n], self._rows[:, n] = places, picks
        self._coefficients[self._n_powers :, n] = 0.0
        changed = [self._insert(axis, place) for axis, place in enumerate(places.tolist())]
        self._evaluate(np.array(sorted({n, n + 1}.union(*changed))))
        for kinds, axis in zip(self._kinds, self._axes.gridded, strict=True):
            columns = sorted([*changed[axis], n + 1])
            kinds.set(columns, self._centres[axis, columns], self._widths[axis, columns])
        self._set_size(n + 1)

    def sample(self, rng: np.random.RandomState, n: int) -> Points:
        """`n` draws: the kernels, then the choices axis by axis, then all numbers."""
        n_numbers, n_choices = len(self._centres), len(self._rows)
        uniform = rng.random_sample((1 + n_choices + n_numbers, n))
        if self._ends is None:
            self._ends = _Ends(
                self._weights, [axis.probabilities(self._n) for axis in self._axes.choices.values()]
            )
        drawn = np.searchsorted(self._ends.of_kernels, uniform[0], side="right")
        picks = np.empty((n_choices, n), dtype=int)
        for index, ends in enumerate(self._ends.of_choices):
            ends_drawn = ends.take(self._rows[index].take(drawn), axis=0)
            picks[index] = (ends_drawn < uniform[1 + index, :, np.newaxis]).sum(axis=1)
        centres, widths = self._centres.take(drawn, axis=1), self._widths.take(drawn, axis=1)
        return Points(_truncated_normal(uniform[1 + n_choices :], centres, widths), picks)

    def log_density(self, candidates: Candidates) -> np.ndarray:
        """Logarithm of the density at the candidates, shape (N,)."""
        chosen = [
            table.take(picks, axis=1)
            for table, picks in zip(self._log_tables, candidates.picks, strict=True)
        ]
        features = np.concatenate([candidates.powers, *chosen]).T
        on_grids = [
            (kinds.log_masses(cells).take(cells.of_point, axis=0), kinds)
            for cells, kinds in zip(candidates.cells, self._kinds, strict=True)
        ]
        constants = self._log_weights + self._constants[: self._n + 1]
        parts = []
        for start in range(0, self._n + 1, _BLOCK):
            block = slice(start, min(start + _BLOCK, self._n + 1))
            by_kernel = features @ self._coefficients[:, block]
            by_kernel += constants[block]
            for logs, kinds in on_grids:
                by_kernel += logs.take(kinds.of[block], axis=1)
            highest = by_kernel.max(axis=1, keepdims=True)
            by_kernel -= highest
            # What would underflow takes `exp` ten times as long, and adds nothing.
            np.maximum(by_kernel, -_NEGLIGIBLE, out=by_kernel)
            parts.append(np.log(np.exp(by_kernel, out=by_kernel).sum(axis=1)) + highest[:, 0])
        summed: np.ndarray = parts[0] if len(parts) == 1 else np.logaddexp.reduce(parts)
        return summed

    def _set_size(self, n: int) -> None:
        """What depends on the number of observations is that of `n`."""
        self._n = n
        self._weights = weights(n)
        self._log_weights = np.log(self._weights)
        self._ends = None
        self._log_tables = [axis.log_probabilities(n) for axis in self._axes.choices.values()]

    def _evaluate(self, columns: np.ndarray) -> None:
        """Coefficients and constants are those of the centres, widths and choices.

        The sums are taken axis by axis, so that a kernel's do not depend on its company.
        """
        smooth = self._axes.smooth
        centres = self._centres.take(columns, axis=1)
        widths = self._widths.take(columns, axis=1)
        precisions = 1 / widths[smooth]
        precisions *= precisions
        slopes = precisions * centres[smooth]
        self._coefficients[: len(smooth), columns] = -0.5 * precisions
        self._coefficients[len(smooth) : self._n_powers, columns] = slopes
        masses = _masses_inside(centres, widths)
        masses[smooth] *= widths[smooth]
        constants = np.zeros(len(columns))
        for logs in np.log(masses):
            constants -= logs
        for squares in slopes * centres[smooth]:
            constants -= 0.5 * squares
        self._constants[columns] = constants
        first = self._n_powers
        for rows, n_choices in zip(self._rows, self._n_choices, strict=True):
            self._coefficients[first + rows[columns], columns] = 1.0
            first += n_choices + 1

    def _grid_kernels(self, axis: int, n: int) -> GridKernels:
        order = np.append(self._order[axis], n)
        return GridKernels(self._centres[axis], self._widths[axis], order)

    @cached_property
    def _sorted(self) -> dict[int, tuple[list[float], list[int]]]:
        """Of each axis whose places all differ, the places upwards and the columns they are in."""
        found = {}
        for axis, order in enumerate(self._order):
            ordered = self._centres[axis, order]
            if (ordered[1:] != ordered[:-1]).all():
                found[axis] = ordered.tolist(), order.tolist()
        return found

    def _insert(self, axis: int, place: float) -> list[int]:
        """The newest place is among its neighbours; returns the columns whose widths changed."""
        if axis not in self._sorted:
            return self._sort_anew(axis)
        ordered, columns = self._sorted[axis]
        at = bisect_right(ordered, place)
        if at > 0 and ordered[at - 1] == place:
            del self._sorted[axis]
            return self._sort_anew(axis)
        ordered.insert(at, place)
        columns.insert(at, self._n)
        first, last = max(0, at - 1), min(self._n, at + 1)
        for position in range(first, last + 1):
            self._widths[axis, columns[position]] = _width(ordered, position)
        return columns[first : last + 1]

    def _sort_anew(self, axis: int) -> list[int]:
        """The widths are those of all places; returns the columns where they changed.

        One place more may change which of two equal ones the sort takes for the lower.
        """
        widths = self._widths[axis, : self._n + 1]
        before = widths.copy()
        widths[:] = bandwidths(self._centres[axis : axis + 1, : self._n + 1])[0][0]
        return sorted({self._n, *np.flatnonzero(widths != before).tolist()})

    def _reserve(self, n: int) -> None:
        """There is room for `n` kernels."""
        more = n - len(self._constants)
        if more <= 0:
            return
        more = max(more, len(self._constants) // 4)
        self._centres, self._widths, self._rows, self._coefficients = (
            np.pad(array, ((0, 0), (0, more)))
            for array in (self._centres, self._widths, self._rows, self._coefficients)
        )
        self._constants = np.pad(self._constants, (0, more))


def weights(n: int) -> np.ndarray:
    """What `n` observations, oldest first, and the prior weigh, shape (n + 1,), summing to 1."""
    found = np.ones(n + 1)
    n_older = max(0, n - N_FLAT)
    if n_older:
        found[:n_older] = 1 / n + np.arange(n_older) * (1 - 1 / n) / max(1, n_older - 1)
    found /= found.sum()
    return found


def bandwidths(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How wide the kernels are and in which order they lie, each shape (D, K).

    A kernel is as wide as the larger gap to a neighbour, within limits. Equal places lie as the
    sort leaves them, which is what Optuna does.

    Args:
        places: Of the observations, shape (D, K), in [-0.5, 0.5].
    """
    widths, order = np.empty_like(places), np.empty(places.shape, dtype=int)
    n = places.shape[1]
    if n < 2:
        return 0.5 + np.abs(places), np.zeros(places.shape, dtype=int)
    widest = np.empty(n)
    for axis, row in enumerate(places):
        order[axis] = np.argsort(row)
        ordered = row[order[axis]]
        gaps = ordered[1:] - ordered[:-1]
        widest[0], widest[-1] = gaps[0], gaps[-1]
        np.maximum(gaps[1:], gaps[:-1], out=widest[1:-1])
        widths[axis, order[axis]] = widest
    np.clip(widths, 1 / min(MOST_PER_AXIS, n + 2.0), 1.0, out=widths)
    return widths, order


def _width(ordered: list[float], position: int) -> float:
    """How wide the kernel at one of many places is, as `bandwidths` has it."""
    place = ordered[position]
    below = place - ordered[position - 1] if position > 0 else 0.0
    above = ordered[position + 1] - place if position + 1 < len(ordered) else 0.0
    return min(1.0, max(below, above, 1 / MOST_PER_AXIS))


def _truncated_normal(q: np.ndarray, centres: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The q-quantiles of normal distributions cut off at -0.5 and 0.5; centres lie between.

    The upper half is counted from above, where probabilities do not round to 1.
    """
    low, high = ndtr((-0.5 - centres) / widths), ndtr((centres - 0.5) / widths)
    mass = 1 - low - high
    below, above = low + q * mass, high + (1 - q) * mass
    scores = np.where(below < 0.5, ndtri(below), -ndtri(above))
    found: np.ndarray = np.clip(centres + scores * widths, -0.5, 0.5)
    return found


def _masses_inside(centres: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The normal kernels' masses between -0.5 and 0.5; centres lie between."""
    masses = np.ones(centres.size)
    cut = np.flatnonzero(np.abs(centres) + _REACH * widths > 0.5)
    centre, width = centres.ravel()[cut], widths.ravel()[cut]
    masses[cut] = ndtr((0.5 - centre) / width) - ndtr((-0.5 - centre) / width)
    return masses.reshape(centres.shape)
