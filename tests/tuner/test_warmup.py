"""Ray's life around a launch, whatever ends it; no Ray is started here."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from tuner.cluster import service
from tuner.errors import TunerError
from tuner.warmup import Warmup


@pytest.fixture
def heard() -> Iterator[threading.Event]:
    """Set when Ctrl-C arrives, which a shell that starts tests in the background has ignored."""
    event = threading.Event()

    def hear(_number: int, _frame: FrameType | None) -> None:
        event.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, hear)
    yield event
    signal.signal(signal.SIGINT, before)


def test_a_start_that_is_interrupted_is_undone(
    monkeypatch: pytest.MonkeyPatch, heard: threading.Event
) -> None:
    """Ctrl-C while Ray starts leaves no Ray behind."""
    calls: list[str] = []
    main = threading.main_thread().ident
    assert main is not None

    def start(*_arguments: object) -> bool:
        signal.pthread_kill(main, signal.SIGINT)
        heard.wait()
        calls.append("up")
        return True

    monkeypatch.setattr(service, "start", start)
    monkeypatch.setattr(service, "ledger_process", object)
    monkeypatch.setattr(service, "stop", lambda: calls.append("down"))
    with pytest.raises(KeyboardInterrupt), Warmup():
        calls.append("entered")
    assert calls == ["up", "down"]


def test_a_start_that_fails_says_so_when_ray_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mistakes of the spec are told first; then what kept Ray from starting."""

    def start(*_arguments: object) -> bool:
        raise TunerError("ray: cannot start")

    monkeypatch.setattr(service, "start", start)
    with Warmup() as warmup, pytest.raises(TunerError, match="cannot start"):
        warmup.room()
