"""Hides how all parameters of a trial are drawn at once: what Optuna draws, one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from search_spaces import Space

Draw = Callable[[np.random.RandomState], Any]


class RandomSearch(RandomSampler):
    """Optuna's random sampler for a space that is known before the first trial.

    It proposes the same trials bit for bit; only the detour over a trial's parameters, each with
    arrays of its own, is left out. Trials for which others gave some parameters take it.

    Args:
        space: What is sampled.
        seed: Of the random state, in [0, 2**32).
    """

    def __init__(self, space: Space, seed: int) -> None:
        super().__init__(seed)
        self._space = space
        self._distributions = space.distributions
        self._draws = {
            name: _draw(item) for name, item in self._distributions.items() if not item.single()
        }

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every axis."""
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value of every axis that is present; nothing where some were given by hand."""
        if "fixed_params" in trial.system_attrs:
            return {}
        return dict(self._space.suggest(_Drawing(self._draws, self._rng.rng)))


class _Drawing:
    """A trial as a space sees it, whose values are drawn and not kept."""

    def __init__(self, draws: dict[str, Draw], rng: np.random.RandomState) -> None:
        self._draws = draws
        self._rng = rng

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number of the axis."""
        return float(self._draws[name](self._rng)) if name in self._draws else low

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """A whole number of the axis."""
        return int(self._draws[name](self._rng)) if name in self._draws else low

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        """A choice of the axis."""
        return self._draws[name](self._rng) if name in self._draws else choices[0]


def _draw(distribution: BaseDistribution) -> Draw:
    """The draw of one value, which takes from a random state what Optuna takes for it."""
    if isinstance(distribution, CategoricalDistribution):
        return _choice(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return _whole(distribution)
    assert isinstance(distribution, FloatDistribution)
    return _real(distribution)


def _choice(choices: Sequence[Any]) -> Draw:
    """One draw for each choice, of which the highest wins."""
    return lambda rng: choices[int(rng.random_sample(len(choices)).argmax())]


def _whole(axis: IntDistribution) -> Draw:
    """A number in the cells of the grid, which are one step wide, or one unit of a log axis."""
    low, high, step = axis.low, axis.high, axis.step
    if axis.log:
        first = math.log(low - 0.5)
        width = math.log(high + 0.5) - first
        return lambda rng: min(max(round(math.exp(first + width * rng.random_sample())), low), high)
    first = low - 0.5 * step
    width = high + 0.5 * step - first

    def draw(rng: np.random.RandomState) -> int:
        index = math.floor((first + width * rng.random_sample() - low) / step + 0.5)
        return min(max(index * step + low, low), high)

    return draw


def _real(axis: FloatDistribution) -> Draw:
    """A number below the upper end, or one of a grid, which has that end."""
    low, high, step = axis.low, axis.high, axis.step
    last = float(np.nextafter(high, high - 1))
    if axis.log:
        first = math.log(low)
        width = math.log(high) - first
        return lambda rng: min(max(math.exp(first + width * rng.random_sample()), low), last)
    if step is None:
        return lambda rng: min(low + (high - low) * rng.random_sample(), last)
    first = low - 0.5 * step
    width = high + 0.5 * step - first

    def draw(rng: np.random.RandomState) -> float:
        index = round((first + width * rng.random_sample() - low) / step)
        return min(max(index * step + low, low), high)

    return draw
