"""Hides how two processes that want one study agree on who has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from optuna.exceptions import DuplicatedStudyError
from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from tuner.errors import StorageError
from tuner.storage import tables
from tuner.storage.owner import Owner
from tuner.storage.statements import LockStudy
from tuner.storage.tables import optuna_schema


@dataclass
class ChangeStudy:
    """Our row of a study has the columns; it is created when missing."""

    study_id: int
    name: str
    columns: Mapping[str, Any]
    dialect: str
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self, connection: Connection) -> None:
        """Two processes may do this at once."""
        row = {
            "study_id": self.study_id,
            "study_name": self.name,
            "created_at": self.created_at,
            "stop_requested": False,
        }
        table = tables.studies
        if self.dialect == "mysql":
            connection.execute(mysql.insert(table).prefix_with("IGNORE").values(row))
        else:
            new = sqlite.insert if self.dialect == "sqlite" else postgresql.insert
            connection.execute(new(table).values(row).on_conflict_do_nothing())
        if self.columns:
            change = update(table).where(table.c.study_id == self.study_id)
            connection.execute(change.values(dict(self.columns)))


@dataclass(frozen=True)
class RenameStudy:
    """A study has another name, in Optuna's table and in ours, and in its spec."""

    study_id: int
    name: str

    def __call__(self, connection: Connection) -> None:
        """Raises KeyError without the study, DuplicatedStudyError if another has the name."""
        LockStudy(self.study_id)(connection)
        studies = optuna_schema().studies
        taken = select(studies.c.study_id).where(
            studies.c.study_name == self.name, studies.c.study_id != self.study_id
        )
        if connection.execute(taken).first() is not None:
            raise DuplicatedStudyError(f"study {self.name!r}: exists already")
        change = update(studies).where(studies.c.study_id == self.study_id)
        try:
            connection.execute(change.values(study_name=self.name))
        except IntegrityError as error:
            raise DuplicatedStudyError(f"study {self.name!r}: exists already") from error
        own = tables.studies
        text = connection.execute(
            select(own.c.spec_json).where(own.c.study_id == self.study_id)
        ).scalar()
        spec = None if text is None else json.dumps(json.loads(text) | {"study": self.name})
        renamed = update(own).where(own.c.study_id == self.study_id)
        connection.execute(renamed.values(study_name=self.name, spec_json=spec))


@dataclass
class Claim:
    """The study's row, which exists, gets the owner, if nobody alive has it."""

    study_id: int
    owner: Owner
    now: float
    lease_s: float
    answers: list[Owner | None] = field(default_factory=list)

    def __call__(self, connection: Connection) -> Owner | None:
        """The living owner, or None if it is the new one."""
        table = tables.studies
        mine = table.c.study_id == self.study_id
        row = connection.execute(select(table).where(mine).with_for_update()).one()
        present = None if row.owner_json is None else Owner(**json.loads(row.owner_json))
        answer = present if self._is_held(present, row.owner_beat) else None
        if answer is None:
            columns = {
                "owner_json": json.dumps(asdict(self.owner)),
                "owner_token": self.owner.token,
                "owner_beat": self.now,
            }
            connection.execute(update(table).where(mine).values(columns))
        self.answers.append(answer)
        if answer != self.answers[0]:
            raise StorageError(
                f"study {row.study_name!r}: its owner changed while the connection was lost; "
                "run the command again"
            )
        return answer

    def _is_held(self, present: Owner | None, beat: float | None) -> bool:
        if present is None or present.token == self.owner.token:
            return False
        if present.is_on_host_of(self.owner):
            return not present.is_dead_for(self.owner)
        return self.now - (beat or 0.0) <= self.lease_s
