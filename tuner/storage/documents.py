"""Hides how PostgreSQL takes the rows of many tables in one statement: as JSON documents.

A statement for each row costs this process five times as much and the server twice as much, and
each statement costs a round trip.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Connection,
    DateTime,
    Dialect,
    Enum,
    Insert,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy import column as column_named

from tuner.storage.kept import run
from tuner.storage.rows import Row

Encode = Callable[[Any], Any]

Put = tuple[Insert, Table, Sequence[Row]]
"""An insertion or an upsert that the caller keeps, and its rows, which have the same columns."""


def put_documents(connection: Connection, puts: Sequence[Put]) -> None:
    """All rows are in their tables; foreign keys are looked at when all of them are there."""
    parts = tuple((statement, table, tuple(rows[0])) for statement, table, rows in puts)
    documents = {
        f"document_{n}": _document(connection.dialect, table, rows)
        for n, (_, table, rows) in enumerate(puts)
    }
    run(connection, _one_statement(parts), documents)


@functools.lru_cache(maxsize=256)
def _one_statement(parts: tuple[tuple[Insert, Table, tuple[str, ...]], ...]) -> Select[Any]:
    changes = [
        _from_document(f"document_{n}", *part).cte(f"put_{n}") for n, part in enumerate(parts)
    ]
    return select(literal(1)).add_cte(*changes)


def _from_document(
    parameter: str, statement: Insert, table: Table, names: tuple[str, ...]
) -> Insert:
    columns = [column_named(name, table.c[name].type) for name in names]
    document = cast(bindparam(parameter, type_=Text), JSON)
    rows = func.json_to_recordset(document).table_valued(*columns)
    return statement.from_select(names, select(*rows.render_derived(with_types=True).c))


def _document(dialect: Dialect, table: Table, rows: Sequence[Row]) -> str:
    encoders = _encoders(dialect, table, tuple(rows[0]))
    new = [row | {name: encode(row[name]) for name, encode in encoders} for row in rows]
    return json.dumps(new, allow_nan=False)


@functools.cache
def _encoders(
    dialect: Dialect, table: Table, names: tuple[str, ...]
) -> Sequence[tuple[str, Encode]]:
    """For columns that JSON has no form for: their values' text, as PostgreSQL reads it."""
    found: list[tuple[str, Encode]] = []
    for name in names:
        kind = table.c[name].type.dialect_impl(dialect)
        bind = kind.bind_processor(dialect)
        if bind is not None or isinstance(kind, DateTime):
            encode = functools.partial(_stored, bind)
            found.append((name, functools.cache(encode) if isinstance(kind, Enum) else encode))
    return found


def _stored(bind: Encode | None, value: Any) -> Any:
    stored = value if bind is None else bind(value)
    return stored.isoformat() if isinstance(stored, datetime) else stored
