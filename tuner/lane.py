"""The loop that trains: exchange, evict, admit, advance every cohort, until the ledger is done.

Written once and without Ray: inline it runs in the caller's process, on Ray in a worker's.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from trials.contract import Progress, Row
from trials.state_file import best_beside, read_state, write_state
from tuner.messages import (
    Answer,
    Assignment,
    Failure,
    LaneInfo,
    Report,
    Saved,
    Turn,
    Verdict,
    Welcome,
)

if TYPE_CHECKING:
    from trials.contract import Cohort, Direction, RowState, Trainer

WAIT_S = 0.2
"""Pause of a lane that has nothing to train before it asks again."""

_TRAINING_ERRORS = (RuntimeError, MemoryError, ArithmeticError, ValueError, LookupError)
"""What a step or a set-up of rows may raise; anything else is a defect of the lane."""

_log = logging.getLogger(__name__)


class Pending(Protocol):
    """An answer on its way."""

    def result(self) -> Answer:
        """The answer; waits for it."""


class Connection(Protocol):
    """A lane's way to the ledger."""

    def join(self, info: LaneInfo) -> Welcome:
        """Makes the lane known; attempts of an earlier life of it are given up."""

    def exchange(self, turn: Turn) -> Pending:
        """Sends a turn; its answer arrives while the next turn trains."""

    def call(self, method: str, *arguments: Any) -> Any:
        """Runs a method of the ledger's desk for function objectives and returns its result."""


@dataclass(frozen=True)
class Keeping:
    """What the lane must know to keep the right weights and checkpoints of its rows.

    Attributes:
        folder: Where checkpoints go, one or two files a trial.
        every_s: Seconds between checkpoints of all rows.
        best_of: The objective whose best epoch is the trial's value, or None when its last is.
    """

    folder: Path
    every_s: float
    best_of: tuple[str, Direction] | None = None


@dataclass
class _Hosted:
    """A row of this lane: where it trains and how far it is."""

    assignment: Assignment
    home: Hashable
    epoch: int
    best: float | None = None


