"""Units that write much at once: trials, attempts and ends share statements."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
import pytest
import sqlalchemy
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import TrialState
from sqlalchemy import event

from tuner.storage import NewAttempt, Storage

N = 20
LIKENESS = 24
"""Statements that begin alike up to here are one statement with other rows."""


@pytest.fixture
def storage(url: str, opened: Callable[[str], Storage]) -> Storage:
    """An empty database."""
    return opened(url)


@pytest.fixture
def study_id(storage: Storage) -> int:
    """A study of one objective."""
    return storage.create_new_study([StudyDirection.MINIMIZE], "s")


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are run meanwhile; one with many rows, which SQLite names, is one."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    def note_row(statement: str) -> None:
        if not statements or statements[-1][:LIKENESS] != statement[:LIKENESS]:
            statements.append(statement)

    def trace(connection: sqlalchemy.Connection) -> None:
        if connection.dialect.name == "sqlite":
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.set_trace_callback(note_row)

    event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    event.listen(sqlalchemy.Engine, "begin", trace)
    try:
        yield statements
    finally:
        event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
        event.remove(sqlalchemy.Engine, "begin", trace)


def add(storage: Storage, study_id: int, n: int) -> list[int]:
    """Trials of one unit, each with an attempt."""
    with storage.unit():
        added = [storage.create_new_trial(study_id) for _ in range(n)]
        storage.records.start_attempts([NewAttempt(study_id, key, 1) for key in added])
    return added


def test_many_writes_take_few_statements(storage: Storage, study_id: int) -> None:
    """Twenty trials that end and twenty that begin with attempts need no statement each."""
    running = add(storage, study_id, N)
    with counted() as statements, storage.unit("u"):
        for key in running:
            storage.set_trial_intermediate_value(key, 1, 0.5)
            storage.set_trial_state_values(key, TrialState.COMPLETE, [0.5])
        added = [storage.create_new_trial(study_id) for _ in range(N)]
        storage.records.start_attempts([NewAttempt(study_id, key, 1) for key in added])
    assert len(statements) < N


def test_everyone_sees_what_a_unit_added(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """Keys and numbers go upwards from unit to unit; each attempt has the token it was given."""
    added = [*add(storage, study_id, N), *add(storage, study_id, 1), *add(storage, study_id, 3)]
    added.append(storage.create_new_trial(study_id))
    assert added == sorted(set(added))
    trials = opened(url).get_all_trials(study_id)
    assert [(t._trial_id, t.number) for t in trials] == list(zip(added, range(N + 5), strict=True))
    attempts = storage.records.attempts(study_id)
    assert [attempt.trial_id for attempt in attempts] == added[:-1]
    assert len({attempt.token for attempt in attempts}) == N + 4


def test_tokens_are_never_given_twice(storage: Storage, study_id: int) -> None:
    """Not even after the study with the newest attempts was deleted."""
    add(storage, study_id, 3)
    last = storage.records.attempts(study_id)[-1].token
    storage.delete_study(study_id)
    study_id = storage.create_new_study([StudyDirection.MINIMIZE], "t")
    add(storage, study_id, 2)
    assert min(attempt.token for attempt in storage.records.attempts(study_id)) > last


def test_a_trial_may_end_in_the_unit_that_added_it(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """One that was added waiting may also begin there."""
    waiting = optuna.trial.create_trial(state=TrialState.WAITING)
    with storage.unit():
        first, second = (storage.create_new_trial(study_id, of) for of in (None, waiting))
        storage.set_trial_state_values(first, TrialState.COMPLETE, [1.0])
        assert storage.set_trial_state_values(second, TrialState.RUNNING)
    trials = opened(url).get_all_trials(study_id)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.RUNNING]
    assert trials[0].values == [1.0]


def test_a_trial_that_another_process_ended_stays_as_it_is(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """The unit is told so when it ends the trial, and the others end as they should."""
    running = add(storage, study_id, 4)
    other = opened(url)
    with storage.unit():
        for key in running:
            storage.set_trial_intermediate_value(key, 1, 0.5)
        other.set_trial_state_values(running[1], TrialState.COMPLETE, [7.0])
        storage.set_trial_state_values(running[0], TrialState.COMPLETE, [0.5])
        with pytest.raises(UpdateFinishedTrialError):
            storage.set_trial_state_values(running[1], TrialState.COMPLETE, [0.5])
        storage.set_trial_state_values(running[2], TrialState.PRUNED)
    states = {trial._trial_id: trial for trial in opened(url).get_all_trials(study_id)}
    assert states[running[1]].values == [7.0]
    assert states[running[1]].intermediate_values == {}
    assert [states[key].state.name for key in running] == [
        "COMPLETE",
        "COMPLETE",
        "PRUNED",
        "RUNNING",
    ]


def test_odd_names_and_figures_survive_a_long_unit(
    storage: Storage, study_id: int, url: str, opened: Callable[[str], Storage]
) -> None:
    """Quotes, backslashes, other scripts and figures beyond all numbers are read as written."""
    figures = {
        '"': math.nan,
        "\\n{}%s:x": math.inf,
        "é☃𝄞": -math.inf,
        "a'b": 5e-324,
        "c": 0.1 + 0.2,
    }
    keys = add(storage, study_id, 2)
    tokens = [attempt.token for attempt in storage.records.attempts(study_id)]
    with storage.unit():
        pairs = zip(keys, tokens, strict=True)
        storage.records.add_metrics((key, token, 1, figures) for key, token in pairs)
        for key in keys:
            for step, figure in enumerate(figures.values()):
                storage.set_trial_intermediate_value(key, step, figure)
            for name in figures:
                storage.set_trial_user_attr(key, name, [name, None, True])
    again = opened(url)
    found = {(m.trial_id, m.name): repr(m.value) for m in again.records.metrics(study_id)}
    assert found == {(key, name): repr(figures[name]) for key in keys for name in figures}
    for trial in again.get_all_trials(study_id):
        assert repr(list(trial.intermediate_values.values())) == repr(list(figures.values()))
        assert trial.user_attrs == {name: [name, None, True] for name in figures}
