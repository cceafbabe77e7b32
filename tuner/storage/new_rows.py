"""Hides how the rows that a unit adds get their keys beforehand, so that all take one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

from sqlalchemy import Table

from tuner.storage.rows import Row
from tuner.storage.statements import InsertRow, InsertTrial, KeepNumbers, NextKey, ReserveKeys
from tuner.storage.tables import optuna_schema
from tuner.storage.transactions import Unit

MOST_RESERVED = 32
"""Keys of trials that a server is asked for at once; those left over are never used."""


def add_trial(unit: Unit, row: Row) -> int:
    """The key of a new trial, which is in the database when the unit is settled at the latest.

    Args:
        unit: Nobody else can add trials to the trial's study.
        row: Of Optuna's table, without the key.
    """
    if not _names_keys(unit):
        return unit.run(InsertTrial(row))
    trials, study_id = optuna_schema().trials, row["study_id"]
    if study_id not in unit.numbered:
        unit.run(KeepNumbers(study_id, row["number"]))
        unit.numbered.add(study_id)
    n_more = max(unit.n_new_trials + 1, unit.n_expected - unit.n_new_trials)
    key = _next_key(unit, trials, min(MOST_RESERVED, n_more))
    unit.n_new_trials += 1
    unit.staged.insert(trials, {**row, "trial_id": key})
    return key


def add_rows(unit: Unit, table: Table, rows: Sequence[Row]) -> list[int]:
    """The keys of new rows of one of our tables, in their order."""
    if not _names_keys(unit):
        return [unit.run(InsertRow(table, row)) for row in rows]
    name = next(iter(table.primary_key.columns)).name
    keys = []
    for n_done, row in enumerate(rows):
        key = _next_key(unit, table, len(rows) - n_done)
        unit.staged.insert(table, {**row, name: key})
        keys.append(key)
    return keys


def _names_keys(unit: Unit) -> bool:
    """Whether keys can be known beforehand, and may save statements."""
    return unit.is_long and unit.dialect in {"sqlite", "postgresql"}


def _next_key(unit: Unit, table: Table, n: int) -> int:
    """A key that nobody else gets; servers are asked for `n` when none is left."""
    key = next(unit.free_keys.get(table.name, iter(())), None)
    if key is None:
        unit.free_keys[table.name] = _free_keys(unit, table, n)
        key = next(unit.free_keys[table.name])
    return key


def _free_keys(unit: Unit, table: Table, n: int) -> Iterator[int]:
    # A writing transaction on SQLite is the only one, so the next keys are all its own.
    if unit.dialect == "sqlite":
        return count(unit.run(NextKey(table)))
    return iter(unit.run(ReserveKeys(table, n)))
