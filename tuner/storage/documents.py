"""Hides how PostgreSQL takes many rows in one statement: as one JSON document.

A statement for each row costs this process five times as much and the server twice as much.
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
    Insert,
    Table,
    Text,
    bindparam,
    cast,
    func,
    select,
)
from sqlalchemy import column as column_named

from tuner.storage.rows import Row

Encode = Callable[[Any], Any]


def put_document(
    connection: Connection, statement: Insert, table: Table, rows: Sequence[Row]
) -> None:
    """Runs an insertion or an upsert with all rows, which have the same columns."""
    names = tuple(rows[0])
    encoders = _encoders(connection.dialect, table, names)
    new = [row | {name: encode(row[name]) for name, encode in encoders} for row in rows]
    document = json.dumps(new, allow_nan=False)
    connection.execute(_from_document(statement, table, names), {"document": document})


@functools.cache
def _from_document(statement: Insert, table: Table, names: tuple[str, ...]) -> Insert:
    columns = [column_named(name, table.c[name].type) for name in names]
    document = cast(bindparam("document", type_=Text), JSON)
    rows = func.json_to_recordset(document).table_valued(*columns)
    return statement.from_select(names, select(*rows.render_derived(with_types=True).c))


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
            found.append((name, functools.partial(_stored, bind)))
    return found


def _stored(bind: Encode | None, value: Any) -> Any:
    stored = value if bind is None else bind(value)
    return stored.isoformat() if isinstance(stored, datetime) else stored
