"""The checks that every study in a database must pass, whatever happened to it."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.pool import NullPool

from tuner.storage import Attempt, open_storage


def check_history(
    url: str, name: str, *, n_trials: int | None = None, is_over: bool = True
) -> None:
    """Asserts the invariants of a study, read afresh from its database.

    Args:
        url: Of the study database.
        name: Of the study.
        n_trials: Own trials that were asked for, if the study is to have used them all.
        is_over: Nothing may be left unfinished.
    """
    theirs = optuna.storages.RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    plain = optuna.load_study(study_name=name, storage=theirs)
    storage = open_storage(url)
    try:
        study_id = storage.get_study_id_from_name(name)
        trials = plain.get_trials(deepcopy=False)
        attempts = defaultdict(list)
        for attempt in storage.records.attempts(study_id):
            attempts[attempt.trial_id].append(attempt)
        steps = defaultdict(list)
        for metric in storage.records.metrics(study_id):
            steps[metric.token].append(metric.step)
        spec, _ = storage.records.get_spec(study_id) or ({}, {})
        owner = storage.records.owner(study_id)
    finally:
        storage.close()
    own = [trial for trial in trials if trial._trial_id in attempts]
    assert [trial.number for trial in trials] == list(range(len(trials))), "I1: numbers"
    for trial in own:
        _check_trial(trial, attempts[trial._trial_id], spec.get("max_retries", 2))
        _check_steps(trial, attempts[trial._trial_id], steps)
    if n_trials is not None:
        assert len(own) == n_trials, f"I5: {len(own)} trials of {n_trials}"
    if is_over:
        assert all(trial.state.is_finished() for trial in own), "I5: unfinished trials"
        assert owner is None, "I8: a finished study has an owner"
    if owner is None:
        live = [a for rows in attempts.values() for a in rows if a.outcome is None]
        assert not live, "I8: a living attempt without an owner"
    _check_best(plain)
    theirs.remove_session()


def _check_trial(trial, attempts, max_retries) -> None:
    where = f"trial {trial.number}"
    outcomes = Counter(attempt.outcome for attempt in attempts)
    assert outcomes[None] <= 1, f"I4: {where} has several living attempts"
    assert outcomes["lost"] <= max_retries + 1, f"I6: {where} was retried too often"
    for before, after in itertools.pairwise(attempts):
        assert after.predecessor == before.token, f"I6: {where} does not name its predecessor"
    ended = [a.outcome for a in attempts if a.outcome in {"complete", "pruned", "failed"}]
    if trial.state.is_finished():
        word = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[trial.state.name]
        assert ended[-1:] in ([word], []), f"I3: {where} is {trial.state.name}, attempt {ended}"
        assert outcomes[None] == 0, f"I4: {where} is finished and has a living attempt"
    else:
        assert trial.state is TrialState.RUNNING, f"I5: {where} is {trial.state.name}"
    if trial.state is TrialState.COMPLETE:
        assert all(math.isfinite(value) for value in trial.values), f"I9: {where}: {trial.values}"


def _check_steps(
    trial: FrozenTrial, attempts: Sequence[Attempt], steps: Mapping[int, Sequence[int]]
) -> None:
    checkpoints = {0}
    for attempt in attempts:
        where = f"I7: trial {trial.number}, attempt {attempt.attempt}"
        assert attempt.start_epoch in checkpoints, f"{where} starts at no checkpoint"
        told = steps[attempt.token]
        assert all(step >= attempt.start_epoch for step in told), f"{where} tells old steps"
        checkpoints.add(attempt.checkpoint_epoch)


def _check_best(study: optuna.Study) -> None:
    if len(study.directions) > 1:
        return
    sign = 1 if study.direction.name == "MINIMIZE" else -1
    values = [
        sign * trial.value
        for trial in study.get_trials(deepcopy=False)
        if trial.state is TrialState.COMPLETE
    ]
    if values:
        assert sign * study.best_value == min(values), "I9: best trial"


def checked_files(folder: Path) -> None:
    """Asserts that no partial file is left."""
    assert not list(folder.rglob("*.partial")), "I11: a temporary file is left"
