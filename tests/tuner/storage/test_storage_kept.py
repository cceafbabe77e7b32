"""Statements that go to the driver as they are write and find what SQLAlchemy's own way does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from optuna.trial import TrialState
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from tuner.storage import open_storage, tables
from tuner.storage.engine import Database
from tuner.storage.kept import run, run_all
from tuner.storage.statements import change_state
from tuner.storage.tables import optuna_schema

NOON = datetime(2026, 1, 2, 12, 0, 0, 345, UTC)
UNITS = [
    {"study_id": 1, "unit_id": "it's 100 %s :x ?", "serial": 3, "at": NOON},
    {"study_id": 2, "unit_id": "\N{SNOWMAN}", "serial": 0, "at": NOON},
]

Write = Callable[[Connection, Any, list[dict[str, Any]]], object]


def theirs(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> object:
    """SQLAlchemy's own way."""
    return connection.execute(statement, rows)


def written(url: str, write: Write) -> list[Row[Any]]:
    """The units after `write` has put them into the database, in a transaction that is undone."""
    open_storage(url).close()
    database = Database(url)
    connection = database.begin(write=True)
    write(connection, insert(tables.units), UNITS)
    write(connection, insert(tables.units), [{**UNITS[0], "study_id": 9}])
    found = list(connection.execute(select(tables.units).order_by(tables.units.c.study_id)))
    database.end(connection)
    database.dispose()
    return found


def test_rows_are_stored_as_by_sqlalchemy(url: str) -> None:
    """Text with signs of SQL, times and numbers, of one row and of many, read back the same."""
    assert written(url, run_all) == written(url, theirs)


def test_states_are_stored_as_by_optuna(url: str) -> None:
    """Enumerations, missing times and conditions reach the database; the count of rows comes back.

    A trial that has finished is not changed again.
    """
    open_storage(url).close()
    database = Database(url)
    connection = database.begin(write=True)
    schema = optuna_schema()
    study = connection.execute(insert(schema.studies), {"study_name": "s"}).inserted_primary_key
    assert study is not None
    row = {"study_id": study[0], "number": 0, "state": TrialState.RUNNING}
    trial = connection.execute(insert(schema.trials), row).inserted_primary_key
    assert trial is not None
    change = {"key": trial[0], "datetime_start": None, "datetime_complete": None}
    changed = [
        run(connection, change_state(from_waiting_only=False), {**change, "to": state}).rowcount
        for state in (TrialState.PRUNED, TrialState.FAIL)
    ]
    assert changed == [1, 0]
    wanted = select(schema.trials.c.trial_id).where(schema.trials.c.state == TrialState.PRUNED)
    wanted = wanted.where(schema.trials.c.study_id == bindparam("study"))
    assert [tuple(r) for r in run(connection, wanted, {"study": study[0]}).fetchall()] == [
        tuple(trial)
    ]
    database.end(connection)
    database.dispose()


def test_missing_parameters_are_not_guessed(url: str) -> None:
    """A row without a parameter of its statement is a mistake of the caller."""
    open_storage(url).close()
    database = Database(url)
    connection = database.begin(write=True)
    change = update(tables.units).where(tables.units.c.serial == bindparam("of")).values(serial=1)
    with pytest.raises(AssertionError):
        run(connection, change, {})
    database.end(connection)
    database.dispose()
