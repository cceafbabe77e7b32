"""Hides how studies get from the database into memory, whole at first and then only what is new."""

from __future__ import annotations

import functools

from optuna.study._frozen import FrozenStudy  # what the contract returns, without a public name
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, Select, bindparam, select, true

from tuner.storage.kept import run
from tuner.storage.mirror import MirroredStudy
from tuner.storage.rows import read_attributes, read_directions, read_trials, trial_id_of
from tuner.storage.tables import optuna_schema
from tuner.storage.writes import chunks

__all__ = ["Changes", "FrozenStudy", "load_study", "new_trials", "read_studies", "study_of_trial"]


def load_study(connection: Connection, study_id: int) -> MirroredStudy | None:
    """The study with all its trials, or None if there is no such study."""
    tables = optuna_schema()
    name = _name(connection, study_id)
    if name is None:
        return None
    directions = read_directions(connection, tables, tables.study_directions.c.study_id == study_id)
    study = MirroredStudy(study_id, name, directions[study_id])
    study.user_attrs, study.system_attrs = _attributes(connection, study_id)
    for position, trial in enumerate(_trials(connection, tables.trials.c.study_id == study_id)):
        trial_id = trial_id_of(trial)
        study.trials.append(trial)
        study.positions[trial_id] = position
        if trial.state == TrialState.WAITING:
            study.waiting.add(trial_id)
        elif trial.state == TrialState.RUNNING:
            study.running.add(trial_id)
        for parameter, distribution in trial.distributions.items():
            study.distributions.setdefault(parameter, distribution)
    return study


class Changes:
    """What other processes did to a study since it was last read.

    Attributes:
        is_gone: The study is not there any more, or is another one of the same id.
        user_attrs: As they are now.
        system_attrs: As they are now.
        trials: New or changed ones, in order of their keys.
    """

    def __init__(self, connection: Connection, study: MirroredStudy) -> None:
        self.trials: list[FrozenTrial] = []
        self.is_gone = _name(connection, study.study_id) != study.name
        if self.is_gone:
            return
        self.user_attrs, self.system_attrs = _attributes(connection, study.study_id)
        known = study.waiting | study.running
        if study.trials:
            known = known | {study.last_trial_id}
        states = _states(connection, sorted(known))
        self.is_gone = len(states) < len(known)
        changed = sorted(key for key, state in states.items() if _must_read(study, key, state))
        trials = optuna_schema().trials
        for part in chunks(changed):
            self.trials += _trials(connection, trials.c.trial_id.in_(part))
        self.trials += new_trials(connection, study)


def new_trials(connection: Connection, study: MirroredStudy) -> list[FrozenTrial]:
    """Trials of the study that were added after the last one that is known."""
    where = {"study": study.study_id, "last": study.last_trial_id}
    # Nearly always there are none, and every new trial asks.
    if run(connection, _any_newer(), where).fetchone() is None:
        return []
    trials = optuna_schema().trials
    newer = (trials.c.study_id == study.study_id) & (trials.c.trial_id > study.last_trial_id)
    return _trials(connection, newer)


def study_of_trial(connection: Connection, trial_id: int) -> int | None:
    """The id of the study that has the trial, or None."""
    trials = optuna_schema().trials
    return connection.execute(
        select(trials.c.study_id).where(trials.c.trial_id == trial_id)
    ).scalar()


def read_studies(connection: Connection) -> list[FrozenStudy]:
    """All studies, in order of their ids."""
    tables = optuna_schema()
    everything = true()
    directions = read_directions(connection, tables, everything)
    user = read_attributes(connection, tables.study_user_attributes, everything)
    system = read_attributes(connection, tables.study_system_attributes, everything)
    studies = tables.studies
    return [
        FrozenStudy(
            study_name=row.study_name,
            direction=None,
            directions=directions[row.study_id],
            user_attrs=user[row.study_id],
            system_attrs=system[row.study_id],
            study_id=row.study_id,
        )
        for row in connection.execute(select(studies).order_by(studies.c.study_id))
    ]


def _must_read(study: MirroredStudy, trial_id: int, state: TrialState) -> bool:
    if state != study.trials[study.positions[trial_id]].state:
        return True
    return state == TrialState.RUNNING and trial_id not in study.ours


def _name(connection: Connection, study_id: int) -> str | None:
    studies = optuna_schema().studies
    return connection.execute(
        select(studies.c.study_name).where(studies.c.study_id == study_id)
    ).scalar()


def _attributes(
    connection: Connection, study_id: int
) -> tuple[dict[str, object], dict[str, object]]:
    tables = optuna_schema()
    user, system = (
        read_attributes(connection, table, table.c.study_id == study_id)
        for table in (tables.study_user_attributes, tables.study_system_attributes)
    )
    return user[study_id], system[study_id]


def _trials(connection: Connection, which: ColumnElement[bool]) -> list[FrozenTrial]:
    return read_trials(connection, optuna_schema(), which)


def _states(connection: Connection, trial_ids: list[int]) -> dict[int, TrialState]:
    trials = optuna_schema().trials
    found: dict[int, TrialState] = {}
    for part in chunks(trial_ids):
        statement = select(trials.c.trial_id, trials.c.state).where(trials.c.trial_id.in_(part))
        found.update((row.trial_id, row.state) for row in connection.execute(statement))
    return found


@functools.cache
def _any_newer() -> Select[tuple[int]]:
    trials = optuna_schema().trials
    newer = trials.c.trial_id > bindparam("last")
    return select(trials.c.trial_id).where(trials.c.study_id == bindparam("study"), newer).limit(1)
