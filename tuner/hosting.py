"""The rows of a lane: hides which cohort each trains in, and what is done when a cohort fails."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trials.contract import Progress, Row, costs
from trials.errors import TRAINING_ERRORS, free_memory, is_out_of_memory
from trials.state_file import best_beside, read_state, write_state
from tuner import rotation
from tuner.messages import Assignment, Failure, Report, Saved, Verdict

if TYPE_CHECKING:
    from trials.contract import Cohort, Direction, RowState, Trainer
    from tuner.showing import Show

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keeping:
    """What the lane must know to keep the right weights and checkpoints of its rows.

    Attributes:
        folder: Where checkpoints go, one or two files a trial.
        every_s: Seconds between checkpoints of all rows.
        best_of: The objectives whose best epoch is the trial's value, in the order in which they
            count; empty where its last epoch is.
    """

    folder: Path
    every_s: float
    best_of: tuple[tuple[str, Direction], ...] = ()


@dataclass
class Hosted:
    """A row of this lane: where it trains, and how many epochs it has behind it.

    Attributes:
        saved: Epochs of its last checkpoint, 0 before there is one.
    """

    assignment: Assignment
    home: Hashable
    epoch: int
    saved: int
    best: tuple[float, ...] | None = None

    @property
    def is_at_last_epoch(self) -> bool:
        """Whether the next epoch is the row's last."""
        return self.epoch + 1 >= self.assignment.epochs


