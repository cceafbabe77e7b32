"""Hides how rows that wait to be written become few statements, in each dialect of SQL."""

from __future__ import annotations

import functools
import json
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Integer,
    Select,
    Table,
    Text,
    UniqueConstraint,
    UpdateBase,
    any_,
    bindparam,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tuner.storage.documents import Put, put_documents
from tuner.storage.kept import run, run_all
from tuner.storage.rows import Row
from tuner.storage.tables import optuna_schema

CHUNK = 500
"""Most values in one list of a statement; SQLite of old takes 999."""

UNFINISHED = (TrialState.RUNNING, TrialState.WAITING)


class Buffer:
    """Rows to write: of each key the newest, grouped so that a table takes one statement."""

    def __init__(self) -> None:
        self._inserts: dict[str, tuple[Table, list[Row]]] = {}
        self._upserts: dict[str, tuple[Table, dict[tuple[Any, ...], Row]]] = {}
        self._statements: dict[int, tuple[UpdateBase, list[Row]]] = {}

    def __bool__(self) -> bool:
        return bool(self._inserts or self._upserts or self._statements)

    def __or__(self, later: Buffer) -> Buffer:
        """The rows of both, where a key is in both those of the later one."""
        both = Buffer()
        for buffer in (self, later):
            for name, (table, new) in buffer._inserts.items():
                both._inserts.setdefault(name, (table, []))[1].extend(new)
            for name, (table, by_key) in buffer._upserts.items():
                both._upserts.setdefault(name, (table, {}))[1].update(by_key)
            for key, (statement, rows) in buffer._statements.items():
                both._statements.setdefault(key, (statement, []))[1].extend(rows)
        return both

    def insert(self, table: Table, row: Row) -> None:
        """The row, under a key that no other has, will be in the table before all others."""
        self._inserts.setdefault(table.name, (table, []))[1].append(row)

    def upsert(self, table: Table, row: Row) -> None:
        """The row will be in the table, in place of one with the same key."""
        entry = self._upserts.get(table.name)
        if entry is None:
            entry = self._upserts[table.name] = (table, {})
        entry[1][tuple(row[name] for name in _key(table))] = row

    def add(self, statement: UpdateBase, row: Row) -> None:
        """The statement will run with the row, in the order of these calls."""
        self._statements.setdefault(id(statement), (statement, []))[1].append(row)

    def write(self, connection: Connection, dialect: str, known: Container[int]) -> set[int]:
        """All rows are in the open transaction, except those of trials that others ended.

        Args:
            connection: In a transaction.
            dialect: Its dialect.
            known: Trials that this transaction itself holds unfinished or has finished.

        Returns:
            Keys of the trials that others finished or deleted.
        """
        suspects = {key for key in self._trial_ids() if key not in known}
        dead = suspects - set(unfinished(connection, sorted(suspects))) if suspects else set[int]()
        _put(connection, [*self._puts(dialect, dead)])
        for statement, rows in self._statements.values():
            run_all(connection, statement, rows)
        return dead

    def _puts(self, dialect: str, dead: Container[int]) -> Iterator[Put]:
        for table, new in self._inserts.values():
            yield insertion(table), table, new
        for table, by_key in self._upserts.values():
            rows = list(by_key.values())
            if dead:
                rows = [row for row in rows if row.get("trial_id") not in dead]
            if rows:
                yield upsert(dialect, table), table, rows

    def _trial_ids(self) -> Iterator[int]:
        for table, by_key in self._upserts.values():
            if table in optuna_schema().of_trial:
                for row in by_key.values():
                    yield row["trial_id"]


@functools.cache
def insertion(table: Table) -> Insert:
    """Inserts rows; building a statement takes longer than running it, so it is kept."""
    return insert(table)


@functools.cache
def upsert(dialect: str, table: Table) -> Insert:
    """Inserts rows, or gives rows with the same key their other columns."""
    key = _key(table)
    names = [c.name for c in table.columns if c.name not in key and not c.primary_key]
    if dialect == "mysql":
        change = mysql.insert(table)
        return change.on_duplicate_key_update({name: change.inserted[name] for name in names})
    made = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return made.on_conflict_do_update(
        index_elements=list(key), set_={name: made.excluded[name] for name in names}
    )


def _put(connection: Connection, puts: Sequence[Put]) -> None:
    if connection.dialect.name == "postgresql" and sum(len(rows) for _, _, rows in puts) > 1:
        put_documents(connection, puts)
        return
    for statement, _, rows in puts:
        run_all(connection, statement, rows)


@functools.cache
def _key(table: Table) -> tuple[str, ...]:
    """The columns that tell rows apart: Optuna's unique ones beside a running number, or ours."""
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            return tuple(column.name for column in constraint.columns)
    return tuple(column.name for column in table.primary_key.columns)


def chunks(keys: Iterable[int]) -> Iterator[list[int]]:
    """The keys in lists that fit in a statement."""
    rest = list(keys)
    for start in range(0, len(rest), CHUNK):
        yield rest[start : start + CHUNK]


def unfinished(connection: Connection, trial_ids: Iterable[int]) -> Iterator[int]:
    """Those of the trials that still run or wait; others cannot end them before the commit."""
    dialect = connection.dialect.name
    if dialect in {"sqlite", "postgresql"}:
        keys = list(trial_ids)
        row = {"keys": json.dumps(keys) if dialect == "sqlite" else keys}
        yield from (found[0] for found in run(connection, _unfinished_of(dialect), row).fetchall())
        return
    key = optuna_schema().trials.c.trial_id
    for part in chunks(trial_ids):
        yield from connection.execute(_unfinished(key.in_(part))).scalars()


def _unfinished(which: ColumnElement[bool]) -> Select[Any]:
    trials = optuna_schema().trials
    return (
        select(trials.c.trial_id)
        .where(which, or_(*(trials.c.state == state for state in UNFINISHED)))
        .order_by(trials.c.trial_id)
        .with_for_update()
    )


@functools.cache
def _unfinished_of(dialect: str) -> Select[Any]:
    """One statement for any number of trials, which is kept."""
    key = optuna_schema().trials.c.trial_id
    if dialect == "sqlite":
        keys = func.json_each(bindparam("keys", type_=Text)).table_valued("value")
        return _unfinished(key.in_(select(keys.c.value)))
    return _unfinished(key == any_(bindparam("keys", type_=postgresql.ARRAY(Integer))))
