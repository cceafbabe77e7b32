"""How one owner of a study ends, and what the next one says of what it found."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from history import check_history
from ledger_bench import Bench
from stubs import lane_info

from tuner.ledger import GRACE_S
from tuner.messages import Failure, Turn


def test_lanes_that_do_not_heed_the_end_of_the_budget_are_ended(url: str, tmp_path: Path) -> None:
    """A lane that hangs when the time is up must go after the grace; its trials are not charged."""
    bench = Bench(url, tmp_path, time_limit_s=5.0)
    ledger = bench.ledger()
    ledger.join(lane_info(n_slots=2))
    bench.clock.now = 6.0
    ledger.tick()
    bench.clock.now = 6.0 + GRACE_S - 1.0
    ledger.tick()
    assert ledger.beat(0, "s0")
    bench.clock.now = 6.0 + GRACE_S
    ledger.tick()
    assert not ledger.beat(0, "s0")
    ledger.close()
    attempts = bench.storage.records.attempts(bench.study_id)
    assert {attempt.outcome for attempt in attempts} == {"interrupted"}
    assert all("time limit" in (attempt.reason or "") for attempt in attempts)
    bench.storage.close()
    check_history(url, "s", is_over=False)


def test_a_resumed_study_says_what_is_done_and_what_is_queued(url: str, tmp_path: Path) -> None:
    """The next owner tells how many trials are over and how many wait for another attempt."""
    bench = Bench(url, tmp_path)
    ledger = bench.ledger()
    first, *_ = ledger.join(lane_info(n_slots=3)).answer.trials
    failure = Failure(first.trial_id, first.token, "error", "no")
    ledger.exchange(Turn(0, "s0", 1, failures=(failure,)))
    assert ledger.resumed is None
    bench.storage.records.release(bench.study_id, bench.owner)
    again = bench.ledger()
    assert again.resumed == "resumed: 1 done, 2 requeued"
    assert "resumed: 1 done, 2 requeued" in again.tick().events
    bench.storage.close()


def test_attempts_of_a_process_that_died_end_when_it_last_lived(url: str, tmp_path: Path) -> None:
    """They end at the last sign of their owner, however much later the study is taken over."""
    bench = Bench(url, tmp_path)
    ledger = bench.ledger()
    ledger.join(lane_info(n_slots=2))
    for number in (1, 2):  # a stretch is stored with the exchange after it
        bench.clock.now = 10.0 * number
        ledger.exchange(Turn(0, "s0", number, n_slots=2, stacks={"all": 2}))
    records = bench.storage.records
    (worked,) = records.activity(bench.study_id)
    records.release(bench.study_id, bench.owner)
    bench.ledger()
    ends = [attempt.ended_at for attempt in records.attempts(bench.study_id)]
    assert ends == 2 * [worked.began_at + timedelta(seconds=10.0)]
    bench.storage.close()


def test_the_last_checkpoint_of_every_row_is_on_disk(url: str, tmp_path: Path) -> None:
    """After every turn, also for rows that rested in it."""
    bench = Bench(url, tmp_path)
    ledger = bench.ledger()
    lane = bench.lane(ledger, every_s=0.0)
    lane.start()
    n_seen = 0
    while lane.turn():
        attempts = bench.storage.records.attempts(bench.study_id)
        named = [a.checkpoint_path for a in attempts if a.outcome is None and a.checkpoint_path]
        assert all(Path(path).is_file() for path in named)
        n_seen += len(named)
    assert n_seen
    bench.storage.close()
