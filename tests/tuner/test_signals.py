"""Signals stop a study cleanly at any moment, also while it is only about to begin."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from history import check_history
from stubs import StubTrainer

import tuner
from tuner import running
from tuner.signals import Interruptions


def test_a_signal_before_anything_can_be_stopped_is_kept() -> None:
    """Who enters within is told once, and the second signal raises as ever."""
    told: list[str] = []
    with Interruptions() as around:
        os.kill(os.getpid(), signal.SIGTERM)
        assert (around.received, told) == ("SIGTERM", [])
        with Interruptions(told.append) as within:
            assert (within.received, told) == ("SIGTERM", ["SIGTERM"])
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
    assert told == ["SIGTERM"]


def test_without_a_signal_nobody_is_told() -> None:
    """Handlers are as they were before."""
    before = signal.getsignal(signal.SIGINT)
    told: list[str] = []
    with Interruptions(), Interruptions(told.append) as within:
        assert within.received is None
    assert told == []
    assert signal.getsignal(signal.SIGINT) is before


def test_a_study_that_is_interrupted_while_it_begins_can_be_resumed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes between the study's row and its ledger: no trial begins, none is lost."""
    run = running.run_inline

    def interrupted(work: Any) -> str | None:
        os.kill(os.getpid(), signal.SIGINT)
        return run(work)

    keys: dict[str, Any] = {"study": "s", "trials": 3, "storage": url, "inline": True}
    with monkeypatch.context() as patched:
        patched.setattr(running, "run_inline", interrupted)
        study = tuner.launch(StubTrainer, **keys)
    assert (study.interrupted, study.state, study.trials) == ("SIGINT", "empty", [])
    assert tuner.launch(StubTrainer, **keys).state == "finished"
    check_history(url, "s", n_trials=3)
