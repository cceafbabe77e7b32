"""Ray's life around a launch, whatever ends it; no Ray is started here."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import psutil
import pytest

from tuner.cluster import service, stand_in
from tuner.errors import TunerError
from tuner.spec import Spec
from tuner.warmup import Warmup, warm_up


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

    def start(*_arguments: object, **_options: object) -> bool:
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

    def start(*_arguments: object, **_options: object) -> bool:
        raise TunerError("ray: cannot start")

    monkeypatch.setattr(service, "start", start)
    with Warmup() as warmup, pytest.raises(TunerError, match="cannot start"):
        warmup.room()


@pytest.mark.parametrize(
    ("spec", "has_agents"),
    [
        (Spec(trainer="mlp"), False),
        (Spec(objective="own:train"), True),
        (Spec(trainer="own:Network"), True),
    ],
)
def test_only_code_of_the_users_own_may_ask_ray_for_environments(
    monkeypatch: pytest.MonkeyPatch, spec: Spec, has_agents: bool
) -> None:
    """Ray's agents, which make them, start for functions and own trainers, and for nothing else."""
    asked: list[object] = []

    def start(*_arguments: object, **options: object) -> bool:
        asked.append(options["has_agents"])
        return False

    monkeypatch.setattr(service, "start", start)
    monkeypatch.setattr(service, "ledger_process", object)
    with warm_up(spec):
        assert asked == [has_agents]


def test_the_stand_in_of_an_agent_ends_with_what_started_it() -> None:
    """Also where its parent was gone before it could look."""
    code = (
        "import os, subprocess, sys\n"
        "command = [sys.executable, '-I', '-S', sys.argv[1], str(os.getpid())]\n"
        "process = subprocess.Popen(command, stdout=subprocess.DEVNULL)\n"
        "print(process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, stand_in.__file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        process = psutil.Process(int(parent.stdout.readline()))
        assert process.is_running()
    process.wait(timeout=30)
