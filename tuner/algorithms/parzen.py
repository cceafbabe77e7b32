"""Hides how TPE estimates a density over several axes: a mixture of one kernel per trial."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from tuner.algorithms.axes import Axes, Points

N_FLAT = 25
"""So many of the latest observations count fully, older ones less and less."""

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
    """

    def __init__(self, axes: Axes, drawn: Points) -> None:
        self.values = axes.values(drawn.places)
        self.picks = drawn.picks
        self.cells = axes.cells(self.values)
        places = drawn.places[axes.smooth]
        taken = [
            np.eye(len(axis.distribution.choices))[:, picks]
            for axis, picks in zip(axes.choices.values(), drawn.picks, strict=True)
        ]
        self.features = np.concatenate([places**2, places, *taken])
        """Shape (F, N): with these the logarithm of a kernel is linear, grids aside."""


class Estimator:
    """A mixture of product kernels, one on each of K observations and, last, a broad prior.

    Densities lack the factors that all estimators of the same axes have in common.

    Args:
        axes: Of the observations.
        seen: The observations, oldest first.

    Source: Bergstra et al., NeurIPS (2011), section 4; bandwidths and weights are those of
    Optuna's `TPESampler`.
    """

    def __init__(self, axes: Axes, seen: Points) -> None:
        n_axes, n = seen.places.shape
        self._axes = axes
        self._weights = weights(n)
        self._centres, self._widths = np.zeros((n_axes, n + 1)), np.ones((n_axes, n + 1))
        self._centres[:, :-1] = seen.places
        self._widths[:, :-1], self._order = bandwidths(seen.places)
        self._rows = [
            np.append(picks, len(axis.distribution.choices))
            for axis, picks in zip(axes.choices.values(), seen.picks, strict=True)
        ]
        self._tables = [axis.probabilities(n) for axis in axes.choices.values()]

    def sample(self, rng: np.random.RandomState, n: int) -> Points:
        """`n` draws: the kernels, then the choices axis by axis, then all numbers."""
        ends = np.cumsum(self._weights)
        drawn = np.searchsorted(ends / ends[-1], rng.random_sample(n), side="right")
        picks = np.empty((len(self._tables), n), dtype=int)
        for index, (table, rows) in enumerate(zip(self._tables, self._rows, strict=True)):
            ends = np.cumsum(table[:, :-1], axis=1)[rows[drawn]]
            picks[index] = (ends < rng.random_sample((n, 1))).sum(axis=1)
        centres, widths = self._centres[:, drawn], self._widths[:, drawn]
        quantiles = rng.random_sample(centres.shape)
        return Points(_truncated_normal(quantiles, centres, widths), picks)

    def log_density(self, candidates: Candidates) -> np.ndarray:
        """Logarithm of the density at the candidates, shape (N,)."""
        on_grids = [
            (_log_masses((cells.ends[:, :, np.newaxis] - centres) / widths), of_kernel, cells)
            for cells, (centres, widths, of_kernel) in zip(
                candidates.cells, self._on_grids, strict=True
            )
        ]
        parts = []
        for block, coefficients, constants in self._blocks:
            by_kernel = candidates.features.T @ coefficients
            by_kernel += constants
            for logs, of_kernel, cells in on_grids:
                by_kernel += logs.take(of_kernel[block], axis=1).take(cells.of_point, axis=0)
            highest = by_kernel.max(axis=1, keepdims=True)
            by_kernel -= highest
            # What would underflow takes `exp` ten times as long, and adds nothing.
            np.clip(by_kernel, -_NEGLIGIBLE, 0.0, out=by_kernel)
            parts.append(np.log(np.exp(by_kernel, out=by_kernel).sum(axis=1)) + highest[:, 0])
        summed: np.ndarray = np.logaddexp.reduce(parts)
        return summed

    @cached_property
    def _blocks(self) -> list[tuple[slice, np.ndarray, np.ndarray]]:
        """What the kernels make of candidates' features, and what does not depend on these."""
        starts = range(0, len(self._weights), _BLOCK)
        blocks = [slice(start, start + _BLOCK) for start in starts]
        return [(block, self._coefficients(block), self._constants(block)) for block in blocks]

    def _coefficients(self, block: slice) -> np.ndarray:
        """What some kernels make of the candidates' features, shape (F, their number).

        The squares in the normal densities are multiplied out, so that a product of two matrices
        gives the logarithms of all kernels at all candidates.
        """
        smooth = self._axes.smooth
        sharpness = 1 / self._widths[smooth, block]
        n_smooth, n = sharpness.shape
        n_choices = sum(table.shape[1] for table in self._tables)
        found = np.empty((2 * n_smooth + n_choices, n))
        precisions, slopes, chosen = np.split(found, [n_smooth, 2 * n_smooth])
        np.multiply(sharpness, sharpness, out=precisions)
        np.multiply(precisions, self._centres[smooth, block], out=slopes)
        precisions *= -0.5
        first = 0
        for table, rows in zip(self._tables, self._rows, strict=True):
            last = first + table.shape[1]
            np.log(table).T.take(rows[block], axis=1, out=chosen[first:last], mode="clip")
            first = last
        return found

    def _constants(self, block: slice) -> np.ndarray:
        """What does not depend on the candidates, shape (number of kernels,)."""
        smooth = self._axes.smooth
        centres, widths = self._centres[:, block], self._widths[:, block]
        masses = _masses_inside(centres, widths)
        masses[smooth] *= widths[smooth]
        scores = centres[smooth] / widths[smooth]
        found: np.ndarray = np.log(self._weights[block]) - np.log(masses).sum(axis=0)
        found -= 0.5 * (scores * scores).sum(axis=0)
        return found

    @cached_property
    def _on_grids(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Centres and widths of the different kernels on each axis with a grid, and who has which.

        There many kernels are equal; they are told by their neighbours in order.
        """
        found = []
        for axis in self._axes.gridded:
            order = np.append(self._order[axis], self._centres.shape[1] - 1)
            centres, widths = self._centres[axis, order], self._widths[axis, order]
            is_new = np.ones(len(order), dtype=bool)
            is_new[1:] = (centres[1:] != centres[:-1]) | (widths[1:] != widths[:-1])
            of_kernel = np.empty(len(order), dtype=int)
            of_kernel[order] = np.cumsum(is_new) - 1
            found.append((centres[is_new], widths[is_new], of_kernel))
        return found


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

    A kernel is as wide as the larger gap to a neighbour, within limits.

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
    np.clip(widths, 1 / min(100.0, n + 2.0), 1.0, out=widths)
    return widths, order


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


def _log_masses(ends: np.ndarray) -> np.ndarray:
    """Logarithms of the standard normal distribution's masses between `ends`.

    Where rounding leaves little or nothing of a kernel's mass, the prior's is much greater.

    Args:
        ends: Shape (2, ...), the lower ones first.
    """
    low, high = ndtr(ends)
    logs: np.ndarray = np.log(np.maximum(high - low, np.finfo(float).tiny))
    return logs