class Lane:
    """Trials of one trainer, in as many cohorts as they have structures.

    The answer to turn t is applied after turn t+1 has trained, waiting if it is late. So rows
    train while the ledger thinks, and the history does not depend on how fast it answers.
    """

    def __init__(
        self,
        info: LaneInfo,
        trainer: Trainer,
        connection: Connection,
        keeping: Keeping,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.info = info
        self._trainer = trainer
        self._connection = connection
        self._keeping = keeping
        self._clock = clock
        self._sleep = sleep
        self._cohorts: dict[Hashable, Cohort] = {}
        self._rows: dict[int, _Hosted] = {}
        self._kept: dict[int, RowState] = {}
        self._failures: list[Failure] = []
        self._saved: list[Saved] = []
        self._index = 0
        self._checkpointed = clock()
        self._pending: Pending | None = None

    def run(self) -> None:
        """Trains until the ledger says that nothing is left."""
        self.start()
        while self.turn():
            pass

    def start(self) -> None:
        """Joins, and brings the rows that an earlier life of the lane left up to date."""
        welcome = self._connection.join(self.info)
        self._admit(welcome.rows)
        self._pending = Ready(welcome.answer)

    def turn(self) -> bool:
        """One turn of training and one exchange; False once the lane has ended."""
        assert self._pending is not None
        started = self._clock()
        reports = self._advance()
        seconds = self._clock() - started
        answer = self._pending.result()
        stopped = {verdict.token for verdict in answer.verdicts}
        reports = [report for report in reports if report.token not in stopped]
        self._apply(answer)
        if answer.state == "done":
            return False
        leaving = answer.state == "save"
        if leaving or self._clock() - self._checkpointed >= self._keeping.every_s:
            self._checkpoint()
        if answer.state == "wait" and not self._rows:
            self._sleep(WAIT_S)
        self._pending = self._send(reports, seconds, leaving=leaving)
        if leaving:
            for verdict in self._pending.result().verdicts:
                self._end(verdict)
        return not leaving

    def _send(self, reports: list[Report], seconds: float, *, leaving: bool) -> Pending:
        self._index += 1
        ending = sum(row.epoch + 1 >= row.assignment.epochs for row in self._rows.values())
        turn = Turn(
            lane=self.info.lane,
            session=self.info.session,
            index=self._index,
            reports=tuple(sorted(reports, key=lambda report: report.trial_id)),
            failures=tuple(self._failures),
            saved=tuple(self._saved),
            n_free=self.info.n_slots - len(self._rows) + ending,
            seconds=seconds,
            leaving=leaving,
        )
        self._failures, self._saved = [], []
        return self._connection.exchange(turn)

    def _advance(self) -> list[Report]:
        """One epoch of every cohort; rows at their last epoch are set aside, their slot is free."""
        reports = []
        for home in list(self._cohorts):
            for progress in self._advance_cohort(home):
                row = self._rows[progress.key]
                row.epoch = progress.epoch
                self._note_best(row, progress)
                reports.append(
                    Report(progress.key, row.assignment.token, progress.epoch, progress.metrics)
                )
                if progress.epoch >= row.assignment.epochs:
                    self._set_aside(row)
        return reports

    def _advance_cohort(self, home: Hashable) -> list[Progress]:
        try:
            return self._cohorts[home].advance()
        except _TRAINING_ERRORS as error:
            failed = error.with_traceback(None) if _reason(error) == "oom" else error
        del self._cohorts[home]
        mates = [row for row in self._rows.values() if row.home == home]
        self._train_alone(mates, failed, is_midway=True)
        return [
            progress
            for row in mates
            if row.home in self._cohorts
            for progress in self._advance_cohort(row.home)
        ]

    def _train_alone(self, mates: list[_Hosted], error: Exception, *, is_midway: bool) -> None:
        """Each row of a cohort that failed goes on alone; one that fails alone has failed.

        A fused step cannot say which row broke it, and it may have changed all of them, so every
        row is trained again from its start or checkpoint, which gives the same row. A row that
        was alone already has failed with `error`.
        """
        _log.warning("cohort of %d rows failed (%s); its rows go on alone", len(mates), error)
        for row in mates:
            trial_id = row.assignment.trial_id
            was_alone = row.home == ("alone", trial_id)
            row.home = ("alone", trial_id)
            try:
                if was_alone:
                    raise error
                self._place([row], row.epoch if is_midway else None)
            except _TRAINING_ERRORS as alone:
                failure = Failure(trial_id, row.assignment.token, _reason(alone), _text(alone))
                self._failures.append(failure)
                self._forget(trial_id)

    def _apply(self, answer: Answer) -> None:
        for verdict in answer.verdicts:
            self._end(verdict)
        for assignment in answer.trials:
            if former := self._rows.get(assignment.trial_id):
                self._end(Verdict(assignment.trial_id, former.assignment.token, "stop"))
        self._admit(answer.trials)

    def _end(self, verdict: Verdict) -> None:
        """The attempt's row is gone from the lane, its weights kept if they are to be."""
        row = self._rows.get(verdict.trial_id)
        if row is not None and row.assignment.token != verdict.token:
            return
        if row is not None:
            self._set_aside(row)
        state = self._kept.get(verdict.trial_id)
        if verdict.action == "keep" and verdict.path is not None and state is not None:
            write_state(Path(verdict.path), state)
        self._forget(verdict.trial_id)

    def _admit(self, assignments: Iterable[Assignment]) -> None:
        homes: dict[Hashable, list[_Hosted]] = {}
        for given in assignments:
            assignment = _startable(given)
            home = self._trainer.structure(assignment.params)
            row = _Hosted(assignment, home, assignment.start_epoch)
            self._rows[assignment.trial_id] = row
            homes.setdefault(home, []).append(row)
        for rows in homes.values():
            try:
                self._place(rows, None)
            except _TRAINING_ERRORS as error:
                self._train_alone(rows, error, is_midway=False)

    def _place(self, rows: list[_Hosted], until: int | None) -> None:
        """Rows are in the cohort of their home, each trained up to what the ledger knows of it.

        Rows that must catch up do so in a cohort of their own, the one with most to do first,
        so that rows already up to date are not moved.
        """
        home = rows[0].home
        structure = self._trainer.structure(rows[0].assignment.params)
        behind = self._trainer.cohort(structure)
        lag = {
            row.assignment.trial_id: (until or row.assignment.known_epochs)
            - row.assignment.start_epoch
            for row in rows
        }
        for left in range(max(lag.values()), -1, -1):
            now = [row for row in rows if lag[row.assignment.trial_id] == left]
            if now:
                self._admit_states(behind, now)
            if left:
                for progress in behind.advance():
                    row = self._rows[progress.key]
                    row.epoch = progress.epoch
                    self._note_best(row, progress, behind)
        cohort = self._cohorts.get(home)
        if cohort is None:
            self._cohorts[home] = behind
            return
        states = {row.assignment.trial_id: behind.save(row.assignment.trial_id) for row in rows}
        cohort.admit([_row(row.assignment) for row in rows], states)

    def _admit_states(self, cohort: Cohort, rows: list[_Hosted]) -> None:
        states = {}
        for row in rows:
            key = row.assignment.trial_id
            row.epoch, row.best = row.assignment.start_epoch, row.assignment.best
            self._kept.pop(key, None)
            if row.assignment.checkpoint is not None:
                path = Path(row.assignment.checkpoint)
                states[key] = read_state(path)
                if (best := best_beside(path)).exists():
                    self._kept[key] = read_state(best)
        cohort.admit([_row(row.assignment) for row in rows], states)

    def _note_best(self, row: _Hosted, progress: Progress, cohort: Cohort | None = None) -> None:
        """Holds on to the state of the epoch that is the trial's value so far."""
        if self._keeping.best_of is None:
            return
        name, direction = self._keeping.best_of
        value = progress.metrics[name]
        sign = 1 if direction == "minimize" else -1
        if row.best is None or sign * value < sign * row.best:
            row.best = value
            self._kept[progress.key] = (cohort or self._cohorts[row.home]).save(progress.key)

    def _set_aside(self, row: _Hosted) -> None:
        """The row leaves its cohort; its state waits for the verdict on its weights."""
        key = row.assignment.trial_id
        cohort = self._cohorts[row.home]
        if self._keeping.best_of is None:
            self._kept[key] = cohort.save(key)
        cohort.evict([key])
        if not cohort.keys:
            del self._cohorts[row.home]
        del self._rows[key]

    def _forget(self, trial_id: int) -> None:
        self._rows.pop(trial_id, None)
        self._kept.pop(trial_id, None)

    def _checkpoint(self) -> None:
        """Every row is on disk as it is now; the ledger removes files that nothing needs."""
        self._checkpointed = self._clock()
        for key, row in self._rows.items():
            if row.epoch == row.assignment.start_epoch:
                continue
            path = self._keeping.folder / f"{key}-{row.epoch}.safetensors"
            write_state(path, self._cohorts[row.home].save(key))
            if self._keeping.best_of is not None and key in self._kept:
                write_state(best_beside(path), self._kept[key])
            self._saved.append(Saved(key, row.assignment.token, row.epoch, str(path)))


@dataclass(frozen=True)
class Ready:
    """An answer that is there already."""

    answer: Answer

    def result(self) -> Answer:
        """The answer, at once."""
        return self.answer


def _startable(assignment: Assignment) -> Assignment:
    """The assignment, from the start where its checkpoint is not to be had."""
    if assignment.checkpoint is None or Path(assignment.checkpoint).exists():
        return assignment
    return replace(assignment, checkpoint=None, start_epoch=0, best=None)


def _row(assignment: Assignment) -> Row:
    return Row(assignment.trial_id, assignment.params, assignment.seed, assignment.epochs)


def _reason(error: Exception) -> str:
    """`oom` for memory that ran out on the host or a GPU, else `error`."""
    is_oom = isinstance(error, MemoryError) or "out of memory" in str(error).lower()
    return "oom" if is_oom else "error"


def _text(error: Exception) -> str:
    return "".join(traceback.format_exception(error))
