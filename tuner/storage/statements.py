"""Hides the statements that must be safe against other processes: ids, numbers, claims, ends."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import (
    Connection,
    Insert,
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
from sqlalchemy.exc import IntegrityError

from tuner.errors import StorageError
from tuner.storage.rows import Row, encode_time
from tuner.storage.schema import forget_studies
from tuner.storage.tables import optuna_schema

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
        if connection.execute(_lock(), {"key": self.study_id}).first() is None:
            raise KeyError(f"No study with study_id {self.study_id} exists.")


@dataclass
class InsertTrial:
    """A new trial; its id and number are the same when repeated, or the repetition fails."""

    row: Row
    trial_id: int | None = None

    def __call__(self, connection: Connection) -> int:
        """The id of the trial."""
        trials = optuna_schema().trials
        if self.trial_id is not None:
            taken = select(func.count()).where(
                trials.c.study_id == self.row["study_id"], trials.c.number >= self.row["number"]
            )
            if connection.execute(taken).scalar():
                raise StorageError(
                    f"trial {self.row['number']}: another process took the number while the "
                    "connection was lost; run the step again"
                )
        self.trial_id = insert_row(connection, trials, self.row, self.trial_id)
        return self.trial_id


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
        change = _change_state(self.state == TrialState.RUNNING)
        row = {**self.row, "key": self.trial_id, "to": self.state}
        if connection.execute(change, row).rowcount == 1:
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


def insert_row(connection: Connection, table: Table, row: Row, key: int | None) -> int:
    """The key of the new row: the given one, or the next of the table."""
    column = next(iter(table.primary_key.columns))
    if key is None:
        inserted = connection.execute(_insert(table), row).inserted_primary_key
        assert inserted is not None
        return int(inserted[0])
    connection.execute(_insert(table), {**row, column.name: key})
    if connection.dialect.name == "postgresql":
        # A crash of the server may have set the sequence back to before this key.
        sequence = text("SELECT nextval(pg_get_serial_sequence(:table, :column))")
        names = {"table": table.name, "column": column.name}
        while int(connection.execute(sequence, names).scalar_one()) < key:
            pass
    return key


# Building a statement takes longer than running it on SQLite, so those of every trial are kept.


@functools.cache
def _lock() -> Select[tuple[int]]:
    studies = optuna_schema().studies
    return (
        select(studies.c.study_id).where(studies.c.study_id == bindparam("key")).with_for_update()
    )


@functools.cache
def _insert(table: Table) -> Insert:
    return insert(table)


@functools.cache
def _change_state(from_waiting_only: bool) -> Update:
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
