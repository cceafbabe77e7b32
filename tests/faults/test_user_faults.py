"""What people, clocks and changed files do to a running study does not harm it."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from crashes import N_TRIALS, launch, trials_of
from history import check_history
from test_server_faults import hurting

import tuner
from tuner import running
from tuner.errors import StudyExistsError
from tuner.storage import storage as storage_module


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_study_at_once(
    url: str, undisturbed: list[Any], number: signal.Signals
) -> None:
    """Two signals in one epoch end the run in that epoch; the study goes on as ever."""

    def hurt() -> None:
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        went_on.append(True)

    went_on: list[bool] = []
    study = launch(url, hurting(hurt, at=4))
    assert not went_on
    assert study.interrupted == number.name
    assert study.state == "interrupted"
    check_history(url, "s", is_over=False)
    launch(url)
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == undisturbed


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(hours=-1)])
def test_a_jump_of_the_clock_is_harmless(
    url: str, undisturbed: list[Any], jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day ahead or an hour back in mid-study: no lane is lost, no trial ends before it began."""
    present = time.time

    class Jumped(datetime):
        """The wall clock after the jump."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + jump

    def hurt() -> None:
        monkeypatch.setattr(time, "time", lambda: present() + jump.total_seconds())
        monkeypatch.setattr(storage_module, "datetime", Jumped)

    monkeypatch.setattr(running, "TICK_S", 0.0)  # limits are looked at after every turn
    study = launch(url, hurting(hurt, at=4), time_limit_s=3600.0)
    assert trials_of(url) == undisturbed
    check_history(url, "s", n_trials=N_TRIALS)
    assert all(trial.duration >= timedelta(0) for trial in study.trials)
    assert not [lane for lane in study.lanes() if lane.get("lost")]


def test_changed_data_is_refused_unless_forced(url: str, tmp_path: Path) -> None:
    """A study does not go on with other data than it began with, unless it is told to."""
    table = tmp_path / "t.csv"
    lines = ["a,b,y", *(f"{i},{i % 7},{i % 2}" for i in range(60))]
    table.write_text("\n".join(lines), encoding="utf-8")
    launch(url, data={"file": str(table), "target": "y"})
    table.write_text("\n".join([*lines, "9,9,1"]), encoding="utf-8")
    study = tuner.load("s", storage=url)
    before = trials_of(url)
    keys: dict[str, Any] = {"trials": N_TRIALS + 2, "inline": True}
    with pytest.raises(StudyExistsError, match="its data have changed since it began"):
        study.resume(**keys, objective=hurting(lambda: None, at=0))
    assert trials_of(url) == before
    study.resume(**keys, objective=hurting(lambda: None, at=0), force=True)
    check_history(url, "s", n_trials=N_TRIALS + 2)
