"""Hides the tables of the study database: Optuna's own, and ours with the prefix `tuner_`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects import mysql

NAME_LENGTH = 512
"""Longest name of a study, parameter or attribute, as Optuna's columns have it."""

_own = MetaData()


class UtcTime(TypeDecorator[datetime]):
    """A moment, stored as UTC without a zone as Optuna does, read with the zone.

    MySQL keeps whole seconds where nothing else is said, as in Optuna's own tables.
    """

    impl = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """As stored."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """As read."""
        return None if value is None else value.replace(tzinfo=UTC)


@dataclass(frozen=True)
class OptunaSchema:
    """Optuna's tables, and the version that its `version_info` table holds."""

    metadata: MetaData
    version: int
    studies: Table
    study_directions: Table
    study_user_attributes: Table
    study_system_attributes: Table
    trials: Table
    trial_params: Table
    trial_values: Table
    trial_intermediate_values: Table
    trial_user_attributes: Table
    trial_system_attributes: Table
    trial_heartbeats: Table
    version_info: Table

    @property
    def of_trial(self) -> tuple[Table, ...]:
        """Tables whose rows belong to a trial."""
        return (
            self.trial_params,
            self.trial_values,
            self.trial_intermediate_values,
            self.trial_user_attributes,
            self.trial_system_attributes,
            self.trial_heartbeats,
        )

    @property
    def of_study(self) -> tuple[Table, ...]:
        """Tables whose rows belong to a study, except its trials."""
        return (self.study_directions, self.study_user_attributes, self.study_system_attributes)


@functools.cache
def optuna_schema() -> OptunaSchema:
    """Optuna's tables.

    The one place that touches Optuna's private module: there is no public name for its schema,
    and writing rows in groups needs the tables themselves. The contract tests read what we
    write with Optuna's own storage, so a change there is seen.
    """
    from optuna.storages._rdb import models

    metadata: MetaData = models.BaseModel.metadata
    names = [name for name in OptunaSchema.__dataclass_fields__ if name in metadata.tables]
    tables: dict[str, Any] = {name: metadata.tables[name] for name in names}
    return OptunaSchema(metadata=metadata, version=models.SCHEMA_VERSION, **tables)


def own_tables() -> MetaData:
    """Our tables, as the newest version has them."""
    return _own


version = Table(
    "tuner_version",
    _own,
    Column("version", Integer, primary_key=True, autoincrement=False),
    # With which Optuna and which revision of its schema the database was last found to agree.
    Column("optuna_version", String(64)),
    Column("optuna_revision", String(64)),
)

studies = Table(
    "tuner_studies",
    _own,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    # SQLite gives ids of deleted studies to new ones; the name tells them apart.
    Column("study_name", String(NAME_LENGTH), nullable=False),
    Column("spec_json", Text),
    Column("environment_json", Text),
    Column("owner_json", Text),
    Column("owner_token", String(64)),
    Column("owner_beat", Float(53)),
    Column("stop_requested", Boolean, nullable=False, default=False),
    Column("created_at", UtcTime, nullable=False),
)

attempts = Table(
    "tuner_attempts",
    _own,
    Column("token", Integer, primary_key=True, autoincrement=True),
    Column("study_id", Integer, nullable=False, index=True),
    Column("trial_id", Integer, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("predecessor", Integer),
    Column("lane", Integer),
    Column("node", String(255)),
    Column("pid", Integer),
    Column("device", String(255)),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("outcome", String(16)),
    Column("reason", Text),
    Column("error", Text),
    Column("start_epoch", Integer, nullable=False),
    Column("checkpoint_epoch", Integer),
    Column("checkpoint_path", Text),
    # A token is never given twice, even after its study was deleted.
    sqlite_autoincrement=True,
)

decisions = Table(
    "tuner_decisions",
    _own,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("study_id", Integer, nullable=False, index=True),
    Column("trial_id", Integer, nullable=False),
    Column("token", Integer),
    Column("step", Integer),
    Column("action", String(32), nullable=False),
    Column("rung", Integer),
    Column("reason", Text),
)

metrics = Table(
    "tuner_metrics",
    _own,
    Column("token", Integer, primary_key=True, autoincrement=False),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("name", String(255), primary_key=True),
    Column("study_id", Integer, nullable=False),
    Column("trial_id", Integer, nullable=False),
    Column("value", Float(53)),
    Column("kind", String(8), nullable=False),
    Index("ix_tuner_metrics_trial", "study_id", "trial_id"),
)

activity = Table(
    "tuner_activity",
    _own,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("study_id", Integer, nullable=False, index=True),
    Column("lane", Integer, nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("seconds", Float(53), nullable=False),
    Column("n_turns", Integer, nullable=False),
    Column("n_started", Integer, nullable=False),
    Column("was_full", Boolean, nullable=False),
    Column("row_s", Float(53), nullable=False),
    Column("slot_s", Float(53), nullable=False),
    Column("row_epochs", Integer, nullable=False),
    Column("late_epochs", Integer, nullable=False),
    Column("trained_s", Float(53), nullable=False),
    Column("waited_s", Float(53), nullable=False),
    Column("sampled_s", Float(53), nullable=False),
    Column("decided_s", Float(53), nullable=False),
    Column("stored_s", Float(53), nullable=False),
    Column("stacks_json", Text, nullable=False),
)

units = Table(
    "tuner_units",
    _own,
    Column("study_id", Integer, primary_key=True, autoincrement=False),
    Column("unit_id", String(255), primary_key=True),
    Column("serial", Integer, nullable=False, default=0),
    Column("at", UtcTime, nullable=False),
)

OF_STUDY = (studies, attempts, decisions, metrics, activity, units)
"""Our tables whose rows belong to a study."""
