"""Hides how a database becomes a study database: checked, created once, brought to our version."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import optuna
from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    insert,
    inspect,
    select,
    text,
    union,
    update,
)

from tuner.errors import StorageError
from tuner.storage import tables
from tuner.storage.engine import Database
from tuner.storage.tables import optuna_schema, own_tables

NO_STUDY = 0
"""Stands in `tuner_units` for a transaction that belongs to no study in particular."""

_POSTGRESQL_LOCK = 7_241_604_183
_KEEP_MARKERS = timedelta(days=30)


def _create_all(connection: Connection) -> None:
    own_tables().create_all(connection)


def _add_activity(connection: Connection) -> None:
    tables.activity.create(connection, checkfirst=True)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create_all, _add_activity)
"""Step n (from 1) brings our tables from version n-1 to version n."""

VERSION = len(MIGRATIONS)

KNOWN_REVISIONS = {
    "5.0.0": (
        *("v3.2.0.a", "v3.0.0.d", "v3.0.0.c", "v3.0.0.b", "v3.0.0.a"),
        *("v2.6.0.a", "v2.4.0.a", "v1.3.0.a", "v1.2.0.a", "v0.9.0.a"),
    )
}
"""Version of Optuna -> revisions of its schema that it knows, newest first."""


def prepare(database: Database) -> None:
    """The database holds Optuna's tables and ours, both of the version this program writes.

    Nothing is written before all is known to be right, and no lock is taken where nothing is to
    be written: whoever only reads does not wait for whoever writes. Several processes may do this
    at once: one creates, the others wait and find it done.

    Raises:
        StorageError: Unreachable, damaged, of a newer or older schema, or another program's; or
            it is locked or read-only and something is missing.
    """
    if database.path is not None and database.read_only and not database.path.exists():
        raise StorageError(f"storage '{database.name}': no such file")
    try:
        with _transaction(database) as connection:
            is_complete = _check(connection, database)
        if database.read_only:
            return
        database.use_wal()
        if not is_complete:
            _complete(database)
        with _transaction(database) as connection:
            has_litter = _has_litter(connection)
        if has_litter:
            with _transaction(database, write=True) as connection:
                _sweep(connection)
                connection.commit()
    except database.errors as error:
        raise database.explain(error) from error


@contextmanager
def _transaction(database: Database, *, write: bool = False) -> Iterator[Connection]:
    """A transaction for the block, which commits what is to be kept."""
    connection = database.begin(write=write)
    try:
        yield connection
    finally:
        database.end(connection)


def _complete(database: Database) -> None:
    """What is missing is there, in one transaction."""
    revisions()  # may load alembic, slowly, before others have to wait for the lock
    _copy_older(database)
    with _transaction(database, write=True) as connection:
        _lock(connection, database)
        if not _check(connection, database):
            _create(connection)
        connection.commit()


def _copy_older(database: Database) -> None:
    """A file with an older version of our tables has a copy beside it, as it was."""
    with _transaction(database) as connection:
        has_version = inspect(connection).has_table(tables.version.name)
        found = (
            connection.execute(select(tables.version.c.version)).scalar() if has_version else None
        )
    if found is not None and found < VERSION:
        database.copy_to(f".version-{found}")


def _lock(connection: Connection, database: Database) -> None:
    """Nobody else creates tables until this transaction ends; SQLite's is exclusive as it is."""
    if database.dialect == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRESQL_LOCK})
    elif database.dialect == "mysql":
        connection.execute(text("SELECT GET_LOCK('tuner_schema', 30)"))


def _check(connection: Connection, database: Database) -> bool:
    """Whether all tables are there in the right version; False where some are to be created.

    Raises:
        StorageError: What is there must not be touched.
    """
    optuna_tables = optuna_schema()
    present = set(inspect(connection).get_table_names())
    has_optuna = optuna_tables.studies.name in present
    if database.read_only and not has_optuna:
        raise StorageError(f"storage '{database.name}': holds no studies")
    own = _own_version(connection, database) if tables.version.name in present else None
    revision = _revision(connection) if "alembic_version" in present else None
    if revision is None or not has_optuna:
        _refuse_foreign(connection, database, present, revision)
        return False
    if own is None or (own[1], own[2]) != (optuna.__version__, revision):
        _check_revision(database, revision)
        return False
    return own[0] == VERSION


def _own_version(
    connection: Connection, database: Database
) -> tuple[int, str | None, str | None] | None:
    row = connection.execute(select(tables.version)).one_or_none()
    if row is None:
        return None
    if row.version > VERSION:
        raise StorageError(
            f"storage '{database.name}': must have a schema up to version {VERSION}, got version "
            f"{row.version}; update tuner"
        )
    if row.version < VERSION and database.read_only:
        raise StorageError(
            f"storage '{database.name}': must have a schema of version {VERSION}, got version "
            f"{row.version}; open it once for writing"
        )
    return row.version, row.optuna_version, row.optuna_revision


