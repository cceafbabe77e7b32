"""Hides how what lanes did becomes lines and bars: how full they were, where their time went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tuner.occupancy import lane_facts, stack_facts
from tuner.report import scales
from tuner.report.data import StudyRecord
from tuner.report.facts import Clock, UndrawableError, clock_over, local
from tuner.report.progress_data import pause_notes

if TYPE_CHECKING:
    from tuner.stretch import Stretch

N_POINTS = 400
N_STACKS = 14
TIMES = ("training", "waiting", "deciding", "sampling", "storing")
"""Shares of a lane's time: the first two are its own, the others the ledger's for it meanwhile."""


@dataclass(frozen=True)
class Fill:
    """How full one lane was.

    Attributes:
        seconds: Middle of each stretch, since the first lane came, without pauses.
        rows: Mean rows in training.
        slots: Mean slots.
    """

    lane: int
    seconds: tuple[float, ...]
    rows: tuple[float, ...]
    slots: tuple[float, ...]


@dataclass(frozen=True)
class Fills:
    """How full the lanes were over time.

    Attributes:
        fills: One per lane.
        notes: Sentences: occupancy, and what is left out.
    """

    fills: tuple[Fill, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TimeUse:
    """Where the time of lanes went.

    Attributes:
        lanes: Their numbers.
        shares: For each of TIMES the share of each lane's time.
        notes: Sentences about what the shares mean.
    """

    lanes: tuple[int, ...]
    shares: dict[str, tuple[float, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Stacks:
    """What separated rows from each other.

    Attributes:
        rows: What the rows of a stack had in common, its share of epochs, and its mean rows.
        notes: What is left out.
    """

    rows: tuple[tuple[str, float, float], ...]
    notes: tuple[str, ...]


def fills(study: StudyRecord) -> Fills:
    """Rows and slots of every lane over time.

    Raises:
        UndrawableError: No lane has told anything.
    """
    stretches = _stretches(study)
    clock = clock_over(_ends(stretch) for stretch in stretches)
    facts = lane_facts(stretches)
    notes = pause_notes(clock)
    for lane, fact in facts.items():
        if fact["occupancy"] is not None:
            notes.append(
                f"Lane {lane}: {fact['occupancy']:.0%} of its slots held a row from its first fill "
                "to the last start."
            )
    own = [[s for s in stretches if s.lane == lane] for lane in facts]
    if any(len(told) > N_POINTS for told in own):
        notes.append(f"{N_POINTS} points of each line are drawn, spread evenly.")
    shown = tuple(_fill(told, lane, clock) for lane, told in zip(facts, own, strict=True))
    return Fills(shown, tuple(notes))


def time_use(study: StudyRecord) -> TimeUse:
    """Shares of the time of each lane.

    Raises:
        UndrawableError: No lane has told anything.
    """
    stretches = _stretches(study)
    facts = lane_facts(stretches)
    shares = {name: tuple(own[name] for own in facts.values()) for name in TIMES}
    n_epochs = sum(stretch.row_epochs for stretch in stretches)
    late = sum(stretch.late_epochs for stretch in stretches) / max(n_epochs, 1)
    note = f"Decisions came an epoch late for {late:.0%} of all epochs, which were in vain."
    return TimeUse(tuple(facts), shares, (note,))


def stacks(study: StudyRecord) -> Stacks:
    """Kinds of stacks, those with most epochs first.

    Raises:
        UndrawableError: No lane has told anything.
    """
    found = stack_facts(_stretches(study))
    rows = tuple((fact["stack"], fact["share"], fact["mean_rows"]) for fact in found[:N_STACKS])
    left = len(found) - len(rows)
    share = sum(fact["share"] for fact in found[N_STACKS:])
    notes = (f"{left:,} more kinds hold {share:.0%} of the epochs.",) if left else ()
    return Stacks(rows, notes)


def _stretches(study: StudyRecord) -> Sequence[Stretch]:
    if not study.stretches:
        raise UndrawableError("No lane has trained yet.")
    return sorted(study.stretches, key=lambda stretch: stretch.began_at)


def _ends(stretch: Stretch) -> tuple[datetime, datetime]:
    begin = local(stretch.began_at)
    return begin, begin + timedelta(seconds=stretch.seconds)


def _fill(stretches: Sequence[Stretch], lane: int, clock: Clock) -> Fill:
    shown = scales.even(stretches, N_POINTS)
    lengths = [max(stretch.seconds, 1e-9) for stretch in shown]
    middles = [sum(map(clock.at, _ends(stretch))) / 2 for stretch in shown]
    rows = [stretch.row_s / length for stretch, length in zip(shown, lengths, strict=True)]
    slots = [stretch.slot_s / length for stretch, length in zip(shown, lengths, strict=True)]
    return Fill(lane, tuple(middles), tuple(rows), tuple(slots))
