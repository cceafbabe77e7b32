"""Hides how a trial is asked for: its parameters are stored together where that can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuner.algorithms.axes import fixed_values

if TYPE_CHECKING:
    import optuna

    from search_spaces import Space
    from tuner.storage import Storage


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
        """A new trial, or one that waits in the study, and the value of every active axis."""
        trial = self._study.ask()
        proposed = {**self._fixed, **trial.relative_params}
        names = self._space.active(proposed)
        is_enqueued = "fixed_params" in self._storage.get_trial(trial._trial_id).system_attrs
        if is_enqueued or not proposed.keys() >= set(names):
            return trial, self._space.suggest(trial)
        params = {name: proposed[name] for name in names}
        internal = {
            name: (self._distributions[name].to_internal_repr(value), self._distributions[name])
            for name, value in params.items()
        }
        self._storage.set_trial_params(trial._trial_id, internal)
        return trial, params
