"""Hides how a trial is asked for: its parameters are stored together where that can be."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import TrialState

from tuner.algorithms import make_sampler
from tuner.algorithms.axes import fixed_values
from tuner.judge import ERROR, REASON

if TYPE_CHECKING:
    from search_spaces import Space
    from tuner.plan import Plan
    from tuner.storage import Storage

_log = logging.getLogger(__name__)


class Asker:
    """Asks a study for trials over a space.

    `Space.suggest` stores parameters one by one, each after a look whether it is there already;
    for 14 of them that takes longer than proposing them.

    Args:
        study: To which trials are added, by its sampler.
        storage: The study's.
        space: What is sampled.
    """

    def __init__(self, study: optuna.Study, storage: Storage, space: Space) -> None:
        self._study = study
        self._storage = storage
        self._space = space
        self._distributions = space.distributions
        self._fixed = fixed_values(space)

    def ask(self) -> tuple[optuna.Trial, dict[str, Any]]:
        """A new trial, or one that waits in the study, and the value of every active axis.

        A waiting one that was given what an axis cannot hold is FAIL, and the next one is asked
        for: whoever enqueued it made a mistake that must not end the study.
        """
        while True:
            trial = self._study.ask()
            try:
                return trial, self._values(trial)
            except (ValueError, TypeError) as error:
                if not self._was_enqueued(trial):
                    raise
                self._refuse(trial, error)

    def _values(self, trial: optuna.Trial) -> dict[str, Any]:
        proposed = {**self._fixed, **trial.relative_params}
        names = self._space.active(proposed)
        if self._was_enqueued(trial) or not proposed.keys() >= set(names):
            return self._space.suggest(trial)
        params = {name: proposed[name] for name in names}
        internal = {
            name: (self._distributions[name].to_internal_repr(value), self._distributions[name])
            for name, value in params.items()
        }
        self._storage.set_trial_params(trial._trial_id, internal)
        return params

    def _was_enqueued(self, trial: optuna.Trial) -> bool:
        return "fixed_params" in self._storage.get_trial(trial._trial_id).system_attrs

    def _refuse(self, trial: optuna.Trial, error: Exception) -> None:
        text = f"enqueued with a value that its axis does not take: {error}"
        self._storage.set_trial_user_attr(trial._trial_id, REASON, "error")
        self._storage.set_trial_user_attr(trial._trial_id, ERROR, text)
        self._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
        _log.warning("trial %d: %s; marked FAIL", trial.number, text)


def study_of(plan: Plan, storage: Storage) -> optuna.Study:
    """The study with its sampler; what is pruned is the judge's to say."""
    sampler = make_sampler(
        plan.spec.sampler,
        plan.space,
        plan.objectives,
        plan.spec.sampler_seed,
        in_flight=plan.n_lanes * plan.n_slots,
    )
    return optuna.load_study(
        study_name=plan.study,
        storage=storage,
        sampler=sampler,
        pruner=optuna.pruners.NopPruner(),
    )
