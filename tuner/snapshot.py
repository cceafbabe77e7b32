"""A running study at one moment, as those who watch it are told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tuner.messages import LaneStatus, Snapshot

if TYPE_CHECKING:
    from tuner.book import Book, LaneEntry
    from tuner.judge import Judge
    from tuner.plan import Plan


def snapshot(
    plan: Plan,
    judge: Judge,
    book: Book,
    lanes: Iterable[LaneEntry],
    *,
    elapsed_s: float,
    n_before: int,
    is_stopping: bool,
) -> Snapshot:
    """The study as it is now; the events it tells are told once.

    Args:
        plan: The study's plan.
        judge: Knows counts, the best trial and events.
        book: Knows what is unfinished.
        lanes: All that joined.
        elapsed_s: Since the ledger began.
        n_before: Trials that had ended then.
        is_stopping: No new trial will start.
    """
    counts, best = judge.counts, judge.best
    n_done = sum(counts.values())
    rate = (n_done - n_before) / elapsed_s if elapsed_s > 0 else 0.0
    left = plan.spec.trials - n_done
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
        eta_s=left / rate if rate > 0 else None,
        lanes=tuple(_status(lane, book, elapsed_s) for lane in lanes),
        events=events,
    )


def _status(lane: LaneEntry, book: Book, elapsed_s: float) -> LaneStatus:
    return LaneStatus(
        lane=lane.info.lane,
        device=lane.info.device,
        n_rows=len(book.of_lane(lane.info.lane)),
        n_slots=lane.info.n_slots,
        rows_per_s=lane.epochs / max(elapsed_s, 1e-9),
    )
