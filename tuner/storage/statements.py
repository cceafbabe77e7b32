"""Hides the statements that must be safe against other processes: ids, numbers, claims, ends."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import (
    Connection,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy import column as column_named
from sqlalchemy import table as table_named
from sqlalchemy.exc import IntegrityError

from tuner.errors import StorageError
from tuner.storage.kept import run
from tuner.storage.rows import Row, encode_time
from tuner.storage.schema import forget_studies
from tuner.storage.tables import optuna_schema
from tuner.storage.writes import insertion, unfinished

_NEXT_KEYS = text(
    "SELECT nextval(pg_get_serial_sequence(:table, :column)) FROM generate_series(1, :n)"
)

NAME_PREFIX = "no-name-"
"""Optuna's prefix of names that it makes up."""


@dataclass
class InsertStudy:
    """A new study with its directions; its id is the same when repeated."""

    name: str
    directions: Sequence[StudyDirection]
    study_id: int | None = None

    def __call__(self, connection: Connection) -> int:
        """The id of the study."""
        tables = optuna_schema()
        taken = select(tables.studies.c.study_id).where(tables.studies.c.study_name == self.name)
        if connection.execute(taken).first() is not None:
            raise self._duplicate()
        try:
            self.study_id = insert_row(
                connection, tables.studies, {"study_name": self.name}, self.study_id
            )
        except IntegrityError as error:
            raise self._duplicate() from error
        rows = [
            {"study_id": self.study_id, "objective": n, "direction": direction}
            for n, direction in enumerate(self.directions)
        ]
        connection.execute(insert(tables.study_directions), rows)
        # SQLite may give the id of a deleted study again.
        forget_studies(connection, [self.study_id])
        return self.study_id

    def _duplicate(self) -> DuplicatedStudyError:
        return DuplicatedStudyError(f"study {self.name!r}: exists already")


def unique_name() -> str:
    """A name for a study without one."""
    return NAME_PREFIX + str(uuid.uuid4())


@dataclass
class LockStudy:
    """Nobody else adds a trial to the study until the transaction ends."""

    study_id: int

    def __call__(self, connection: Connection) -> None:
        """Raises KeyError if there is no such study."""
        if run(connection, _lock(), {"key": self.study_id}).fetchone() is None:
            raise KeyError(f"No study with study_id {self.study_id} exists.")


@dataclass
class KeepNumbers:
    """Nobody has taken the numbers of a study's new trials before this was repeated."""

    study_id: int
    number: int
    was_done: bool = False

    def __call__(self, connection: Connection) -> None:
        """Raises StorageError where somebody has `number` or one above it."""
        if self.was_done:
            _refuse_taken(connection, self.study_id, self.number)
        self.was_done = True


@dataclass
class InsertTrial:
    """A new trial; its id and number are the same when repeated, or the repetition fails."""

    row: Row
    trial_id: int | None = None

    def __call__(self, connection: Connection) -> int:
        """The id of the trial."""
        if self.trial_id is not None:
            _refuse_taken(connection, self.row["study_id"], self.row["number"])
        self.trial_id = insert_row(connection, optuna_schema().trials, self.row, self.trial_id)
        return self.trial_id


@dataclass
class InsertRow:
    """A new row of one of our tables; its key is the same when repeated."""

    table: Table
    row: Row
    key: int | None = None

    def __call__(self, connection: Connection) -> int:
        """The key."""
        self.key = insert_row(connection, self.table, self.row, self.key)
        return self.key


@dataclass
class NextKey:
    """The key after the last of a table on SQLite; the same one when repeated."""

    table: Table
    key: int | None = None

    def __call__(self, connection: Connection) -> int:
        """The key. Raises StorageError if somebody took it before this could be repeated."""
        key = int(connection.execute(_next_key(self.table)).scalar_one_or_none() or 1)
        if self.key not in {None, key}:
            raise StorageError(
                f"{self.table.name}: another process added a row while the connection was lost; "
                "run the step again"
            )
        self.key = key
        return key


@dataclass
class ReserveKeys:
    """Keys of a table on PostgreSQL that nobody else gets; the same ones when repeated."""

    table: Table
    n: int
    keys: list[int] | None = None

    def __call__(self, connection: Connection) -> list[int]:
        """The keys, upwards."""
        if self.keys is not None:
            _pass_by(connection, self.table, self.keys[-1])
            return self.keys
        names = {"table": self.table.name, "column": _key_of(self.table), "n": self.n}
        self.keys = sorted(int(key) for key in connection.execute(_NEXT_KEYS, names).scalars())
        return self.keys


@dataclass
class HoldTrials:
    """Those of some trials that are unfinished stay so for everybody else until the commit."""

    trial_ids: Sequence[int]
    held: set[int] | None = None

    def __call__(self, connection: Connection) -> set[int]:
        """Their keys.

        Raises:
            StorageError: Somebody else ended one of them before this could be repeated.
        """
        held = set(unfinished(connection, self.trial_ids))
        if self.held not in (None, held):
            raise StorageError(
                "trials: another process ended one while the connection was lost; run the step "
                "again"
            )
        self.held = held
        return held


