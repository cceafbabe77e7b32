"""Hides how a statement of every trial is compiled once and from then on given to the driver.

From a statement to the driver SQLAlchemy takes 40 to 130 microseconds, SQLite itself 3 to 30.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import BindParameter, Connection, Dialect, Enum, Insert, Select, UpdateBase
from sqlalchemy.sql.compiler import SQLCompiler

Statement = UpdateBase | Select[Any]
Values = Callable[[Sequence[Mapping[str, Any]]], Iterable[Any]]
"""What a parameter is in each of some rows."""


class Found(Protocol):
    """What the driver answers."""

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""

    @property
    def lastrowid(self) -> int | None:
        """On SQLite, the key of the row that was inserted."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchall(self) -> Sequence[Any]:
        """The rows that are left."""


def run(connection: Connection, statement: Statement, row: Mapping[str, Any]) -> Found:
    """The answer to a statement that its caller keeps.

    Args:
        connection: In a transaction.
        statement: Without lists of parameters, or defaults that Python works out.
        row: Its parameters.

    Raises:
        Exception: One of `Database.errors`, on SQLite the driver's own.
    """
    text, parameters_of = _compiled(statement, connection.dialect, tuple(row))
    return _executor(connection)(text, parameters_of([row])[0])


def run_all(
    connection: Connection, statement: Statement, rows: Sequence[Mapping[str, Any]]
) -> None:
    """The statement has run with each of the rows, which have the same columns; see `run`."""
    if len(rows) == 1:
        run(connection, statement, rows[0])
        return
    text, parameters_of = _compiled(statement, connection.dialect, tuple(rows[0]))
    if connection.dialect.name == "sqlite":
        _driver(connection).executemany(text, parameters_of(rows))
    else:
        connection.exec_driver_sql(text, parameters_of(rows))


def _executor(connection: Connection) -> Callable[[str, Any], Found]:
    # A server's answer takes longer than the detour, on which SQLAlchemy notes a lost connection.
    is_file = connection.dialect.name == "sqlite"
    execute: Callable[[str, Any], Found]
    execute = _driver(connection).execute if is_file else connection.exec_driver_sql
    return execute


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


@functools.lru_cache(maxsize=1024)
def _compiled(
    statement: Statement, dialect: Dialect, names: tuple[str, ...]
) -> tuple[str, Callable[[Sequence[Mapping[str, Any]]], list[Any]]]:
    """A statement's text, and what makes the driver's parameters of rows."""
    if isinstance(statement, Insert):
        statement = statement.inline()
    compiled = statement.compile(dialect=dialect, column_keys=names)
    assert isinstance(compiled, SQLCompiler)
    order = compiled.positiontup if compiled.positional else [*compiled.bind_names.values()]
    assert order, "a statement without parameters needs no compiling"
    values = [_values(compiled.binds[name], dialect, names) for name in order]

    def in_order(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        return list(zip(*(column(rows) for column in values), strict=False))

    def by_name(rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        return [dict(zip(order, row, strict=True)) for row in in_order(rows)]

    return compiled.string, in_order if compiled.positional else by_name


def _values(bind: BindParameter[Any], dialect: Dialect, names: Sequence[str]) -> Values:
    kind = bind.type.dialect_impl(dialect)
    stored = kind.bind_processor(dialect)
    if bind.key not in names:
        assert not bind.required, bind.key
        fixed = bind.value if stored is None else stored(bind.value)
        return lambda rows: repeat(fixed, len(rows))
    get = itemgetter(bind.key)
    if stored is None:
        return functools.partial(map, get)
    if isinstance(kind, Enum):
        stored = functools.cache(stored)
    return lambda rows: map(stored, map(get, rows))
