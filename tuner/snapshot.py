"""A running study at one moment, as those who watch it are told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tuner.messages import LaneStatus, Snapshot
from tuner.pace import seconds_left

if TYPE_CHECKING:
    from tuner.book import Book, LaneEntry
    from tuner.judge import Judge
    from tuner.plan import Plan
    from tuner.preference import Audience


def snapshot(
    plan: Plan,
    judge: Judge,
    book: Book,
    lanes: Iterable[LaneEntry],
    *,
    elapsed_s: float,
    left_s: float | None,
    n_before: int,
    is_stopping: bool,
    audience: Audience,
) -> Snapshot:
    """The study as it is now; the events it tells are told once.

    Args:
        plan: The study's plan.
        judge: Knows counts, the best trial and events.
        book: Knows what is unfinished.
        lanes: All that joined.
        elapsed_s: Since the ledger began.
        left_s: Until the study's time limit, or None.
        n_before: Trials that had ended then.
        is_stopping: No new trial will start.
        audience: Knows what a person prefers, and among how many the choice is.
    """
    counts, best = judge.counts, audience.leader(judge.best)
    n_done = sum(counts.values())
    rate = (n_done - n_before) / elapsed_s if elapsed_s > 0 else 0.0
    entries = list(lanes)
    for lane in entries:
        lane.speed.note(lane.epochs, elapsed_s)
    trained_s = None
    if plan.spec.preference is None:  # nobody knows how long a person takes
        trained_s = _training_left_s(judge, book, entries, plan.spec.trials - n_done, rate)
    events, judge.events[:] = tuple(judge.events), []
    return Snapshot(
        study=plan.study,
        state="stopping" if is_stopping else "running",
        budget=plan.spec.trials,
        n_complete=counts["complete"],
        n_pruned=counts["pruned"],
        n_failed=counts["failed"],
        n_running=len(book),
        best_number=best[0] if best else None,
        best_values=best[1] if best else (),
        best_params=best[2] if best else {},
        elapsed_s=elapsed_s,
        trials_per_s=rate,
        eta_s=min((s for s in (trained_s, left_s) if s is not None), default=None),
        lanes=tuple(_status(lane, book) for lane in entries),
        events=events,
        n_to_choose=audience.n_to_choose,
    )


def _training_left_s(
    judge: Judge, book: Book, lanes: Iterable[LaneEntry], n_left: int, trials_per_s: float
) -> float | None:
    """Until `n_left` trials have ended, from how far those that train are and those before got."""
    ages = [max(ticket.values, default=0) for ticket in (*book.live, *book.queued())]
    return seconds_left(
        epochs_left=judge.lengths.expected(ages, max(0, n_left - len(book))),
        epochs_per_s=sum(lane.speed.per_s for lane in lanes),
        n_left=n_left,
        trials_per_s=trials_per_s,
    )


def _status(lane: LaneEntry, book: Book) -> LaneStatus:
    return LaneStatus(
        lane=lane.info.lane,
        device=lane.info.device,
        # A row at its last epoch has given up its slot already.
        n_rows=min(len(book.of_lane(lane.info.lane)), lane.info.n_slots),
        n_slots=lane.info.n_slots,
        rows_per_s=lane.speed.per_s,
        memory_bytes=lane.memory_bytes,
    )
