"""Every combination of a finite space once, for studies that are asked and told."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    Key = frozenset[tuple[str, Any]]


class GridSampler(BaseSampler):
    """Proposes the first combination that no trial of the study has, whatever became of it.

    Which one is next follows from the study's trials alone, those of other processes included.
    Optuna's own grid ends by `study.stop()`, which fails outside `study.optimize`; this one says
    when it is exhausted and, asked nevertheless, begins anew.

    Args:
        combinations: The values of all active axes, each combination once.
        seed: Fixes the order.
    """

    def __init__(self, combinations: Sequence[Mapping[str, Any]], seed: int) -> None:
        ordered = [dict(combination) for combination in combinations]
        random.Random(seed).shuffle(ordered)  # noqa: S311 - an order, not a secret
        self._names = {name for combination in ordered for name in combination}
        self._every = ordered
        self._left = {self._key(combination): combination for combination in ordered}
        self._n_settled = 0
        self._proposed: tuple[int, dict[str, Any]] = (-1, {})

    def is_exhausted(self, study: Study) -> bool:
        """Whether the study has a trial of every combination."""
        in_flight = self._settle(study)
        return len(self._left) <= len(in_flight) and self._left.keys() <= in_flight

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Chooses the combination of this trial."""
        in_flight = self._settle(study)
        free = (combination for key, combination in self._left.items() if key not in in_flight)
        again = self._every[trial.number % len(self._every)]
        self._proposed = (trial.number, next(free, again))

    def infer_relative_search_space(
        self,
        study: Study,
        trial: FrozenTrial,
    ) -> dict[str, BaseDistribution]:
        """Nothing: every axis is looked up by itself."""
        return {}

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Nothing: every axis is looked up by itself."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The axis's value in the combination chosen for this trial."""
        number, combination = self._proposed
        assert number == trial.number
        return combination[param_name]

    def _settle(self, study: Study) -> set[Key]:
        """Combinations of unfinished trials; those of finished ones are struck off, once."""
        trials = study.get_trials(deepcopy=False)
        while self._n_settled < len(trials) and trials[self._n_settled].state.is_finished():
            self._left.pop(self._key(trials[self._n_settled].params), None)
            self._n_settled += 1
        return {self._key(trial.params) for trial in trials[self._n_settled :]}

    def _key(self, params: Mapping[str, Any]) -> Key:
        return frozenset(item for item in params.items() if item[0] in self._names)
