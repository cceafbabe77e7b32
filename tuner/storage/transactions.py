"""Hides when writes reach the database: in groups, whole or not at all, and how they repeat."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Table, UpdateBase, select

from tuner.errors import StorageError
from tuner.storage import tables
from tuner.storage.engine import Database
from tuner.storage.mirror import Mirror
from tuner.storage.rows import Row
from tuner.storage.schema import NO_STUDY
from tuner.storage.writes import Buffer

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Unit:
    """One transaction in the making: begun at its first statement, repeatable when it drops.

    Operations given to `run` may run twice: the second time on a new connection, where nothing
    of the first is left. They must then do the same, under the same keys, or raise.

    Attributes:
        staged: Rows that are written with the commit.
        known: Trials that this transaction holds, so that nobody else can end them.
        study_ids: Studies that it writes to.
        locked: Those that nobody else can add trials to.
        dead: Trials that others ended meanwhile; what was staged for them was dropped.
        dialect: Of its database.
        is_long: Whether many writes are to be expected.
        suspects: Trials that it has tried to hold.
        numbered: Studies whose next trial numbers are its own.
        n_new_trials: Trials that it adds.
        n_expected: How many the last such unit added.
        free_keys: Keys by table that nobody else gets.
    """

    def __init__(
        self,
        database: Database,
        pending: Buffer,
        name: str | None,
        mark: Row,
        *,
        is_long: bool,
        waits: bool,
        n_expected: int,
    ) -> None:
        self.dialect = database.dialect
        self.is_long = is_long
        self.staged = Buffer()
        self.known: set[int] = set()
        self.study_ids: set[int] = set()
        self.locked: set[int] = set()
        self.dead: set[int] = set()
        self.suspects: set[int] = set()
        self.numbered: set[int] = set()
        self.n_new_trials = 0
        self.n_expected = n_expected
        self.free_keys: dict[str, Iterator[int]] = {}
        self._database = database
        self._pending = pending
        self._name = name
        self._mark = mark
        self._waits = waits
        self._connection: Connection | None = None
        self._done: list[Callable[[Connection], object]] = []
        self._is_repeated = False
        self._failure: StorageError | None = None

    @property
    def is_open(self) -> bool:
        """Whether reads must go through this transaction to see what it wrote."""
        return self._connection is not None or bool(self._pending) or bool(self.staged)

    def run(self, operation: Callable[[Connection], T]) -> T:
        """What the operation returns; it is part of the transaction from here on."""
        result = self.query(operation)
        self._done.append(operation)
        return result

    def query(self, operation: Callable[[Connection], T]) -> T:
        """What the operation returns; it only reads."""
        try:
            return operation(self._open())
        except self._database.errors as error:
            self._prepare_again(error)
        self._explained(self._do_again)
        return self._explained(lambda: operation(self._open()))

    def settle(self) -> None:
        """What was staged, here or before, is in the open transaction."""
        staged = self._pending | self.staged if self._pending else self.staged
        if staged:
            self.run(partial(self._write, staged))
        self._pending, self.staged = Buffer(), Buffer()

    def commit(self) -> None:
        """All is in the database, durably.

        Raises:
            StorageError: Nothing of it is, or nobody knows because the answer was lost twice.
        """
        if self._failure is not None:
            raise self._failure
        if self._name is None and not self.is_open:
            return
        if self._name is not None or self._database.dialect != "sqlite":
            self._stage_marks()
        self.settle()
        try:
            self._open().commit()
        except self._database.errors as error:
            self._prepare_again(error)
            self._explained(self._commit_unless_done)
        self.close()

    def close(self) -> None:
        """The connection is given back; what was not committed is undone."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        (self._database.end if self._failure is None else self._database.undo)(connection)

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._database.begin(write=True, waits=self._waits)
        return self._connection

    def _write(self, buffer: Buffer, connection: Connection) -> None:
        self.dead |= buffer.write(connection, self._database.dialect, self.known)

    def _prepare_again(self, error: Exception) -> None:
        """The old connection is given up, if a new one may help and was not tried yet."""
        if self._is_repeated or not self._database.is_lost(error):
            raise self._failed(error) from error
        self._is_repeated = True
        connection, self._connection = self._connection, None
        if connection is not None:
            self._database.abandon(connection)

    def _do_again(self) -> None:
        connection = self._open()
        for operation in self._done:
            operation(connection)

    def _commit_unless_done(self) -> None:
        if not self._has_mark(self._open()):
            self._do_again()
            self._open().commit()

    def _explained(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except self._database.errors as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StorageError:
        """The error for the caller; even one who catches it cannot commit any more."""
        self._failure = self._database.explain(error)
        return self._failure

    def _marks(self) -> list[Row]:
        """Rows by which a transaction whose answer was lost is found to be done."""
        if self._name is None:
            return [self._mark]
        studies = sorted(self.study_ids) or [NO_STUDY]
        return [{**self._mark, "study_id": key, "unit_id": self._name} for key in studies]

    def _stage_marks(self) -> None:
        stage = self.staged.upsert if self._name is None else self.staged.insert
        for mark in self._marks():
            stage(tables.units, mark)

    def _has_mark(self, connection: Connection) -> bool:
        mark = self._marks()[0]
        names = ("study_id", "unit_id", "serial")
        found = select(tables.units).where(*(tables.units.c[n] == mark[n] for n in names))
        return connection.execute(found).first() is not None


class Transactions:
    """The one way to the database of a storage, shared by its threads.

    Attributes:
        lock: Held while the mirror or the buffer is used.
        database: Where to.
        mirror: What is undone together with a transaction.
    """

    def __init__(self, database: Database, mirror: Mirror, flush_interval_s: float) -> None:
        self.lock = threading.RLock()
        self.database = database
        self.mirror = mirror
        self._flush_interval_s = flush_interval_s
        self._pending = Buffer()
        self._unit: Unit | None = None
        self._flusher: threading.Thread | None = None
        self._hurry = threading.Event()
        self._instance = uuid.uuid4().hex
        self._serial = 0
        self._n_added = 0

    @property
    def in_unit(self) -> bool:
        """Whether a unit is open; only its thread gets to ask while it is."""
        return self._unit is not None

    def stage(self, table: Table, row: Row) -> None:
        """The row reaches the database with the open unit, or within the flush interval."""
        if self._unit is not None:
            self._unit.staged.upsert(table, row)
            return
        self._refuse_read_only()
        self._pending.upsert(table, row)
        if self._flusher is None:
            self._flusher = threading.Thread(target=self._flush_later, daemon=True, name="flusher")
            self._flusher.start()

    def touch(self, study_id: int) -> None:
        """The open unit belongs to the study."""
        assert self._unit is not None
        self._unit.study_ids.add(study_id)

    def stage_statement(self, statement: UpdateBase, row: Row) -> None:
        """The statement runs with the row at the end of the open transaction."""
        assert self._unit is not None
        self._unit.staged.add(statement, row)

    def flush(self, *, waits: bool = True) -> None:
        """Everything staged outside of units is in the database.

        Args:
            waits: For a server that went away; else it is an error at once.
        """
        with self.lock:
            if self._pending and self._unit is None:
                with self.unit(None, waits=waits):
                    pass

    @contextmanager
    def transaction(self) -> Iterator[Unit]:
        """The open unit, or one of its own that is committed at the end of the block."""
        with self.lock:
            if self._unit is not None:
                yield self._unit
                return
            with self.unit(None) as unit:
                yield unit

    @contextmanager
    def unit(
        self, name: str | None, *, is_long: bool = False, waits: bool = True
    ) -> Iterator[Unit]:
        """A transaction around the block: all it writes, or, when it raises, nothing.

        Args:
            name: By which `has_unit` knows it.
            is_long: Whether many writes are to be expected, which then share statements.
            waits: For a server that went away; else it is an error at once.
        """
        with self.lock:
            self._refuse_read_only()
            if self._unit is not None:
                raise RuntimeError("storage: a unit must not be opened within another")
            self._serial += 1
            mark = {
                "study_id": NO_STUDY,
                "unit_id": self._instance,
                "serial": self._serial if name is None else 0,
                "at": datetime.now(UTC),
            }
            unit = self._unit = Unit(
                self.database,
                self._pending,
                name,
                mark,
                is_long=is_long,
                waits=waits,
                n_expected=self._n_added,
            )
            self.mirror.begin()
            try:
                yield unit
                unit.commit()
            except BaseException as error:
                unit.close()
                self.mirror.undo()
                if isinstance(error, StorageError):
                    self.mirror.distrust()
                raise
            finally:
                self._unit = None
            self.mirror.keep()
            self._pending = Buffer()
            self._n_added = unit.n_new_trials or self._n_added
            if unit.dead:
                self.mirror.distrust()

    def query(
        self, operation: Callable[[Connection], T], *, fresh: bool = True, waits: bool = True
    ) -> T:
        """What the operation reads.

        Args:
            operation: Only reads.
            fresh: Whether it must see what is staged.
            waits: For a server that went away; else it is an error at once.
        """
        with self.lock:
            if self._unit is not None and self._unit.is_open:
                if fresh:
                    self._unit.settle()
                return self._unit.query(operation)
            if fresh:
                self.flush(waits=waits)
            try:
                return self._read(operation, waits=waits)
            except self.database.errors as error:
                if not self.database.is_lost(error):
                    raise self.database.explain(error) from error
            try:
                return self._read(operation, waits=waits)
            except self.database.errors as error:
                raise self.database.explain(error) from error

    def close(self) -> None:
        """Everything is in the database, the flusher has ended, no connection is open."""
        with self.lock:
            flusher = self._flusher
            self._hurry.set()
        if flusher is not None:
            flusher.join()
        try:
            self.flush()
        finally:
            self.database.dispose()

    def restart(self) -> None:
        """In the child of a fork: what was open or waiting belongs to the parent."""
        self.__dict__.update(
            Transactions(self.database, self.mirror, self._flush_interval_s).__dict__
        )
        self.mirror.undo()
        self.mirror.distrust()
        self.database.leave_to_parent()

    def _read(self, operation: Callable[[Connection], T], *, waits: bool) -> T:
        connection = self.database.begin(write=False, waits=waits)
        try:
            return operation(connection)
        finally:
            self.database.end(connection)

    def _flush_later(self) -> None:
        """Flushes after the interval, again while the database refuses; ends when all is done."""
        has_warned = False
        while True:
            is_last = self._hurry.wait(self._flush_interval_s)
            with self.lock:
                try:
                    self.flush(waits=False)
                except StorageError as error:
                    if not has_warned:
                        _log.warning("database unavailable, retrying: %s", error)
                    has_warned = True
                if is_last or not self._pending:
                    self._flusher = None
                    return

    def _refuse_read_only(self) -> None:
        if self.database.read_only:
            raise StorageError(f"storage '{self.database.name}': was opened for reading only")