def _revision(connection: Connection) -> str | None:
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    return str(found[0]) if found else None


def _refuse_foreign(
    connection: Connection, database: Database, present: set[str], revision: str | None
) -> None:
    """Passes an empty database, and one that Optuna began to create."""
    optuna_tables = optuna_schema()
    if optuna_tables.version_info.name in present:
        row = connection.execute(select(optuna_tables.version_info.c.schema_version)).first()
        if row is not None and row[0] != optuna_tables.version:
            raise _too_old(database, f"version {row[0]}")
    elif revision is not None or optuna_tables.studies.name in present:
        raise StorageError(
            f"storage '{database.name}': must be empty or hold Optuna's studies, but holds tables "
            "of another program; name another database"
        )


def _check_revision(database: Database, revision: str) -> None:
    head, *older = revisions()
    if revision in older:
        raise _too_old(database, f"revision {revision}")
    if revision != head:
        raise StorageError(
            f"storage '{database.name}': must have Optuna's schema of revision {head}, got "
            f"{revision}, which is newer; update optuna"
        )


def _too_old(database: Database, found: str) -> StorageError:
    return StorageError(
        f"storage '{database.name}': has an older schema of Optuna ({found}); "
        "run: optuna storage upgrade --storage URL"
    )


@functools.cache
def revisions() -> tuple[str, ...]:
    """Revisions of Optuna's schema that the installed Optuna knows, newest first.

    Asked of a storage in memory where the version is not known here: Optuna has no other public
    name for them. That loads alembic (0.5 s, 2026-11).
    """
    if (known := KNOWN_REVISIONS.get(optuna.__version__)) is not None:
        return known
    storage = optuna.storages.RDBStorage("sqlite://")
    try:
        return (storage.get_head_version(), *storage.get_all_versions()[1:])
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _create(connection: Connection) -> None:
    """Optuna's tables with the marks that it looks for, and ours, are complete."""
    optuna_tables = optuna_schema()
    optuna_tables.metadata.create_all(connection)
    info = optuna_tables.version_info
    if connection.execute(select(info)).first() is None:
        row = {"schema_version": optuna_tables.version, "library_version": optuna.__version__}
        connection.execute(insert(info), row)
    connection.execute(
        text(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    if _revision(connection) is None:
        mark = text("INSERT INTO alembic_version (version_num) VALUES (:revision)")
        connection.execute(mark, {"revision": revisions()[0]})
    _migrate(connection)


def _migrate(connection: Connection) -> None:
    tables.version.create(connection, checkfirst=True)
    row = connection.execute(select(tables.version.c.version)).one_or_none()
    for step in MIGRATIONS[0 if row is None else row.version :]:
        step(connection)
    agreed = {
        "version": VERSION,
        "optuna_version": optuna.__version__,
        "optuna_revision": _revision(connection),
    }
    change = insert(tables.version) if row is None else update(tables.version)
    connection.execute(change.values(agreed))


def _has_litter(connection: Connection) -> bool:
    """Whether there is something to sweep."""
    mark = select(tables.units.c.unit_id).where(_is_past()).limit(1)
    return bool(_orphans(connection)) or connection.execute(mark).first() is not None


def _sweep(connection: Connection) -> None:
    """No row of ours is left of a study that others deleted, or of transactions long past."""
    if orphans := _orphans(connection):
        forget_studies(connection, orphans)
    connection.execute(delete(tables.units).where(_is_past()))


def _orphans(connection: Connection) -> Sequence[int]:
    """Studies that others deleted, and that have rows of ours."""
    alive = optuna_schema().studies
    known = tables.studies
    gone = union(
        select(tables.attempts.c.study_id).where(
            tables.attempts.c.study_id.not_in(select(alive.c.study_id))
        ),
        select(known.c.study_id)
        .outerjoin(alive, alive.c.study_id == known.c.study_id)
        .where((alive.c.study_id.is_(None)) | (alive.c.study_name != known.c.study_name)),
    )
    return connection.execute(gone).scalars().all()


def _is_past() -> ColumnElement[bool]:
    """Which marks nobody will ask for any more."""
    moment = datetime.now(UTC) - _KEEP_MARKERS
    return (tables.units.c.study_id == NO_STUDY) & (tables.units.c.at < moment)


def forget_studies(connection: Connection, study_ids: Sequence[int]) -> None:
    """Our tables hold nothing of these studies."""
    for table in tables.OF_STUDY:
        connection.execute(delete(table).where(table.c.study_id.in_(study_ids)))
