"""How full lanes and stacks were and where their time went, from the stretches in the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.stretch import Stretch


def lane_facts(stretches: Iterable[Stretch]) -> dict[int, dict[str, Any]]:
    """What each lane did, by its number: shares of its time, and rows.

    `occupancy` is the share of slots that held a row between the first time that all did and the
    last start of a trial; None for a lane that was never full. `late` is the share of epochs
    that were in vain, because the decision to stop the row was under way. `training` and
    `waiting` are the lane's time, `deciding`, `sampling` and `storing` the ledger's for it
    meanwhile, as shares of the time that the lane was there.
    """
    by_lane: dict[int, list[Stretch]] = defaultdict(list)
    for stretch in stretches:
        by_lane[stretch.lane].append(stretch)
    return {lane: _facts(own) for lane, own in sorted(by_lane.items())}


def stack_facts(stretches: Iterable[Stretch]) -> list[dict[str, Any]]:
    """What separated rows: each kind of stack with its share of epochs and its mean rows."""
    epochs: Counter[str] = Counter()
    turns: Counter[str] = Counter()
    for stretch in stretches:
        epochs.update(stretch.stacks)
        turns.update(stretch.stack_turns)
    total = sum(epochs.values())
    return [
        {"stack": name, "share": n / total, "mean_rows": n / turns[name]}
        for name, n in epochs.most_common()
    ]


def occupancy(stretches: Sequence[Stretch]) -> float | None:
    """The share of slots with a row from a lane's first fill to the last start of a trial."""
    starts = [place for place, stretch in enumerate(stretches) if stretch.n_started]
    counted = [s for s in stretches[: max(starts, default=-1) + 1] if s.was_full]
    slot_s = sum(stretch.slot_s for stretch in counted)
    return sum(stretch.row_s for stretch in counted) / slot_s if slot_s else None


def _facts(stretches: Sequence[Stretch]) -> dict[str, Any]:
    seconds = max(sum(stretch.seconds for stretch in stretches), 1e-9)
    row_epochs = sum(stretch.row_epochs for stretch in stretches)
    n_stack_turns = sum(sum(stretch.stack_turns.values()) for stretch in stretches)
    return {
        "occupancy": occupancy(stretches),
        "rows_per_s": row_epochs / seconds,
        "mean_stack": row_epochs / max(n_stack_turns, 1),
        "late": sum(stretch.late_epochs for stretch in stretches) / max(row_epochs, 1),
        "training": sum(stretch.trained_s for stretch in stretches) / seconds,
        "waiting": sum(stretch.waited_s for stretch in stretches) / seconds,
        "deciding": sum(stretch.decided_s for stretch in stretches) / seconds,
        "sampling": sum(stretch.sampled_s for stretch in stretches) / seconds,
        "storing": sum(stretch.stored_s for stretch in stretches) / seconds,
    }