@dataclass
class ChangeState:
    """An unfinished trial gets another state, whoever else wants it too."""

    trial_id: int
    state: TrialState
    row: Row
    result: bool | None = None

    def __call__(self, connection: Connection) -> bool:
        """False if it was to be RUNNING and somebody else made it so.

        Raises:
            UpdateFinishedTrialError: It is finished.
            KeyError: It does not exist.
            StorageError: Somebody else changed it before this could be repeated.
        """
        result = self._change(connection)
        if self.result not in {None, result}:
            raise StorageError(
                f"trial with id {self.trial_id}: another process took it while the connection was "
                "lost; run the step again"
            )
        self.result = result
        return result

    def _change(self, connection: Connection) -> bool:
        change = change_state(from_waiting_only=self.state == TrialState.RUNNING)
        if run(connection, change, state_row(self.trial_id, self.state, self.row)).rowcount == 1:
            return True
        trials = optuna_schema().trials
        present = select(trials.c.state, trials.c.number).where(trials.c.trial_id == self.trial_id)
        found = connection.execute(present).first()
        if found is None:
            raise KeyError(f"No trial with trial_id {self.trial_id} exists.")
        if found.state.is_finished():
            raise UpdateFinishedTrialError(
                f"Trial#{found.number} has already finished and can not be updated."
            )
        return False


@dataclass
class DeleteStudy:
    """Nothing is left of a study."""

    study_id: int

    def __call__(self, connection: Connection) -> None:
        """Raises KeyError if there is no such study."""
        tables = optuna_schema()
        LockStudy(self.study_id)(connection)
        trials = tables.trials
        chosen = select(trials.c.trial_id).where(trials.c.study_id == self.study_id)
        for table in tables.of_trial:
            connection.execute(delete(table).where(table.c.trial_id.in_(chosen)))
        for table in (trials, *tables.of_study, tables.studies):
            connection.execute(delete(table).where(table.c.study_id == self.study_id))
        forget_studies(connection, [self.study_id])


def new_trial_row(study_id: int, trial: FrozenTrial) -> Row:
    """The row of `trials` for a trial without its id."""
    return {
        "study_id": study_id,
        "number": trial.number,
        "state": trial.state,
        "datetime_start": encode_time(trial.datetime_start),
        "datetime_complete": encode_time(trial.datetime_complete),
    }


def state_row(trial_id: int, state: TrialState, times: Row) -> Row:
    """What `change_state` takes for one trial."""
    return {**times, "key": trial_id, "to": state}


def insert_row(connection: Connection, table: Table, row: Row, key: int | None) -> int:
    """The key of the new row: the given one, or the next of the table."""
    if key is None and connection.dialect.name == "sqlite":
        key = run(connection, insertion(table), row).lastrowid
        assert key is not None
        return key
    if key is None:
        inserted = connection.execute(insertion(table), row).inserted_primary_key
        assert inserted is not None
        return int(inserted[0])
    run(connection, insertion(table), {**row, _key_of(table): key})
    if connection.dialect.name == "postgresql":
        _pass_by(connection, table, key)
    return key


def _refuse_taken(connection: Connection, study_id: int, number: int) -> None:
    trials = optuna_schema().trials
    taken = select(func.count()).where(trials.c.study_id == study_id, trials.c.number >= number)
    if connection.execute(taken).scalar():
        raise StorageError(
            f"trial {number}: another process took the number while the connection was lost; "
            "run the step again"
        )


def _pass_by(connection: Connection, table: Table, key: int) -> None:
    """The sequence is beyond `key`; a crash of the server may have set it back."""
    names = {"table": table.name, "column": _key_of(table), "n": 1}
    while int(connection.execute(_NEXT_KEYS, names).scalar_one()) < key:
        pass


def _key_of(table: Table) -> str:
    return next(iter(table.primary_key.columns)).name


# Building a statement takes longer than running it on SQLite, so those of every trial are kept.


@functools.cache
def _lock() -> Select[tuple[int]]:
    studies = optuna_schema().studies
    return (
        select(studies.c.study_id).where(studies.c.study_id == bindparam("key")).with_for_update()
    )


@functools.cache
def _next_key(table: Table) -> Select[Any]:
    column = next(iter(table.primary_key.columns))
    if table.dialect_options["sqlite"]["autoincrement"]:
        # Such a key is never given twice, even after its row was deleted.
        sequence = table_named("sqlite_sequence", column_named("name"), column_named("seq"))
        return select(sequence.c.seq + 1).where(sequence.c.name == table.name)
    return select(func.max(column) + 1)


@functools.cache
def change_state(*, from_waiting_only: bool) -> Update:
    """Gives unfinished trials, or only waiting ones, the state and times of a `state_row`."""
    trials = optuna_schema().trials
    allowed = trials.c.state == TrialState.WAITING
    if not from_waiting_only:
        allowed |= trials.c.state == TrialState.RUNNING
    return (
        update(trials)
        .where(trials.c.trial_id == bindparam("key"), allowed)
        .values(
            state=bindparam("to"),
            datetime_start=bindparam("datetime_start"),
            datetime_complete=bindparam("datetime_complete"),
        )
    )