class Rows:
    """Rows of one trainer, in as many cohorts as they have structures.

    Attributes:
        n_slots: Most rows at a time. Halved when memory runs out, until the row is found that has
            no room even alone.
    """

    def __init__(
        self, trainer: Trainer, keeping: Keeping, n_slots: int, show: Show | None = None
    ) -> None:
        self.n_slots = self._most = n_slots
        self._trainer = trainer
        self._keeping = keeping
        self._show = show
        self._cohorts: dict[Hashable, Cohort] = {}
        self._rows: dict[int, Hosted] = {}
        self._kept: dict[int, RowState] = {}
        self._ran_out: set[int] = set()
        self._failures: list[Failure] = []
        self._returned: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def units(self) -> Mapping[str, int]:
        """Rows that cannot but train in the same turn: how many, by a name that lasts."""
        return rotation.units(self._cohorts)

    def stacks(self, due: Collection[str]) -> Mapping[str, int]:
        """Rows of each stack of the units that are `due`, by what they have in common."""
        return rotation.stacks(self._cohorts, due)

    def ending(self, due: Collection[str]) -> tuple[int, ...]:
        """Trials that come to their last epoch when the units that are `due` train."""
        last = (key for key, row in self._rows.items() if row.is_at_last_epoch)
        return tuple(key for key in last if self._unit(key) in due)

    def _unit(self, key: int) -> str:
        home = self._rows[key].home
        return rotation.unit_of(home, self._cohorts[home], key)

    def take_failures(self) -> tuple[Failure, ...]:
        """Rows that failed since this was last called."""
        failures, self._failures = tuple(self._failures), []
        return failures

    def take_returned(self) -> tuple[int, ...]:
        """Tokens of rows that found no room since this was last called."""
        returned, self._returned = tuple(self._returned), []
        return returned

    def admit(self, assignments: Sequence[Assignment]) -> None:
        """The rows are in their cohorts, or among the failures or the returned."""
        room = max(0, self.n_slots - len(self._rows))
        self._returned += [assignment.token for assignment in assignments[room:]]
        homes: dict[Hashable, list[Hosted]] = {}
        for given in assignments[:room]:
            assignment = _startable(given)
            home = self._trainer.structure(assignment.params)
            row = Hosted(assignment, home, assignment.epochs_done, assignment.start_epoch)
            self._rows[assignment.trial_id] = row
            homes.setdefault(home, []).append(row)
        for rows in homes.values():
            self._settle(rows)

    def advance(self, due: Collection[str]) -> list[Report]:
        """One epoch of the units that are `due`; rows that have ended are set aside, their slot
        is free.
        """
        reports = []
        for home in list(self._cohorts):
            for progress in self._advance_cohort(home, due):
                row = self._rows[progress.key]
                row.epoch = progress.epoch
                self._note_best(row, progress, self._cohorts[row.home])
                report = _report(row, progress)
                if report.is_final:
                    self._set_aside(row)
                    reports += self._shown(row, report)
                else:
                    reports.append(report)
        return reports

    def end(self, verdict: Verdict) -> None:
        """The attempt's row is gone from the lane, its weights kept if they are to be."""
        row = self._rows.get(verdict.trial_id)
        if row is not None and row.assignment.token != verdict.token:
            return
        path = verdict.path if verdict.action == "keep" else None
        if row is not None:
            self._set_aside(row, is_kept=path is not None)
        if path is not None and verdict.trial_id in self._kept:
            write_state(Path(path), self._kept[verdict.trial_id])
        self._forget(verdict.trial_id)

    def end_former(self, assignment: Assignment) -> None:
        """No earlier attempt at the trial is in the lane."""
        if former := self._rows.get(assignment.trial_id):
            self.end(Verdict(assignment.trial_id, former.assignment.token, "stop"))

    def checkpoint(self) -> list[Saved]:
        """Every row is on disk as it is now; the ledger removes files that nothing needs.

        Returns:
            Rows that have trained since they were last saved.
        """
        saved = []
        for key, row in self._rows.items():
            if row.epoch == row.saved:
                continue
            row.saved = row.epoch
            path = self._keeping.folder / f"{key}-{row.epoch}.safetensors"
            write_state(path, self._cohorts[row.home].save(key))
            if self._keeping.best_of and key in self._kept:
                write_state(best_beside(path), self._kept[key])
            saved.append(Saved(key, row.assignment.token, row.epoch, str(path)))
        return saved

    def _advance_cohort(self, home: Hashable, due: Collection[str]) -> list[Progress]:
        cohort = self._cohorts.get(home)
        if cohort is None:
            return []
        try:
            return rotation.advance(home, cohort, due)
        except OSError:
            raise
        except TRAINING_ERRORS as error:
            # The traceback would hold on to what must be freed.
            failed = error.with_traceback(None) if is_out_of_memory(error) else error
        mates = [row for row in self._rows.values() if row.home == home]
        had_turn = [key for row in mates if self._unit(key := row.assignment.trial_id) in due]
        del self._cohorts[home]
        self._separate(mates, failed)
        homes = dict.fromkeys(row.home for row in mates if row.assignment.trial_id in self._rows)
        due = {self._unit(key) for key in had_turn if key in self._rows}
        return [progress for at in homes for progress in self._advance_cohort(at, due)]

    def _settle(self, rows: list[Hosted]) -> None:
        """Those of `rows` that still have a slot are in the cohort of their home, or failed."""
        rows = [row for row in rows if row.assignment.trial_id in self._rows]
        try:
            if rows:
                self._place(rows)
        except OSError:
            raise
        except TRAINING_ERRORS as error:
            self._separate(rows, error)

    def _separate(self, mates: list[Hosted], error: Exception) -> None:
        """Rows of a cohort that failed go on in smaller company, or have failed.

        A fused step cannot say which row broke it, and it may have changed all of them, so every
        row is trained again from its start or checkpoint, which gives the same row. Where memory
        ran out, half of the lane's rows lose their slot, and one that was alone gets a second
        attempt; other errors are the fault of one row, so each goes on alone. One that fails
        alone has failed.
        """
        if is_out_of_memory(error) and self._may_fit(mates):
            self._make_room(mates)
            self._settle(mates)
        elif len(mates) == 1:
            self._fail(mates[0], error)
        else:
            _log.warning("a cohort of %d rows failed (%s); they go on alone", len(mates), error)
            for row in mates:
                row.home = ("alone", row.assignment.trial_id)
                self._settle([row])

    def _may_fit(self, mates: list[Hosted]) -> bool:
        """Whether there is a way left: smaller company, or one more try alone."""
        keys = {row.assignment.trial_id for row in mates}
        is_first = not keys <= self._ran_out
        self._ran_out |= keys
        return is_first or len(self._rows) > 1

    def _make_room(self, mates: list[Hosted]) -> None:
        """Half of the lane's rows have lost their slot: first of all, and latest first, `mates`.

        Those must be trained again anyway, and the latest have most of their way before them.
        A single row is given back too, for another try when memory may be free again.
        """
        n_before = len(self._rows)
        n_staying = n_before // 2
        self.n_slots = max(1, n_staying)
        failed = {row.assignment.trial_id for row in mates}
        order = sorted(self._rows, key=lambda key: (key not in failed, -key))
        for key in order[: n_before - n_staying]:
            self._give_back(self._rows[key])
        _log.warning("memory ran out with %d rows; %d go on", n_before, n_staying)
        free_memory()

    def _give_back(self, row: Hosted) -> None:
        key = row.assignment.trial_id
        self._returned.append(row.assignment.token)
        cohort = self._cohorts.get(row.home)
        if cohort is not None and key in cohort.keys:
            cohort.evict([key])
            if not cohort.keys:
                del self._cohorts[row.home]
        self._forget(key)

    def _fail(self, row: Hosted, error: Exception) -> None:
        key, token = row.assignment.trial_id, row.assignment.token
        text = "".join(traceback.format_exception(error))
        reason = "oom" if is_out_of_memory(error) else "error"
        if reason == "oom":
            self.n_slots = self._most
            self._ran_out.discard(key)
            free_memory()
        self._failures.append(Failure(key, token, reason, text))
        self._forget(key)

    def _place(self, rows: list[Hosted]) -> None:
        """Rows are in the cohort of their home, each trained up to its epoch.

        Rows that must catch up do so in a cohort of their own, the one with most to do first,
        so that rows already up to date are not moved.
        """
        home = rows[0].home
        lags = [row.epoch - row.assignment.start_epoch for row in rows]
        if home in self._cohorts and not any(lags):
            self._admit_states(self._cohorts[home], rows)
            return
        behind = self._trainer.cohort(self._trainer.structure(rows[0].assignment.params))
        for left in range(max(lags), -1, -1):
            now = [row for row, lag in zip(rows, lags, strict=True) if lag == left]
            if now:
                self._admit_states(behind, now)
            if left:
                for progress in behind.advance():
                    self._note_best(self._rows[progress.key], progress, behind)
        cohort = self._cohorts.get(home)
        if cohort is None:
            self._cohorts[home] = behind
            return
        states = {row.assignment.trial_id: behind.save(row.assignment.trial_id) for row in rows}
        cohort.admit([_row(row.assignment) for row in rows], states)

    def _admit_states(self, cohort: Cohort, rows: list[Hosted]) -> None:
        states = {}
        for row in rows:
            key = row.assignment.trial_id
            row.best = row.assignment.best
            self._kept.pop(key, None)
            if row.assignment.checkpoint is not None:
                path = Path(row.assignment.checkpoint)
                states[key] = read_state(path)
                if (best := best_beside(path)).exists():
                    self._kept[key] = read_state(best)
        cohort.admit([_row(row.assignment) for row in rows], states)

    def _note_best(self, row: Hosted, progress: Progress, cohort: Cohort) -> None:
        """Holds on to the state of the epoch that is the trial's value so far."""
        if not self._keeping.best_of:
            return
        values = tuple(progress.metrics[name] for name, _ in self._keeping.best_of)
        if row.best is None or self._costs(values) < self._costs(row.best):
            row.best = values
            self._kept[progress.key] = cohort.save(progress.key)

    def _costs(self, values: tuple[float, ...]) -> tuple[float, ...]:
        directions = [direction for _, direction in self._keeping.best_of]
        return costs(values, directions)

    def _set_aside(self, row: Hosted, *, is_kept: bool = True) -> None:
        """The row leaves its cohort; its state waits for the verdict on its weights."""
        key = row.assignment.trial_id
        cohort = self._cohorts[row.home]
        if is_kept and not self._keeping.best_of:
            self._kept[key] = cohort.save(key)
        cohort.evict([key])
        if not cohort.keys:
            del self._cohorts[row.home]
        del self._rows[key]

    def _shown(self, row: Hosted, report: Report) -> list[Report]:
        """The last report of a row, after a picture of it is there if a person is to see one.

        None where the picture cannot be made: the row has failed.
        """
        state = self._kept.get(report.trial_id)
        if self._show is None or state is None:
            return [report]
        try:
            return [replace(report, picture=self._show(state, row.assignment.params))]
        except OSError:
            raise
        except TRAINING_ERRORS as error:
            self._fail(row, error)
            return []

    def _forget(self, trial_id: int) -> None:
        self._rows.pop(trial_id, None)
        self._kept.pop(trial_id, None)


def _startable(assignment: Assignment) -> Assignment:
    """The assignment, from the start where its checkpoint is missing or damaged."""
    if assignment.checkpoint is None:
        return assignment
    path = Path(assignment.checkpoint)
    try:
        read_state(path)
        if best_beside(path).exists():
            read_state(best_beside(path))
    except OSError as error:
        _log.warning("trial %d starts anew: %s", assignment.number, error)
        return replace(assignment, checkpoint=None, start_epoch=0, best=None)
    return assignment


def _report(row: Hosted, progress: Progress) -> Report:
    """What the ledger is told of a row's epoch; it may be the last by budget or by the row."""
    is_final = progress.is_final or progress.epoch >= row.assignment.epochs
    token, epoch = row.assignment.token, progress.epoch
    return Report(progress.key, token, epoch, progress.metrics, progress.findings, is_final)


def _row(assignment: Assignment) -> Row:
    return Row(assignment.trial_id, assignment.params, assignment.seed, assignment.epochs)
