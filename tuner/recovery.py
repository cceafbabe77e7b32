"""How a ledger learns what earlier owners of its study did, and takes over what they left."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from trials.state_file import best_beside
from tuner.book import Book, Ticket
from tuner.findings import found_in

if TYPE_CHECKING:
    from tuner.judge import Judge
    from tuner.plan import Plan
    from tuner.storage import Attempt, Storage

GONE = "the process that ran it is gone"

DUE = "tuner:due"
"""Study attribute: stacks that the study's only lane trains next, so that it goes on as it was."""


@dataclass(frozen=True)
class Recovered:
    """What was found.

    Attributes:
        n_own: Trials of this study that lanes have begun, in any state.
        n_finished: Those in terminal states.
        pending: Unfinished ones that the last answer handed out and no lane had applied yet.
        due: Stacks that a study's only lane was to train next; None where that is not known.
    """

    n_own: int
    n_finished: int
    pending: frozenset[int]
    due: tuple[str, ...] | None

    @property
    def summary(self) -> str | None:
        """For people; None for a study that starts."""
        if not self.n_own:
            return None
        return f"resumed: {self.n_finished} done, {self.n_own - self.n_finished} requeued"


def recover(storage: Storage, plan: Plan, book: Book, judge: Judge) -> Recovered:
    """Every own unfinished trial is queued, and judge and pruner know the finished ones."""
    attempts: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in storage.records.attempts(plan.study_id):
        attempts[attempt.trial_id].append(attempt)
    trials = storage.get_all_trials(plan.study_id, deepcopy=False)
    own = [trial for trial in trials if trial._trial_id in attempts]
    figures = _figures(storage, plan, own)
    n_finished = 0
    with storage.unit():
        for trial in own:
            ticket = _ticket(trial, attempts[trial._trial_id], plan.checkpoints)
            ticket.values = figures[trial._trial_id]
            judge.restore(ticket, trial)
            if trial.state.is_finished():
                n_finished += 1
                continue
            if not plan.is_replayable and ticket.values:
                judge.forget_values(ticket)
            book.add(ticket)
        live = [a for rows in attempts.values() for a in rows if a.outcome is None]
        gone = [(attempt.token, "interrupted", GONE, None) for attempt in live]
        storage.records.end_attempts(gone, _last_sign(storage, plan, attempts))
    _remove_needless_files(plan, book)
    return Recovered(len(own), n_finished, _pending(storage, plan, book), _due(storage, plan))


def note_due(storage: Storage, plan: Plan, due: Sequence[str]) -> None:
    """Once the open unit is committed, a study's only lane goes on with the stacks that are due."""
    if plan.n_lanes == 1 and plan.is_replayable:
        storage.set_study_system_attr(plan.study_id, DUE, list(due))


def _last_sign(
    storage: Storage, plan: Plan, attempts: Mapping[int, Sequence[Attempt]]
) -> datetime | None:
    """When an earlier owner is last known to have lived, so that nothing after it is work.

    That is when an attempt began or ended, or a lane's last stored stretch of work ended.
    """
    rows = [attempt for own in attempts.values() for attempt in own]
    known = [attempt.started_at for attempt in rows]
    known += [attempt.ended_at for attempt in rows if attempt.ended_at is not None]
    known += [
        stretch.began_at + timedelta(seconds=stretch.seconds)
        for stretch in storage.records.activity(plan.study_id)
    ]
    return max(known, default=None)


def _remove_needless_files(plan: Plan, book: Book) -> None:
    """Of the checkpoints only those are left that an unfinished trial goes on from.

    An owner that dies between a commit and the removal of what it made needless leaves the rest.
    """
    needed = {Path(ticket.checkpoint) for ticket in book.queued() if ticket.checkpoint}
    needed |= {best_beside(path) for path in needed}
    for path in plan.checkpoints.glob("*"):
        if path not in needed:
            path.unlink(missing_ok=True)


def _ticket(trial: FrozenTrial, attempts: Sequence[Attempt], checkpoints: Path) -> Ticket:
    ticket = Ticket(trial._trial_id, trial.number, dict(trial.params), None)
    ticket.n_attempts = len(attempts)
    ticket.n_charged = sum(attempt.outcome == "lost" for attempt in attempts)
    ticket.predecessor = attempts[-1].token
    ticket.findings = found_in(trial)
    for attempt in attempts:
        if attempt.checkpoint_path is None or attempt.checkpoint_epoch is None:
            continue
        # By its name alone: the folder may have moved, and others can write the database.
        path = checkpoints / Path(attempt.checkpoint_path).name
        if path.is_file():
            ticket.checkpoint, ticket.start_epoch = str(path), attempt.checkpoint_epoch
    return ticket


def _figures(
    storage: Storage, plan: Plan, own: Sequence[FrozenTrial]
) -> dict[int, dict[int, tuple[float, ...]]]:
    """Objective values by trial and epoch."""
    if len(plan.objectives) == 1:
        return {
            trial._trial_id: {step: (value,) for step, value in trial.intermediate_values.items()}
            for trial in own
        }
    table: dict[int, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for metric in storage.records.metrics(plan.study_id):
        table[metric.trial_id][metric.step][metric.name] = metric.value
    names = [objective.name for objective in plan.objectives]
    # An epoch that was not finite ended its trial and was never observed.
    return {
        trial._trial_id: {
            step: tuple(figures[name] for name in names)
            for step, figures in sorted(table[trial._trial_id].items())
            if all(math.isfinite(figures[name]) for name in names)
        }
        for trial in own
    }


def _due(storage: Storage, plan: Plan) -> tuple[str, ...] | None:
    due = storage.get_study_system_attrs(plan.study_id).get(DUE)
    return None if due is None or plan.n_lanes != 1 else tuple(due)


def _pending(storage: Storage, plan: Plan, book: Book) -> frozenset[int]:
    """Trials of the last answer of a study's only lane; empty where there were several lanes.

    The answer to turn t is applied after turn t+1, so what it handed out had not begun.
    """
    queued = {ticket.trial_id for ticket in book.queued()}
    if plan.n_lanes != 1 or not queued:
        return frozenset()
    latest = {
        decision.trial_id: (decision.token or 0, decision.reason, decision.step or 0)
        for decision in storage.records.decisions(plan.study_id)
        if decision.action == "assigned" and decision.trial_id in queued
    }
    _, session, _ = max(latest.values())
    last = max(0, *(step for _, reason, step in latest.values() if reason == session))
    while storage.has_unit(plan.study_id, f"{session}:{last + 1}"):
        last += 1
    return frozenset(
        trial_id
        for trial_id, (_, reason, step) in latest.items()
        if reason == session and step == last
    )
