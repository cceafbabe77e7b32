"""Hides our row of each study: its spec, who runs it, and whether it was asked to stop."""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, Update, bindparam, inspect, select, update

from tuner.errors import TakenOverError
from tuner.storage import tables
from tuner.storage.kept import run
from tuner.storage.mirror import MirroredStudy
from tuner.storage.owner import Owner
from tuner.storage.ownership import ChangeStudy, Claim, RenameStudy
from tuner.storage.rows import check_name
from tuner.storage.transactions import Transactions

Spec = tuple[dict[str, Any], dict[str, Any]]
"""A study's spec and the environment it was launched in."""


class StudyRecords:
    """The part of `Records` about studies as a whole.

    Args:
        transactions: The storage's.
        study: Opens a study by id; raises KeyError.
    """

    def __init__(self, transactions: Transactions, study: Callable[[int], MirroredStudy]) -> None:
        self._transactions = transactions
        self._study = study
        self._is_missing: bool | None = None

    def put_spec(
        self, study_id: int, spec: Mapping[str, Any], environment: Mapping[str, Any]
    ) -> None:
        """The study has the spec and environment, in place of former ones."""
        columns = {
            "spec_json": json.dumps(dict(spec)),
            "environment_json": json.dumps(dict(environment)),
        }
        self._change_study(study_id, columns)

    def get_spec(self, study_id: int) -> Spec | None:
        """The study's spec and environment, or None if it was not launched by us."""
        return self._specs(tables.studies.c.study_id == study_id).get(study_id)

    def rename(self, study_id: int, name: str) -> None:
        """The study has another name and keeps all else, its key too; nobody may run it.

        Raises:
            KeyError: There is no such study.
            DuplicatedStudyError: Another study has the name.
            InputError: It is no name.
        """
        with self._transactions.transaction() as unit:
            unit.study_ids.add(study_id)
            unit.run(RenameStudy(study_id, check_name("study", name)))
            self._transactions.mirror.drop_study(study_id)

    def specs(self) -> dict[int, Spec]:
        """Spec and environment of every study that we launched, by id."""
        return self._specs(tables.studies.c.spec_json.is_not(None))

    def created_at(self, study_id: int) -> datetime | None:
        """When the study was made, or None if it was not launched by us."""
        moment: datetime | None = self._study_column(study_id, "created_at")
        return moment

    def claim(
        self, study_id: int, owner: Owner, now: float | None = None, lease_s: float = 30.0
    ) -> Owner | None:
        """None if the study is the owner's now; else the living process that has it.

        An owner whose process is gone from this host frees the study at once. From another host
        its last beat must be more than `lease_s` seconds ago. The new owner then reads the study
        as the owner before left it.

        Args:
            study_id: The study.
            owner: Who wants it.
            now: Seconds since 1970, on the clock that `beat` is told; the present by default.
            lease_s: Seconds.
        """
        now = time.time() if now is None else now
        with self._transactions.transaction() as unit:
            self._ensure_row(study_id)
            present = unit.run(Claim(study_id, owner, now, lease_s))
        if present is None:
            # What is in memory may be a second old, and an earlier owner wrote until just now.
            self._study(study_id).refreshed_at = -math.inf
            self._transactions.database.own_wal(is_owner=True)
        return present

    def beat(self, study_id: int, owner: Owner, now: float | None = None) -> bool:
        """Whether the study is still the owner's; its lease then counts from now."""
        beat = {"owner_beat": time.time() if now is None else now}
        return self._change_owned(study_id, owner, beat)

    def keep(self, study_id: int, owner: Owner) -> None:
        """The study is still the owner's, and stays so until the open unit is committed.

        Raises:
            TakenOverError: Another process has it; what the unit wrote must not be kept.
        """
        if not self.beat(study_id, owner):
            raise TakenOverError.of(self._study(study_id).name)

    def release(self, study_id: int, owner: Owner) -> bool:
        """Whether the study was the owner's; it is nobody's then."""
        nobody = {"owner_json": None, "owner_token": None, "owner_beat": None}
        is_released = self._change_owned(study_id, owner, nobody)
        if is_released:
            self._transactions.database.own_wal(is_owner=False)
        return is_released

    def owner(self, study_id: int) -> Owner | None:
        """Who has the study, alive or not."""
        text = self._study_column(study_id, "owner_json")
        return None if text is None else Owner(**json.loads(text))

    def request_stop(self, study_id: int) -> None:
        """Whoever runs the study is asked to stop."""
        self._change_study(study_id, {"stop_requested": True})

    def clear_stop(self, study_id: int) -> None:
        """Nobody is asked to stop."""
        self._change_study(study_id, {"stop_requested": False})

    def stop_requested(self, study_id: int) -> bool:
        """Whether somebody, in whatever process, asked to stop."""
        return bool(self._study_column(study_id, "stop_requested"))

    def _ensure_row(self, study_id: int) -> None:
        """Our row of the study is there; raises KeyError without the study."""
        self._change_study(study_id, {})

    def _change_study(self, study_id: int, columns: Mapping[str, Any]) -> None:
        with self._transactions.transaction() as unit:
            name = self._study(study_id).name
            unit.study_ids.add(study_id)
            unit.run(ChangeStudy(study_id, name, columns, self._transactions.database.dialect))

    def _change_owned(self, study_id: int, owner: Owner, columns: Mapping[str, Any]) -> bool:
        row = {**columns, "of": study_id, "token": owner.token}
        with self._transactions.transaction() as unit:
            unit.study_ids.add(study_id)
            change = _change_of_owned(tuple(columns))
            return unit.run(lambda connection: run(connection, change, row).rowcount == 1)

    def _study_column(self, study_id: int, name: str) -> Any:
        if self._has_no_tables():
            return None
        table = tables.studies
        statement = select(table.c[name]).where(table.c.study_id == study_id)
        return self._transactions.query(
            lambda connection: connection.execute(statement).scalar(), fresh=False
        )

    def _specs(self, which: ColumnElement[bool]) -> dict[int, Spec]:
        return {
            row["study_id"]: (json.loads(row["spec_json"]), json.loads(row["environment_json"]))
            for row in self._select(tables.studies, which, tables.studies.c.study_id)
            if row["spec_json"] is not None
        }

    def _select(
        self, table: Table, which: ColumnElement[bool], *order: ColumnElement[Any]
    ) -> list[dict[str, Any]]:
        if self._has_no_tables():
            return []
        statement = select(table).where(which).order_by(*order)
        return self._transactions.query(
            lambda connection: [dict(row) for row in connection.execute(statement).mappings()]
        )

    def _has_no_tables(self) -> bool:
        """Whether this is a database of Optuna alone, opened for reading only."""
        if self._is_missing is None:
            self._is_missing = self._transactions.database.read_only and self._transactions.query(
                lambda connection: not inspect(connection).has_table(tables.studies.name)
            )
        return self._is_missing


@functools.cache
def _change_of_owned(names: tuple[str, ...]) -> Update:
    table = tables.studies
    mine = (table.c.study_id == bindparam("of")) & (table.c.owner_token == bindparam("token"))
    return update(table).where(mine).values({name: bindparam(name) for name in names})
