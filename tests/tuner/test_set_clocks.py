"""A ledger does not notice that somebody sets the clock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from history import check_history
from ledger_bench import Bench, undisturbed

from tuner.ledger import Ledger

DAY_S = 86_400.0
HOUR_S = 3_600.0


@pytest.mark.parametrize("jump_s", [DAY_S, -HOUR_S])
def test_no_lease_or_limit_runs_out_when_the_clock_is_set(
    url: str, tmp_path: Path, jump_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set between a lane's message and the next look at it, the clock ends no lane and no trial."""
    bench = Bench(url, tmp_path, trial_timeout_s=HOUR_S, time_limit_s=HOUR_S)
    bench.storage.records.claim(bench.study_id, bench.owner)
    ledger = Ledger(bench.storage, bench.plan, bench.owner)
    lane = bench.lane(ledger)
    lane.start()
    present = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: present() + jump_s)
        ledger.tick()
        while lane.turn():
            ledger.tick()
    ledger.close()
    assert bench.rows() == undisturbed(tmp_path)
    attempts = bench.storage.records.attempts(bench.study_id)
    assert {attempt.outcome for attempt in attempts} == {"complete", "pruned"}
    bench.storage.close()
    check_history(url, "s", n_trials=12)
