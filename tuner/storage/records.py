"""Hides our own tables: what a study is, who runs it, and what became of each attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from optuna.trial import FrozenTrial
from sqlalchemy import bindparam, delete, func, select, update

from tuner.storage import tables
from tuner.storage.activity import from_row, to_row
from tuner.storage.mirror import MirroredStudy
from tuner.storage.new_rows import add_rows
from tuner.storage.owner import Owner
from tuner.storage.rows import decode_value, encode_value, storable
from tuner.storage.study_records import StudyRecords
from tuner.storage.tables import optuna_schema
from tuner.storage.transactions import Transactions
from tuner.stretch import Stretch

__all__ = ["Attempt", "Decision", "Metric", "NewAttempt", "Owner", "Records"]

MOVED_VALUE = "intermediate_value"
"""The metric that holds intermediate values of a lost attempt."""

_END = (
    update(tables.attempts)
    .where(tables.attempts.c.token == bindparam("of"), tables.attempts.c.outcome.is_(None))
    .values({name: bindparam(name) for name in ("outcome", "reason", "error", "ended_at")})
)
_CHECKPOINT = (
    update(tables.attempts)
    .where(tables.attempts.c.token == bindparam("of"))
    .values({name: bindparam(name) for name in ("checkpoint_epoch", "checkpoint_path")})
)


@dataclass(frozen=True)
class NewAttempt:
    """A try at a trial that begins.

    Attributes:
        attempt: Counts the tries at the trial from 1.
        predecessor: Token of the try before it.
        lane: Where it runs; None for a process that is no lane.
        started_at: The present by default.
        start_epoch: Epochs done in the checkpoint it starts from.
    """

    study_id: int
    trial_id: int
    attempt: int
    predecessor: int | None = None
    lane: int | None = None
    node: str | None = None
    pid: int | None = None
    device: str | None = None
    started_at: datetime | None = None
    start_epoch: int = 0


@dataclass(frozen=True)
class Attempt:
    """A try at a trial, as recorded.

    Attributes:
        token: Names it, in messages and for ever.
        outcome: `complete`, `pruned`, `failed`, `lost`, `interrupted`; None while it lives.
        reason: Why it ended so.
        error: A traceback, if there was one.
        checkpoint_epoch: Epochs done in `checkpoint_path`.
    """

    token: int
    study_id: int
    trial_id: int
    attempt: int
    predecessor: int | None
    lane: int | None
    node: str | None
    pid: int | None
    device: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    reason: str | None
    error: str | None
    start_epoch: int
    checkpoint_epoch: int | None
    checkpoint_path: str | None


@dataclass(frozen=True)
class Decision:
    """What was decided about a trial, and why.

    Attributes:
        token: The attempt it concerns.
        step: The epoch it was taken at, where there is one.
        action: `kept`, `pruned`, `retried`, ...
        rung: Of the pruner, where it has rungs.
    """

    study_id: int
    trial_id: int
    token: int
    step: int | None
    action: str
    rung: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Metric:
    """A figure that an attempt measured at a step."""

    trial_id: int
    token: int
    step: int
    name: str
    value: float


class Records(StudyRecords):
    """Our tables, by plain methods.

    Writes within `Storage.unit` belong to it; others are committed when the call returns. Reads
    see all that this process wrote.

    Args:
        transactions: The storage's.
        study: Opens a study by id; raises KeyError.
        trial: Finds a trial and its study; raises KeyError.
    """

    def __init__(
        self,
        transactions: Transactions,
        study: Callable[[int], MirroredStudy],
        trial: Callable[[int], tuple[MirroredStudy, FrozenTrial]],
    ) -> None:
        super().__init__(transactions, study)
        self._trial = trial

    def n_objectives(self, trial_id: int) -> int:
        """How many values the study of the trial wants; raises KeyError without the trial."""
        with self._transactions.lock:
            return len(self._trial(trial_id)[0].directions)

    def start_attempts(self, new: Sequence[NewAttempt]) -> list[int]:
        """Their tokens, in the same order."""
        now = datetime.now(UTC)
        with self._transactions.transaction() as unit:
            unit.study_ids.update(attempt.study_id for attempt in new)
            rows = [{**vars(attempt), "started_at": attempt.started_at or now} for attempt in new]
            return add_rows(unit, tables.attempts, rows)

    def end_attempts(
        self,
        ended: Iterable[tuple[int, str, str | None, str | None]],
        at: datetime | None = None,
    ) -> None:
        """Each attempt of (token, outcome, reason, error) has its outcome, unless it has one."""
        at = at or datetime.now(UTC)
        with self._transactions.transaction():
            for token, outcome, reason, error in ended:
                row = {"of": token, "outcome": outcome, "reason": reason}
                row["error"] = None if error is None else storable(error)
                self._transactions.stage_statement(_END, {**row, "ended_at": at})

    def set_checkpoints(self, saved: Iterable[tuple[int, int, str]]) -> None:
        """Each attempt of (token, epoch, path) has the checkpoint, in place of a former one."""
        with self._transactions.transaction():
            for token, epoch, path in saved:
                row = {"of": token, "checkpoint_epoch": epoch, "checkpoint_path": path}
                self._transactions.stage_statement(_CHECKPOINT, row)

    def attempts(self, study_id: int, live_only: bool = False) -> list[Attempt]:
        """The study's attempts in order of their tokens; those without an outcome if asked."""
        table = tables.attempts
        which = table.c.study_id == study_id
        if live_only:
            which &= table.c.outcome.is_(None)
        return [Attempt(**row) for row in self._select(table, which, table.c.token)]

    def add_decisions(self, decisions: Iterable[Decision]) -> None:
        """The decisions are recorded, in this order."""
        with self._transactions.transaction() as unit:
            for decision in decisions:
                unit.study_ids.add(decision.study_id)
                unit.staged.insert(tables.decisions, dict(vars(decision)))

    def decisions(self, study_id: int) -> list[Decision]:
        """The study's decisions in the order they were taken."""
        table = tables.decisions
        found = self._select(table, table.c.study_id == study_id, table.c.id)
        return [Decision(**{k: v for k, v in row.items() if k != "id"}) for row in found]

    def add_activity(self, stretches: Iterable[Stretch]) -> None:
        """What lanes did is recorded."""
        with self._transactions.transaction() as unit:
            for stretch in stretches:
                unit.study_ids.add(stretch.study_id)
                unit.staged.insert(tables.activity, to_row(stretch))

    def activity(self, study_id: int) -> list[Stretch]:
        """What the study's lanes did, in order of time."""
        table = tables.activity
        found = self._select(table, table.c.study_id == study_id, table.c.began_at, table.c.id)
        return [from_row(row) for row in found]

    def add_metrics(self, measured: Iterable[tuple[int, int, int, Mapping[str, float]]]) -> None:
        """Each (trial id, token, step, figures by name) is recorded; a repeated one replaces."""
        with self._transactions.transaction() as unit:
            for trial_id, token, step, figures in measured:
                study_id = self._trial(trial_id)[0].study_id
                unit.study_ids.add(study_id)
                for name, value in figures.items():
                    row = _metric_row(study_id, trial_id, token, step, name, float(value))
                    self._transactions.stage(tables.metrics, row)

    def metrics(self, study_id: int, trial_id: int | None = None) -> list[Metric]:
        """Figures of the study, or of one trial, in order of attempt and step."""
        table = tables.metrics
        which = table.c.study_id == study_id
        if trial_id is not None:
            which &= table.c.trial_id == trial_id
        found = self._select(table, which, table.c.token, table.c.step, table.c.name)
        return [Metric(r["trial_id"], r["token"], r["step"], r["name"], _decode(r)) for r in found]

    def discard_values_after(self, trial_id: int, step: int) -> None:
        """The trial has no intermediate value above the step.

        They are kept as metrics `intermediate_value` of its newest attempt, which is lost.
        """
        with self._transactions.transaction() as unit:
            study, trial = self._trial(trial_id)
            moved = {s: v for s, v in trial.intermediate_values.items() if s > step}
            if not moved:
                return
            unit.study_ids.add(study.study_id)
            unit.settle()
            attempts = tables.attempts
            newest = select(func.max(attempts.c.token)).where(attempts.c.trial_id == trial_id)
            token = unit.query(lambda connection: connection.execute(newest).scalar()) or 0
            for at, value in moved.items():
                row = _metric_row(study.study_id, trial_id, token, at, MOVED_VALUE, value)
                self._transactions.stage(tables.metrics, row)
            values = optuna_schema().trial_intermediate_values
            gone = delete(values).where(values.c.trial_id == trial_id, values.c.step > step)
            unit.run(lambda connection: connection.execute(gone))
            kept = {s: v for s, v in trial.intermediate_values.items() if s <= step}
            self._transactions.mirror.put_values(study, trial, kept)


def _metric_row(
    study_id: int, trial_id: int, token: int, step: int, name: str, value: float
) -> dict[str, Any]:
    number, kind = encode_value(value)
    return {
        "token": token,
        "step": step,
        "name": name,
        "study_id": study_id,
        "trial_id": trial_id,
        "value": number,
        "kind": kind,
    }


def _decode(row: Mapping[str, Any]) -> float:
    return decode_value(row["value"], row["kind"])
