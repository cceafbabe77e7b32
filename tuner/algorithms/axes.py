"""Hides how the axes of a space are told to TPE: numbers as places in a unit interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tuner.algorithms.ordinal import Distance, gaps, kernel

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from search_spaces import Space


class Points(NamedTuple):
    """N points of a space with D axes of numbers and A axes of choices.

    Attributes:
        places: Of the numbers, shape (D, N), in [-0.5, 0.5].
        picks: Indices of the choices, shape (A, N).
    """

    places: np.ndarray
    picks: np.ndarray


class Cells(NamedTuple):
    """The different cells that points have on an axis with a grid.

    Attributes:
        numbers: Each cell once, counted from 0 at the lowest value, upwards.
        ends: Where they begin and end, shape (2, number of cells).
        of_point: Which of them each point has, shape (N,).
    """

    numbers: list[int]
    ends: np.ndarray
    of_point: np.ndarray


@dataclass(frozen=True)
class Choices:
    """An axis of C choices.

    Attributes:
        distance: Of two choices that have an order, else None.
    """

    distribution: CategoricalDistribution
    distance: Distance | None

    @cached_property
    def _gaps(self) -> np.ndarray | None:
        return None if self.distance is None else gaps(self.distribution.choices, self.distance)

    def probabilities(self, n: int) -> np.ndarray:
        """How probable each of `n` kernels finds each choice, shape (C + 1, C).

        Row c is that of a kernel at choice c; the last row is the prior's, which is even.
        """
        n_choices = len(self.distribution.choices)
        least = 1 / (n + 1 + n_choices)
        table = self._table(least, least * (n + 2), 1 / n_choices)
        if self._gaps is not None and n > 0:
            table[:-1] = table[:-1] @ kernel(self._gaps, n)
        return table

    def log_probabilities(self, n: int) -> np.ndarray:
        """Their logarithms."""
        if self._gaps is not None:
            logs: np.ndarray = np.log(self.probabilities(n))
            return logs
        n_choices = len(self.distribution.choices)
        least = 1 / (n + 1 + n_choices)
        return self._table(math.log(least), math.log(least * (n + 2)), -math.log(n_choices))

    def _table(self, others: float, own: float, prior: float) -> np.ndarray:
        n_choices = len(self.distribution.choices)
        table = np.full((n_choices + 1, n_choices), others)
        table.ravel()[: n_choices**2 : n_choices + 1] = own
        table[-1] = prior
        return table


class Axes:
    """Axes that are sampled jointly, in the alphabet's order; each has at least two values.

    A number's place is linear in it, or in its logarithm, from -0.5 to 0.5. The points of a grid
    stand for cells one step wide, so the outermost ones lie half a cell inside.

    Args:
        distributions: By name.
        distances: Of choices that have an order, by name.

    Attributes:
        numbers: Names of the D axes of numbers.
        choices: The axes of choices by name.
        smooth: Which of the numbers have no grid.
        gridded: Which have one.
    """

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], distances: Mapping[str, Distance]
    ) -> None:
        self._distributions = distributions
        numbers: dict[str, FloatDistribution | IntDistribution] = {}
        self.choices: dict[str, Choices] = {}
        for name, distribution in sorted(distributions.items()):
            if isinstance(distribution, CategoricalDistribution):
                self.choices[name] = Choices(distribution, distances.get(name))
            else:
                assert isinstance(distribution, FloatDistribution | IntDistribution)
                numbers[name] = distribution
        self.numbers = list(numbers)
        steps = [distribution.step or 0.0 for distribution in numbers.values()]
        self.smooth = [index for index, step in enumerate(steps) if step == 0]
        self.gridded = [index for index, step in enumerate(steps) if step != 0]
        self._steps = _column(steps)
        self._low = _column([distribution.low for distribution in numbers.values()])
        self._high = _column([distribution.high for distribution in numbers.values()])
        self._logs = [index for index, item in enumerate(numbers.values()) if item.log]
        low, high = self._low - self._steps / 2, self._high + self._steps / 2
        for ends in (low, high):
            ends[self._logs] = np.log(ends[self._logs])
        self._middle, self._width = 0.5 * (low + high), high - low
        self._placers = {
            name: _placer(item.log, float(self._middle[index, 0]), float(self._width[index, 0]))
            for index, (name, item) in enumerate(numbers.items())
        }

    def place(self, name: str, value: float) -> float:
        """Where `value` lies on an axis of numbers; nan where it lies outside."""
        found = self._placers[name](value)
        return found if -0.5 <= found <= 0.5 else math.nan

    def pick(self, name: str, value: Any) -> int:
        """The index of a choice; -1 where it is none."""
        try:
            return int(self.choices[name].distribution.to_internal_repr(value))
        except ValueError:
            return -1

    def values(self, places: np.ndarray) -> np.ndarray:
        """The numbers nearest to `places`, shape (D, N)."""
        values = self._middle + places * self._width
        values[self._logs] = np.exp(values[self._logs])
        low, step = self._low[self.gridded], self._steps[self.gridded]
        values[self.gridded] = low + np.round((values[self.gridded] - low) / step) * step
        return np.clip(values, self._low, self._high)

    def cells(self, values: np.ndarray) -> list[Cells]:
        """The cells of `values`, shape (D, N), on each axis with a grid."""
        found = []
        for axis in self.gridded:
            low, step = self._low[axis, 0], self._steps[axis, 0]
            of_value = np.rint((values[axis] - low) / step).astype(int)
            numbers = sorted(set(of_value.tolist()))
            of_point = np.searchsorted(numbers, of_value)
            middles = low + np.array(numbers) * step
            ends = np.stack([middles - step / 2, middles + step / 2])
            ends = np.log(ends) if axis in self._logs else ends
            ends = (ends - self._middle[axis, 0]) / self._width[axis, 0]
            found.append(Cells(numbers, ends, of_point))
        return found

    def params(self, values: np.ndarray, picks: np.ndarray) -> dict[str, Any]:
        """One point as a trial has it.

        Args:
            values: Of the numbers, shape (D,).
            picks: Shape (A,).
        """
        internal = zip([*self.numbers, *self.choices], [*values, *picks], strict=True)
        return {name: self._distributions[name].to_external_repr(x.item()) for name, x in internal}


def fixed_values(space: Space) -> dict[str, Any]:
    """The axes that have one value only, with it; these are never sampled."""
    return {
        name: distribution.choices[0]
        for name, distribution in space.distributions.items()
        if isinstance(distribution, CategoricalDistribution) and distribution.single()
    }


def _column(values: list[float]) -> np.ndarray:
    return np.array(values, dtype=float).reshape(-1, 1)


def _placer(is_log: bool, middle: float, width: float) -> Callable[[float], float]:
    """The place as a function of one number."""
    if is_log:
        return lambda value: (math.log(value) - middle) / width if value > 0 else math.nan
    return lambda value: (value - middle) / width
