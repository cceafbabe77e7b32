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

from trials.state_file import read_state
from tuner.storage import Attempt, Metric, open_storage
from tuner.storage.records import MOVED_VALUE


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
        metrics = defaultdict(list)
        for metric in storage.records.metrics(study_id):
            metrics[metric.token].append(metric)
        spec, _ = storage.records.get_spec(study_id) or ({}, {})
        owner = storage.records.owner(study_id)
    finally:
        storage.close()
    own = [trial for trial in trials if trial._trial_id in attempts]
    assert [trial.number for trial in trials] == list(range(len(trials))), "I1: numbers"
    for trial in own:
        tried = attempts[trial._trial_id]
        _check_trial(trial, tried, spec.get("max_retries", 2))
        _check_steps(trial, tried, metrics)
        _check_values(trial, tried, metrics, plain.metric_names or [])
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


def _check_trial(trial: FrozenTrial, attempts: Sequence[Attempt], max_retries: int) -> None:
    where = f"trial {trial.number}"
    outcomes = Counter(attempt.outcome for attempt in attempts)
    assert outcomes[None] <= 1, f"I4: {where} has several living attempts"
    assert outcomes["lost"] <= max_retries, f"I6: {where} was retried too often"
    assert [a.attempt for a in attempts] == list(range(1, len(attempts) + 1)), f"I6: {where}"
    assert attempts[0].predecessor is None, f"I6: {where} has a try before its first"
    for before, after in itertools.pairwise(attempts):
        assert after.predecessor == before.token, f"I6: {where} does not name its predecessor"
    ended = [a.outcome for a in attempts if a.outcome in {"complete", "pruned", "failed"}]
    if trial.state.is_finished():
        word = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[trial.state.name]
        assert ended in ([word], []), f"I3: {where} is {trial.state.name}, attempts {ended}"
        assert outcomes[None] == 0, f"I4: {where} is finished and has a living attempt"
    else:
        assert trial.state is TrialState.RUNNING, f"I5: {where} is {trial.state.name}"
        assert not ended, f"I3: {where} is RUNNING, attempts {ended}"
    if trial.state is TrialState.COMPLETE:
        assert all(math.isfinite(value) for value in trial.values), f"I9: {where}: {trial.values}"


def _check_steps(
    trial: FrozenTrial, attempts: Sequence[Attempt], metrics: Mapping[int, Sequence[Metric]]
) -> None:
    checkpoints: set[int | None] = {0}
    for attempt in attempts:
        where = f"I7: trial {trial.number}, attempt {attempt.attempt}"
        assert attempt.start_epoch in checkpoints, f"{where} starts at no checkpoint"
        told = sorted({m.step for m in metrics[attempt.token] if m.name != MOVED_VALUE})
        assert told == list(range(told[0], told[-1] + 1)) if told else True, f"{where} has gaps"
        assert all(step > attempt.start_epoch for step in told), f"{where} tells old steps"
        checkpoints.add(attempt.checkpoint_epoch)


def _check_values(
    trial: FrozenTrial,
    attempts: Sequence[Attempt],
    metrics: Mapping[int, Sequence[Metric]],
    objectives: Sequence[str],
) -> None:
    """Whatever an attempt told of the one objective is the trial's value at that step."""
    if len(objectives) != 1:
        return
    where = f"I2: trial {trial.number}"
    told: dict[int, float] = {}
    for metric in itertools.chain.from_iterable(metrics[a.token] for a in attempts):
        if metric.name == objectives[0] and math.isfinite(metric.value):
            assert told.setdefault(metric.step, metric.value) == metric.value, f"{where} has two"
    if told:
        assert trial.intermediate_values == told, f"{where} lost a value"
        if attempts[-1].outcome == "pruned":
            assert trial.value == told[max(told)], f"{where} has another value than its last"
        if attempts[-1].outcome == "complete":
            assert trial.value in told.values(), f"{where} has a value that nobody told"


def _check_best(study: optuna.Study) -> None:
    if len(study.directions) > 1:
        return
    sign = 1 if study.direction.name == "MINIMIZE" else -1
    values = [
        sign * trial.value
        for trial in study.get_trials(deepcopy=False)
        if trial.state is TrialState.COMPLETE and trial.value is not None
    ]
    if values:
        assert sign * study.best_value == min(values), "I9: best trial"


def checked_files(folder: Path) -> None:
    """Asserts that no partial file is left, and that all states of rows are whole."""
    assert not list(folder.rglob("*.partial")), "I11: a temporary file is left"
    for path in folder.rglob("*.safetensors"):
        read_state(path)
