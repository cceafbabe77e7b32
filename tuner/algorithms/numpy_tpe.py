"""Hides the quick TPE: Optuna's proposals for a space known in advance, at a tenth of the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from optuna.samplers import BaseSampler, RandomSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.study import StudyDirection

from search_spaces.checks import is_among
from tuner.algorithms.axes import Axes, fixed_values
from tuner.algorithms.parzen import Candidates, Estimator
from tuner.algorithms.trial_table import TrialTable

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from search_spaces import Space


@dataclass(frozen=True)
class TpeOptions:
    """How TPE goes about it; names and meaning are those of Optuna's `TPESampler`."""

    n_startup_trials: int = 10
    n_ei_candidates: int = 24
    multivariate: bool | None = None
    group: bool = False
    constant_liar: bool = True


class _Fit(NamedTuple):
    """An estimator and the rows of the trials that it is of."""

    estimator: Estimator
    rows: np.ndarray


class NumpyTpe(BaseSampler):
    """TPE for one objective over a space that is known before the first trial.

    It proposes what Optuna's `TPESampler` proposes with the same options, history and random
    state, to rounding. What differs: trials are read once and kept in columns; kernels are
    evaluated by one matrix product; which axes form a group follows from their conditions, not
    from the trials so far, and a group whose conditions do not hold is not sampled; trials in
    flight are known by their parameters, which the ledger gives them at once, not by an attribute.

    Args:
        space: What is sampled.
        options: As of Optuna's.
        seed: Of the random state, in [0, 2**32).
    """

    def __init__(self, space: Space, options: TpeOptions, seed: int) -> None:
        # Under the names that Optuna's samplers have for them, by which `reseed` finds them.
        self._rng = LazyRandomState(seed)
        self._random_sampler = RandomSampler(seed=seed)
        self._space = space
        self._options = options
        self._fixed = fixed_values(space)
        self._conditions = {name: axis.conditions for name, axis in space.items()}
        self._distributions = {
            name: item for name, item in space.distributions.items() if name not in self._fixed
        }
        self._groups = {names: self._axes(names) for names in groups(space, options)}
        self._alone = {name: self._axes([name]) for name in self._distributions}
        self._likely: dict[Axes, _Fit] = {}
        self._unlikely: dict[Axes, _Fit] = {}
        self._study_name: str | None = None
        self._table = TrialTable(self._axes(self._distributions), 1)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every axis that has more than one value."""
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value of every axis that is present, group by group; nothing while TPE starts up."""
        self._follow(study)
        params: dict[str, Any] = {}
        if self._is_starting:
            return params
        for (name, *_), axes in self._groups.items():
            if self._is_present(name, params):
                params |= self._propose(axes)
        return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A value of one axis: at random at first; by itself where others were given by hand."""
        self._follow(study)
        if self._is_starting or param_name not in self._distributions:
            return self._random_sampler.sample_independent(
                study, trial, param_name, param_distribution
            )
        return self._propose(self._alone[param_name])[param_name]

    def _is_present(self, name: str, params: Mapping[str, Any]) -> bool:
        """Whether the axis is part of a trial with these parameters, given those it depends on."""
        known = {**self._fixed, **params}
        return all(
            parent in known and is_among(known[parent], values) and self._is_present(parent, params)
            for parent, values in self._conditions[name].items()
        )

    def _axes(self, names: Iterable[str]) -> Axes:
        distributions = {name: self._distributions[name] for name in names}
        return Axes(distributions, self._space.ordinal_distances())

    @property
    def _is_starting(self) -> bool:
        return self._table.n_finished < self._options.n_startup_trials

    def _follow(self, study: Study) -> None:
        """The table is that of the study as it is now."""
        trials = study.get_trials(deepcopy=False)
        if study.study_name != self._study_name or len(trials) < self._table.n_rows:
            sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
            self._study_name = study.study_name
            self._table = TrialTable(self._axes(self._distributions), sign)
            self._likely.clear()
            self._unlikely.clear()
        self._table.update(trials)

    def _propose(self, axes: Axes) -> dict[str, Any]:
        """The candidate that is most typical of good trials and least of poor ones.

        The trial that is asked for has none of these axes yet, and so is no poor one.
        """
        likely = self._estimator(self._likely, axes, self._table.good(axes))
        poor = self._table.poor(axes, with_running=self._options.constant_liar)
        unlikely = self._estimator(self._unlikely, axes, poor)
        drawn = likely.sample(self._rng.rng, self._options.n_ei_candidates)
        candidates = Candidates(axes, drawn)
        gain = likely.log_density(candidates) - unlikely.log_density(candidates)
        best = int(np.argmax(gain))
        return axes.params(candidates.values[:, best], candidates.picks[:, best])

    def _estimator(self, fits: dict[Axes, _Fit], axes: Axes, rows: np.ndarray) -> Estimator:
        """That of the trials; the last one grows into it where they are its own and newer ones."""
        fit = fits.get(axes)
        n_before = 0 if fit is None else len(fit.rows)
        is_same = fit is not None and np.array_equal(rows[:n_before], fit.rows)
        more = rows[n_before:]
        if fit is None or not is_same or (len(more) and not fit.estimator.can_grow):
            fit = _Fit(Estimator(axes, self._table.points(axes, rows)), rows)
        elif len(more):
            places, picks = self._table.points(axes, more)
            for index in range(len(more)):
                fit.estimator.append(places[:, index], picks[:, index])
        fits[axes] = _Fit(fit.estimator, rows)
        return fit.estimator


def groups(space: Space, options: TpeOptions) -> list[tuple[str, ...]]:
    """Names of the axes that are sampled jointly; a group stands after those it depends on.

    With `group` those with the same conditions, else those without any; the others alone.
    """
    fixed = fixed_values(space)
    members: dict[str | tuple[str, ...], list[str]] = {}
    for name, axis in space.items():
        if name in fixed:
            continue
        key = tuple(
            f"{parent}={values!r}"
            for parent, values in sorted(axis.conditions.items())
            if parent not in fixed
        )
        is_alone = options.multivariate is False or (key and not options.group)
        members.setdefault(name if is_alone else key, []).append(name)
    return [tuple(names) for names in members.values()]
