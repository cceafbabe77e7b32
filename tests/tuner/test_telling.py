"""Telling trials as `Study.tell` does."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuner.telling import tell


class Listening(RandomSampler):
    """A sampler that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.heard: list[tuple[int, TrialState, list[float] | None]] = []

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: list[float] | None
    ) -> None:
        """Notes it."""
        assert trial.state == TrialState.RUNNING
        self.heard.append((trial.number, state, values))


@pytest.mark.parametrize(
    ("state", "values"),
    [(TrialState.COMPLETE, [1.5]), (TrialState.PRUNED, None), (TrialState.FAIL, None)],
)
@pytest.mark.parametrize("reported", [(), (3.0, 2.0), (3.0, math.nan), (3.0, math.inf)])
def test_it_does_what_optuna_does(
    state: TrialState, values: list[float] | None, reported: tuple[float, ...]
) -> None:
    """State, values, and what the sampler hears, whatever was reported before."""
    ends = []
    for way in ("ours", "optuna"):
        sampler, storage = Listening(), optuna.storages.InMemoryStorage()
        study = optuna.create_study(sampler=sampler, storage=storage)
        trial = study.ask()
        for step, value in enumerate(reported):
            trial.report(value, step)
        if way == "ours":
            tell(study, storage, 0, state, values)
        else:
            study.tell(trial, values, state)
        ends.append((study.trials[0].state, study.trials[0].values, sampler.heard))
    assert ends[0] == ends[1]


def test_a_pruned_trial_of_several_objectives_has_no_value() -> None:
    """It has none whatever was stored for it."""
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(directions=["minimize"] * 2, storage=storage)
    study.ask()
    storage.set_trial_intermediate_value(0, 1, 2.0)
    tell(study, storage, 0, TrialState.PRUNED, None)
    assert study.trials[0].values is None
