"""What lanes did over time: summed while they work, and what it says afterwards."""

from __future__ import annotations

import pytest

from tuner.activity import ActivityLog, Spent
from tuner.messages import Turn
from tuner.occupancy import lane_facts, occupancy, stack_facts
from tuner.stretch import Stretch

NOTHING = Spent(0.0, 0.0, 0.0, 0)


def turn(rows: int, slots: int = 4, stack: str = "a", **more: float) -> Turn:
    """A turn of lane 0 in which so many rows trained as one stack."""
    given = {"n_late": int(more.pop("n_late", 0))} | more
    stacks = {stack: rows} if rows else {}
    return Turn(0, "s", 1, n_rows=rows, n_slots=slots, stacks=stacks, **given)


def log_of(*turns: tuple[float, Turn, int]) -> list[Stretch]:
    """The stretches of a lane that joined at 0, with turns (clock, turn, attempts begun)."""
    log = ActivityLog(study_id=1, began=0.0)
    log.join(0, 0.0)
    for now, told, n_started in turns:
        log.note(told, Spent(0.01, 0.02, 0.03, n_started), now)
    return log.take(everything=True, now=turns[-1][0])


def test_nothing_is_lost_between_stretches() -> None:
    """Every turn is in one stretch, however turns and stretches lie."""
    turns = [(0.1 * n, turn(n % 5, n_late=n % 2), n % 3) for n in range(1, 40)]
    stretches = log_of(*turns)
    assert len(stretches) > 5
    assert sum(s.n_turns for s in stretches) == 39
    assert sum(s.n_started for s in stretches) == sum(n % 3 for n in range(1, 40))
    assert sum(s.row_epochs for s in stretches) == sum(n % 5 for n in range(1, 40))
    assert sum(s.late_epochs for s in stretches) == 20
    assert sum(s.seconds for s in stretches) == pytest.approx(3.9)
    assert sum(s.slot_s for s in stretches) == pytest.approx(4 * 3.9)
    assert sum(s.sampled_s for s in stretches) == pytest.approx(39 * 0.02)


def test_stretches_grow_with_the_study() -> None:
    """A lane of a long study writes a few hundred rows, not one a turn."""
    turns = [(float(second), turn(4), 0) for second in range(1, 20_001)]
    assert 400 < len(log_of(*turns)) < 2000


def test_occupancy_counts_from_the_first_fill_to_the_last_start() -> None:
    """Neither the filling nor the draining of a lane counts, only what happens between."""
    stretches = log_of(
        (1.0, turn(1), 3),  # filling
        (2.0, turn(4), 0),  # full: counting begins
        (3.0, turn(2), 2),
        (4.0, turn(4), 1),  # the last start
        (5.0, turn(1), 0),  # draining
    )
    assert occupancy(stretches) == pytest.approx((2 + 4) / 8)


def test_a_lane_that_was_never_full_has_no_occupancy() -> None:
    """There is nothing to count then."""
    assert occupancy(log_of((1.0, turn(1), 1), (2.0, turn(2), 1))) is None


def test_a_joining_lane_ends_what_an_earlier_life_did() -> None:
    """A lane that comes again is not full until it was."""
    log = ActivityLog(study_id=1, began=0.0)
    log.join(0, 0.0)
    log.note(turn(4), NOTHING, 1.0)
    log.note(turn(4), NOTHING, 1.1)
    log.join(0, 5.0)
    log.note(turn(1), NOTHING, 6.0)
    stretches = log.take(everything=True, now=6.0)
    assert [stretch.was_full for stretch in stretches] == [False, True, False]
    assert [stretch.n_turns for stretch in stretches] == [1, 1, 1]


def test_facts_are_shares_of_the_time_of_the_lane() -> None:
    """Shares, rows per second and mean stack are those of all stretches together."""
    stretches = log_of(
        (1.0, turn(4, seconds=0.8, waited_s=0.1), 0),
        (2.0, turn(2, stack="b", n_late=1, seconds=0.8, waited_s=0.1), 1),
    )
    facts = lane_facts(stretches)[0]
    assert facts["training"] == pytest.approx(0.8)
    assert facts["waiting"] == pytest.approx(0.1)
    assert facts["sampling"] == pytest.approx(0.02)
    assert facts["rows_per_s"] == pytest.approx(3.0)
    assert facts["mean_stack"] == pytest.approx(3.0)
    assert facts["late"] == pytest.approx(1 / 6)
    assert stack_facts(stretches) == [
        {"stack": "a", "share": pytest.approx(4 / 6), "mean_rows": 4.0},
        {"stack": "b", "share": pytest.approx(2 / 6), "mean_rows": 2.0},
    ]
