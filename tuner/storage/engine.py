"""Hides how a database is reached: its driver, pragmas, transactions, and what its errors mean."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    DBAPIError,
    InvalidatePoolError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import ConnectionPoolEntry, Pool, QueuePool

from tuner.errors import StorageError, StorageUrlError
from tuner.storage.address import parse, sqlite_path, timeout_s, without_secrets

BUSY_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10

PATIENCE_S = 30.0
"""A server that restarts is back within this time, so that a study need not end."""

RETRY_EVERY_S = 0.2
"""Pause between two tries to reach a server that was there before."""

CHECK_AFTER_S = 5.0
"""A connection to a server that rested so long is asked for an answer before it is used.

One that was used just now is used again as it is: what is lost with it is repeated anyway.
"""

WAL_PAGES_OWNER = 1000
WAL_PAGES_OTHER = 16384
"""Pages in the log after which a connection copies them back: 4 MiB, or 64 MiB when another
process may own the study (see `wal_reset_risk`)."""

_WRITES = "tuner_writes"
_USED_AT = "tuner_used_at"

_log = logging.getLogger(__name__)

_HINTS = (
    ("not a database", "is not an SQLite database, or is damaged; restore it from a copy"),
    ("malformed", "is damaged; restore it from a copy, or save what is left with sqlite3 .recover"),
    ("readonly", "is read-only; make it writable, or name another one"),
    ("read-only", "is read-only; make it writable, or name another one"),
    ("disk is full", "the disk is full; free some space and run the command again"),
    ("disk i/o error", "the disk reports an error; free some space or check it, then run again"),
    ("unable to open", "cannot be opened; its folder must exist and be accessible"),
    ("password", "refuses the user or password; check both"),
    ("does not exist", "must exist; create the database first"),
)


class Database:
    """One database by URL, and transactions on it.

    Args:
        url: As SQLAlchemy writes it. `postgresql://` takes psycopg 3 where psycopg2 is missing.
        read_only: Nothing can be written through this object.
        patience_s: How long a server that was there before is tried again, in seconds.

    Attributes:
        name: The URL without a password, for messages.
        url: Where another process finds the same database, with the password.
        path: Of an SQLite file.
        dialect: `sqlite`, `postgresql` or `mysql`.
        errors: What a statement may raise, the driver's own errors included.

    Raises:
        StorageUrlError: The URL cannot be read, its driver is not installed, or no file can be
            where it says.
    """

    def __init__(
        self, url: str, *, read_only: bool = False, patience_s: float = PATIENCE_S
    ) -> None:
        self._patience_s = patience_s
        parsed = parse(url)
        self.name = without_secrets(parsed)
        self.read_only = read_only
        self._inherited: list[Pool] = []
        self.dialect = parsed.get_backend_name()
        self.wal_pages = WAL_PAGES_OTHER if wal_reset_risk() else WAL_PAGES_OWNER
        self.busy_timeout_s = timeout_s(parsed, BUSY_TIMEOUT_S)
        self.path = sqlite_path(parsed)
        if self.path is not None:
            _check_place(self.path, self.name)
            parsed = parsed.set(database=str(self.path))
        self.url = parsed.render_as_string(hide_password=False)
        try:
            self.engine = self._create(parsed)
        except (ImportError, NoSuchModuleError) as error:
            text = f"storage '{self.name}': its driver is missing ({error})"
            raise StorageUrlError(text) from None
        dbapi = self.engine.dialect.dbapi
        assert dbapi is not None
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError, dbapi.Error)

    def begin(self, *, write: bool, waits: bool = False) -> Connection:
        """A connection in a new transaction; the caller ends it with `end`.

        On SQLite a writing one takes the write lock at once, so that it never fails half-way.

        Args:
            write: Whether it writes.
            waits: For a server that went away; else it is an error at once.
        """
        connection = self._connect(self._patience_s if waits else 0.0).execution_options(
            **{_WRITES: write}
        )
        try:
            connection.begin()
        except BaseException:
            connection.close()
            raise
        return connection

    def end(self, connection: Connection) -> None:
        """The connection is given back; what was not committed is undone."""
        with contextlib.suppress(*self.errors):
            connection.close()

    def undo(self, connection: Connection) -> None:
        """As `end`, after an error: SQLAlchemy takes a commit that failed for the end of it."""
        try:
            connection.connection.rollback()
        except self.errors:
            self.abandon(connection)
        else:
            self.end(connection)

    def abandon(self, connection: Connection) -> None:
        """The connection, which is lost or in doubt, is closed and never used again."""
        with contextlib.suppress(*self.errors):
            connection.invalidate()
        self.end(connection)

    def is_lost(self, error: Exception) -> bool:
        """Whether the same work may succeed on a new connection."""
        if isinstance(error, DBAPIError):
            state = getattr(error.orig, "sqlstate", None)
            # 40001 serialization failure, 40P01 deadlock: the server undid the transaction.
            return error.connection_invalidated or state in {"40001", "40P01"}
        dialect = self.engine.dialect
        assert dialect.dbapi is not None
        return isinstance(error, dialect.dbapi.Error) and dialect.is_disconnect(error, None, None)

    def explain(self, error: Exception) -> StorageError:
        """The one line that tells a user what is wrong and what to do."""
        cause = getattr(error, "orig", None) or error
        text = " ".join(str(cause).split()) or type(cause).__name__
        lowered = text.lower()
        if "locked" in lowered:
            what = (
                f"is locked by another process since {self.busy_timeout_s:g} s; "
                "close what uses it and run the command again"
            )
            return StorageError(f"storage '{self.name}': {what}")
        for word, hint in _HINTS:
            if word in lowered:
                return StorageError(f"storage '{self.name}': {hint} ({text})")
        if self.is_lost(error) or type(cause).__name__ in {"OperationalError", "InterfaceError"}:
            hint = "gives no answer; start the server or check the address, then run again"
            return StorageError(f"storage '{self.name}': {hint} ({text})")
        return StorageError(f"storage '{self.name}': refused a statement ({text})")

    def use_wal(self) -> None:
        """An SQLite file keeps its write-ahead log: readers and one writer do not wait."""
        if self.path is None or self.read_only:
            return
        until = time.monotonic() + self.busy_timeout_s
        while True:
            try:
                with self.engine.connect() as connection:
                    raw = _raw(connection)
                    if raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                        raw.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                # Switching needs the file for itself and does not heed the busy time-out.
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def copy_to(self, suffix: str) -> None:
        """An SQLite file has a copy beside it, whole and as of now, whose name ends in `suffix`.

        Servers have tools of their own for it; for them nothing is done.
        """
        if self.path is None:
            return
        target = self.path.with_name(self.path.name + suffix)
        unfinished = target.with_name(f"{target.name}.{os.getpid()}")
        try:
            copy = contextlib.closing(sqlite3.connect(unfinished))
            with self.engine.connect() as connection, copy as to:
                _raw(connection).backup(to)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)

    def own_wal(self, is_owner: bool) -> None:
        """This process copies the log back often, as the owner of a study does, or hardly ever."""
        pages = WAL_PAGES_OWNER if is_owner or not wal_reset_risk() else WAL_PAGES_OTHER
        if self.path is not None and pages != self.wal_pages:
            self.wal_pages = pages
            self.engine.dispose()

    def dispose(self) -> None:
        """No connection is open; the next use opens new ones."""
        self.engine.dispose()

    def leave_to_parent(self) -> None:
        """In the child of a fork: connections of the parent are neither used nor closed."""
        # Closing an inherited SQLite connection could end the parent's log under its feet.
        self._inherited.append(self.engine.pool)
        self.engine.dispose(close=False)

    def _connect(self, patience_s: float) -> Connection:
        until = time.monotonic() + patience_s
        has_warned = False
        while True:
            try:
                return self.engine.connect()
            except OperationalError as error:
                # SQLite waits for locks by itself, and a file that is gone does not come back.
                if self.dialect == "sqlite" or time.monotonic() >= until:
                    raise
                if not has_warned:
                    cause = " ".join(str(error.orig).split())
                    _log.warning("%s: database unavailable, retrying (%s)", self.name, cause)
                has_warned = True
            time.sleep(RETRY_EVERY_S)

    def _create(self, url: URL) -> Engine:
        if self.dialect == "sqlite":
            return self._create_sqlite(url)
        engine = create_engine(
            url,
            pool_size=1,
            max_overflow=2,
            connect_args=_connect_arguments(url),
        )
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_check_if_idle, engine.dialect))
        if self.read_only:
            event.listen(engine, "connect", _set_read_only)
        return engine

    def _create_sqlite(self, url: URL) -> Engine:
        if self.path is not None and self.read_only:
            file = "file:" + str(self.path).replace("%", "%25").replace("?", "%3f")
            url = url.set(database=file.replace("#", "%23"))
            url = url.update_query_dict({"uri": "true", **_read_only_mode(self.path)})
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0 if self.path is None else 2,
            connect_args={"check_same_thread": False, "timeout": self.busy_timeout_s},
        )
        event.listen(engine, "connect", self._set_pragmas)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _set_pragmas(self, connection: Any, _record: object) -> None:
        # SQLAlchemy's "begin" event then emits BEGIN itself; the driver would do it too late.
        connection.isolation_level = None
        if not self.read_only:
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={self.wal_pages}")


def check_address(url: str) -> None:
    """Makes sure that a database can be at the address; it is not looked at.

    Raises:
        StorageUrlError: It cannot.
    """
    Database(url).dispose()


def wal_reset_risk() -> str | None:
    """What to tell users whose SQLite can lose data when two processes copy back its log at once.

    Source: https://sqlite.org/wal.html#walresetbug (fixed in 3.51.3, 3.50.7 and 3.44.6).
    """
    version = sqlite3.sqlite_version_info
    fixed = version >= (3, 51, 3) or version[:2] in {(3, 50), (3, 44)}
    if fixed and version[:2] == (3, 50):
        fixed = version >= (3, 50, 7)
    if fixed and version[:2] == (3, 44):
        fixed = version >= (3, 44, 6)
    if fixed:
        return None
    return (
        f"SQLite {sqlite3.sqlite_version} can damage a database that several programs write at "
        "once (fixed in 3.51.3); while a study runs, open it through tuner only"
    )


def _check_place(path: Path, name: str) -> None:
    if not path.parent.is_dir():
        raise StorageUrlError(f"storage '{name}': its folder must exist, got {path.parent}")
    if path.is_dir():
        raise StorageUrlError(f"storage '{name}': must be a file, got a folder")


def _read_only_mode(path: Path) -> dict[str, str]:
    """How to open a file that cannot be written: with its log, or as it is without one."""
    has_log = Path(f"{path}-wal").exists()
    if has_log or os.access(path.parent, os.W_OK):
        return {"mode": "ro"}
    # The shared memory of the log could not be created, and nobody can be writing.
    return {"mode": "ro", "immutable": "1"}


def _connect_arguments(url: URL) -> dict[str, Any]:
    if "connect_timeout" in url.query:
        return {}
    return {"connect_timeout": CONNECT_TIMEOUT_S}


def _begin_sqlite(connection: Connection) -> None:
    is_write = connection.get_execution_options().get(_WRITES, False)
    _raw(connection).execute("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _note_use(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_USED_AT] = time.monotonic()


def _check_if_idle(
    dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: object
) -> None:
    """A connection that was not used for a while answers, or all of them are opened anew."""
    if time.monotonic() - record.info.get(_USED_AT, math.inf) < CHECK_AFTER_S:
        return
    assert dialect.dbapi is not None
    try:
        dialect.do_ping(connection)
    except dialect.dbapi.Error as error:
        raise InvalidatePoolError from error


def _set_read_only(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    cursor.close()
    connection.commit()


def _raw(connection: Connection) -> Any:
    raw = connection.connection.dbapi_connection
    assert raw is not None
    return raw
