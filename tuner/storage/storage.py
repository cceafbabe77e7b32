"""Hides the study database behind Optuna's storage contract: reads memory, writes in groups."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import select

from tuner.errors import StorageError
from tuner.storage import rows
from tuner.storage.engine import Database
from tuner.storage.lifetime import follow
from tuner.storage.mirror import Mirror, MirroredStudy
from tuner.storage.new_rows import add_trial
from tuner.storage.opened import OpenedStudies
from tuner.storage.reading import FrozenStudy, read_studies
from tuner.storage.records import Records
from tuner.storage.schema import NO_STUDY, prepare
from tuner.storage.statements import (
    DeleteStudy,
    InsertStudy,
    new_trial_row,
    unique_name,
)
from tuner.storage.states import set_state
from tuner.storage.tables import optuna_schema, units
from tuner.storage.transactions import Transactions

REFRESH_INTERVAL_S = 1.0
"""What other processes did is seen at the first read after this time."""


class Storage(BaseStorage):
    """Optuna's storage contract over one database; use `open_storage` to get one.

    The trials of a study are read once and then kept in memory. States, new trials, studies
    and their attributes are in the database when the call returns; parameters, intermediate
    values and attributes of trials within `flush_interval_s`, and never later than the end of
    their trial. What other processes write is seen within two seconds.

    Args:
        database: Its tables are there.
        flush_interval_s: Longest time that a value waits, in seconds.
        refresh_interval_s: Shortest time between two looks for what others wrote, in seconds.
        clock: Monotonic seconds.

    Attributes:
        records: Our own tables.
    """

    def __init__(
        self,
        database: Database,
        *,
        flush_interval_s: float = 1.0,
        refresh_interval_s: float = REFRESH_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._flush_interval_s = flush_interval_s
        self._refresh_interval_s = refresh_interval_s
        self._tables = optuna_schema()
        self._mirror = Mirror()
        self._transactions = Transactions(database, self._mirror, flush_interval_s)
        self._opened = OpenedStudies(self._transactions, refresh_interval_s, clock)
        self.records = Records(self._transactions, self._opened.known_study, self._opened.trial)
        weakref.finalize(self, database.engine.dispose)
        follow(self._transactions)

    def __repr__(self) -> str:
        return f"Storage({self._database.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        """How to open the same database again; memory is not carried along."""
        self.flush()
        return {
            "url": self._database.url,
            "read_only": self._database.read_only,
            "intervals": (self._flush_interval_s, self._refresh_interval_s),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        flush_interval_s, refresh_interval_s = state["intervals"]
        self.__init__(  # type: ignore[misc]  # connects anew, with locks and threads of its own
            Database(state["url"], read_only=state["read_only"]),
            flush_interval_s=flush_interval_s,
            refresh_interval_s=refresh_interval_s,
        )

    @contextmanager
    def unit(self, unit_id: str | None = None) -> Iterator[None]:
        """All that the block writes is committed at its end, or, when it raises, none of it.

        Memory is then as before, too. Other threads wait meanwhile; units do not nest.

        Args:
            unit_id: Recorded in the same transaction for each study written to, so that
                `has_unit` recognises a repeat after a lost acknowledgement.

        Raises:
            StorageError: The commit failed, also on a second connection, or the id was used.
        """
        self._opened.refresh_all()
        with self._transactions.unit(unit_id, is_long=True):
            yield

    def has_unit(self, study_id: int, unit_id: str) -> bool:
        """Whether a unit of this id was committed for the study."""
        found = select(units.c.unit_id).where(
            units.c.study_id.in_((study_id, NO_STUDY)), units.c.unit_id == unit_id
        )
        return self._transactions.query(
            lambda connection: connection.execute(found).first() is not None, fresh=False
        )

    def flush(self) -> None:
        """Everything written so far is in the database, except by a unit that is open."""
        self._transactions.flush()

    def close(self) -> None:
        """Everything is in the database and no connection or thread is left."""
        self._transactions.close()

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """The id of a new study."""
        name = unique_name() if study_name is None else rows.check_name("study", study_name)
        with self._transactions.transaction() as unit:
            study_id = unit.run(InsertStudy(name, list(directions)))
            unit.study_ids.add(study_id)
            unit.locked.add(study_id)
            self._opened.add(MirroredStudy(study_id, name, list(directions)))
        return study_id

    def delete_study(self, study_id: int) -> None:
        """Nothing is left of the study, in our tables neither."""
        with self._transactions.transaction() as unit:
            unit.settle()
            unit.run(DeleteStudy(study_id))
            unit.study_ids.discard(study_id)
            self._mirror.drop_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """The study has the user's attribute, durably."""
        self._set_study_attribute(study_id, "user_attrs", key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """The study has Optuna's attribute, durably."""
        self._set_study_attribute(study_id, "system_attrs", key, value)

    def get_study_id_from_name(self, study_name: str) -> int:
        """The id of the study with the name."""
        studies = self._tables.studies
        statement = select(studies.c.study_id).where(studies.c.study_name == study_name)
        found = self._transactions.query(lambda connection: connection.execute(statement).scalar())
        if found is None:
            raise KeyError(f"No study with name {study_name!r} exists.")
        return int(found)

    def get_study_name_from_id(self, study_id: int) -> str:
        """The name of the study."""
        with self._transactions.lock:
            return self._opened.study(study_id).name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """The directions of the study, in order of its objectives."""
        with self._transactions.lock:
            return self._opened.study(study_id).directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """The user's attributes of the study; later writes do not change the mapping."""
        with self._transactions.lock:
            return self._opened.study(study_id).user_attrs

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Optuna's attributes of the study; later writes do not change the mapping."""
        with self._transactions.lock:
            return self._opened.study(study_id).system_attrs

    def get_all_studies(self) -> list[FrozenStudy]:
        """All studies in order of their ids."""
        return self._transactions.query(read_studies)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """The id of a new trial; its number is the count of those before it, whoever adds them."""
        with self._transactions.transaction() as unit:
            study = self._opened.known_study(study_id)
            self._opened.lock_study(unit, study)
            if template_trial is not None:
                rows.check_template(template_trial)
            trial = rows.new_trial(-1, len(study.trials), template_trial, datetime.now())
            trial_id = add_trial(unit, new_trial_row(study_id, trial))
            unit.known.add(trial_id)
            trial = rows.new_trial(trial_id, trial.number, trial, datetime.now())
            if template_trial is not None:
                for table, row in rows.template_rows(self._tables, trial_id, trial):
                    self._transactions.stage(table, row)
            self._mirror.put_trial(study, trial)
            if trial.state == TrialState.RUNNING:
                study.ours.add(trial_id)
        return trial_id

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """The trial has the parameter, given in its internal representation."""
        self.set_trial_params(trial_id, {param_name: (param_value_internal, distribution)})

    def set_trial_params(
        self, trial_id: int, params: Mapping[str, tuple[float, BaseDistribution]]
    ) -> None:
        """The trial has the parameters, each given in its internal representation."""
        with self._transactions.lock:
            study, trial = self._open_trial(trial_id)
            changed = rows.revise(trial)
            changed.params, changed.distributions = {**trial.params}, {**trial.distributions}
            written = []
            for name, (value, distribution) in params.items():
                known = study.distributions.get(name)
                if known is not None and known is not distribution:
                    check_distribution_compatibility(known, distribution)
                    # Whatever agrees with the one agrees with the other.
                    study.distributions[name] = distribution
                rows.check_name("parameter", name)
                written.append(rows.param_row(trial_id, name, value, distribution))
                changed.params[name] = distribution.to_external_repr(value)
                changed.distributions[name] = distribution
            for row in written:
                self._transactions.stage(self._tables.trial_params, row)
            self._mirror.put_trial(study, changed)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """The trial has the state and values, durably; False if another made it RUNNING."""
        if values is not None and any(math.isnan(value) for value in values):
            raise ValueError(f"trial with id {trial_id}: values must not be NaN, got {values}")
        with self._transactions.transaction() as unit:
            study, trial = self._open_trial(trial_id)
            if state == TrialState.RUNNING and trial.state != TrialState.WAITING:
                return False
            changed = rows.with_state(trial, state, values)
            if not set_state(unit, study, changed):
                return False
            for objective, value in enumerate(values or ()):
                row = rows.value_row(trial_id, objective, value)
                self._transactions.stage(self._tables.trial_values, row)
            self._mirror.put_trial(study, changed)
            if state == TrialState.RUNNING:
                study.ours.add(trial_id)
        return True

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """The trial has the value at the step, in place of a former one."""
        step = rows.check_step(step, self._database.dialect)
        with self._transactions.lock:
            study, trial = self._open_trial(trial_id)
            row = rows.intermediate_row(trial_id, step, intermediate_value)
            self._transactions.stage(self._tables.trial_intermediate_values, row)
            changed = rows.revise(trial)
            changed.intermediate_values = {**trial.intermediate_values, step: intermediate_value}
            self._mirror.put_trial(study, changed)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """The trial has the user's attribute."""
        text, stored = rows.encode_attribute(value)
        with self._transactions.lock:
            study, trial = self._open_trial(trial_id)
            row = rows.attribute_row(trial_id, rows.check_name("attribute", key), text)
            self._transactions.stage(self._tables.trial_user_attributes, row)
            changed = rows.revise(trial)
            changed.user_attrs = {**trial.user_attrs, key: stored}
            self._mirror.put_trial(study, changed)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """The trial has Optuna's attribute."""
        text, stored = rows.encode_attribute(value)
        with self._transactions.lock:
            study, trial = self._open_trial(trial_id)
            row = rows.attribute_row(trial_id, rows.check_name("attribute", key), text)
            self._transactions.stage(self._tables.trial_system_attributes, row)
            changed = rows.revise(trial)
            changed.system_attrs = {**trial.system_attrs, key: stored}
            self._mirror.put_trial(study, changed)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial as it is now; later writes do not change the returned object."""
        with self._transactions.lock:
            return self._opened.trial(trial_id)[1]

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """The key of the trial with the number."""
        with self._transactions.lock:
            trials = self._opened.study(study_id).trials
            if 0 <= trial_number < len(trials) and trials[trial_number].number == trial_number:
                return rows.trial_id_of(trials[trial_number])
            for trial in trials:
                if trial.number == trial_number:
                    return rows.trial_id_of(trial)
        raise KeyError(f"No trial with number {trial_number} exists in study {study_id}.")

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """A new list of the study's trials in order of their numbers; no SQL in most calls."""
        with self._transactions.lock:
            trials = self._opened.study(study_id).select(states)
        return [rows.copy_trial(trial) for trial in trials] if deepcopy else trials

    def _set_study_attribute(
        self, study_id: int, kind: Literal["user_attrs", "system_attrs"], key: str, value: Any
    ) -> None:
        text, stored = rows.encode_attribute(value)
        row = {"study_id": study_id, "key": rows.check_name("attribute", key), "value_json": text}
        tables = self._tables
        is_user = kind == "user_attrs"
        table = tables.study_user_attributes if is_user else tables.study_system_attributes
        with self._transactions.transaction() as unit:
            study = self._opened.known_study(study_id)
            self._opened.lock_study(unit, study)
            self._transactions.stage(table, row)
            self._mirror.put_attributes(study, kind, {**getattr(study, kind), key: stored})

    def _open_trial(self, trial_id: int) -> tuple[MirroredStudy, FrozenTrial]:
        """The trial, which must not be finished, and its study."""
        study, trial = self._opened.trial(trial_id)
        if trial.state.is_finished():
            raise UpdateFinishedTrialError(
                f"Trial#{trial.number} has already finished and can not be updated."
            )
        if self._transactions.in_unit:
            self._transactions.touch(study.study_id)
        return study, trial


def open_storage(url: str, *, flush_interval_s: float = 1.0, read_only: bool = False) -> Storage:
    """The study database at `url`, ready for Optuna; its tables are created if it is empty.

    Args:
        url: `sqlite:///file.db`, `postgresql://user@host/database` or `mysql://...`. For SQLite
            `?timeout=5` sets how many seconds to wait while others write (30).
        flush_interval_s: Longest time that an intermediate value, parameter or attribute of a
            trial waits to be written, in seconds.
        read_only: Nothing is written, not even tables.

    Raises:
        StorageError: Unreachable, locked, read-only, damaged, of a newer or older schema, or
            another program's; one line that names the database and says what to do.
    """
    database = Database(url, read_only=read_only)
    try:
        prepare(database)
    except StorageError:
        database.dispose()
        raise
    return Storage(database, flush_interval_s=flush_interval_s)
