"""When the lanes after the first start."""

from __future__ import annotations

from dataclasses import replace

from ray.tune.search import Searcher
from stubs import Clock

from tuner.cluster.opening import LaneByLane, Opening
from tuner.messages import LaneStatus, Snapshot
from tuner.plan import TRIALS_A_LANE, n_at_once

LANE = LaneStatus(0, "cpu", 4, 4, 1.0)
START = Snapshot("s", "running", 100, 0, 0, 0, 4, None, (), {}, 0.0, 0.0, None)


def opening_after(seconds: float, n_done: int, ledger_share: float = 0.1) -> Opening:
    """What is open when the first lane ended so many trials of 100 in that time."""
    clock = Clock()
    opening = Opening(3, n_cpus=4, n_first=1, clock=clock)
    opening.consider(START)
    clock.now = 7.0
    opening.consider(replace(START, lanes=(LANE,)))
    clock.now += seconds
    now = replace(START, lanes=(LANE,), n_complete=n_done, ledger_share=ledger_share)
    opening.consider(now)
    return opening


def test_the_first_lane_is_enough_for_work_that_is_soon_done() -> None:
    """At 30 trials a second the other 70 take less than the start of a lane."""
    assert opening_after(1.0, 30).n_open == 1


def test_the_others_open_when_there_is_long_to_go() -> None:
    """At 5 trials a second the other lanes pay, and so they do when nothing ended yet."""
    assert opening_after(1.0, 5).n_open == 3
    assert opening_after(1.0, 0).n_open == 3


def test_lanes_that_would_only_wait_for_the_ledger_stay_away() -> None:
    """However long there is to go, nothing is faster than the ledger."""
    assert opening_after(1.0, 1, ledger_share=0.5).n_open == 3
    assert opening_after(1.0, 1, ledger_share=0.97).n_open == 1


def test_lanes_without_a_processor_stay_away() -> None:
    """One lane and a busy ledger have the two processors for themselves."""
    clock = Clock()
    opening = Opening(2, n_cpus=2, n_first=1, clock=clock)
    opening.consider(replace(START, lanes=(LANE,)))
    clock.now += 1.0
    opening.consider(replace(START, lanes=(LANE,), n_complete=5, ledger_share=0.8))
    assert opening.n_open == 1


def test_the_first_lane_is_watched_for_a_while() -> None:
    """Nothing is decided in the first moments."""
    assert opening_after(0.5, 0).n_open == 1


def test_lanes_with_enough_trials_start_at_once() -> None:
    """The first always, and never more than there may be."""
    numbers = [0, 1, TRIALS_A_LANE, 2 * TRIALS_A_LANE - 1, 2 * TRIALS_A_LANE, 9 * TRIALS_A_LANE]
    assert [n_at_once(3, n) for n in numbers] == [1, 1, 1, 1, 2, 3]


def test_more_lanes_are_judged_by_what_is_open() -> None:
    """Two lanes are watched when both are there; four on four processors are twice as fast."""
    clock = Clock()
    opening = Opening(4, n_cpus=4, n_first=2, clock=clock)
    opening.consider(replace(START, lanes=(LANE,)))
    clock.now += 5.0
    both = replace(START, lanes=(LANE, replace(LANE, lane=1)))
    opening.consider(both)
    opening.consider(replace(both, n_complete=1))
    assert opening.n_open == 2
    clock.now += 1.0
    opening.consider(replace(both, n_complete=7, ledger_share=0.1))
    assert opening.n_open == 4
    watched = Opening(4, n_cpus=4, n_first=2, clock=clock)
    watched.consider(both)
    clock.now += 1.0
    watched.consider(replace(both, n_complete=8, ledger_share=0.1))
    assert watched.n_open == 2


def test_it_is_known_whether_a_lane_has_trials() -> None:
    """None has before the first came, nor when all that came have ended; others may still start.

    After a signal nothing waits for those.
    """
    opening = Opening(2, 2, n_first=2)
    opening.consider(START)
    assert opening.is_idle
    opening.consider(replace(START, lanes=(LANE,)))
    assert not opening.is_idle
    lanes = LaneByLane(opening)
    assert None not in [lanes.suggest(name) for name in "ab"]
    lanes.on_trial_complete("a")
    assert opening.is_idle


def test_lanes_that_were_asked_for_open_at_once() -> None:
    """Ray Tune gets all of them, then the end."""
    lanes = LaneByLane(Opening(2, 2, n_first=2))
    first, second = ({"lane": lane, "n_slots": None} for lane in range(2))
    assert [lanes.suggest(name) for name in "abc"] == [first, second, Searcher.FINISHED]


def test_tune_waits_for_a_lane_that_is_not_open() -> None:
    """None means: not now; when the first lane has ended, none is needed any more."""
    lanes = LaneByLane(Opening(2, 2, n_first=1))
    assert [lanes.suggest(name) for name in "ab"] == [{"lane": 0, "n_slots": None}, None]
    lanes.on_trial_complete("a")
    assert lanes.suggest("c") == Searcher.FINISHED


def test_lanes_that_start_later_know_what_the_first_has_measured() -> None:
    """They train as many rows at once, without another measurement."""
    lanes = LaneByLane(opening_after(1.0, 5))
    assert lanes.suggest("a") == {"lane": 0, "n_slots": LANE.n_slots}
