"""Commands on Ray outlive a dead node, a dead driver, and signals to all their processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from crashes import trials_of
from history import check_history
from waiting import PATIENCE_S, wait_until

import tuner
from tuner.errors import StudyNotFoundError


@pytest.fixture
def start(url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts commands of the tuner on Ray, each a process of its own; none outlives the test."""
    processes: list[subprocess.Popen[str]] = []

    def start_one(*words: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tuner", *words, "--storage", url]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


LAUNCH = ("launch", "--trainer", "mlp", "--data", "iris", "--study", "s", "--lanes", "1",
          "--slots", "4", "--seed", "3", "--sampler", "random")  # fmt: skip


def n_ended(url: str) -> int:
    """Trials of the study that have ended so far."""
    try:
        counts = tuner.load("s", storage=url).counts
    except (StudyNotFoundError, tuner.TunerError):
        return 0
    return sum(n for state, n in counts.items() if state not in {"RUNNING", "WAITING"})


def check_gone(processes: list[psutil.Process]) -> None:
    """I11: nothing of the run is left."""
    wait_until(lambda: not any(_is_there(process) for process in processes))


def _is_there(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def check_interrupted(
    process: subprocess.Popen[str], children: list[psutil.Process], code: int, url: str
) -> None:
    """The command ends with `code` and how to go on, which works; nothing of the run is left."""
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, said
    assert said.splitlines()[-1].startswith("tuner resume ")
    check_gone(children)
    assert tuner.load("s", storage=url).state == "interrupted"
    tuner.load("s", storage=url).resume(trials=60, inline=True)
    check_history(url, "s")


def test_a_study_outlives_its_node_and_its_driver(
    start: Callable[..., subprocess.Popen[str]], url: str, tmp_path: Path
) -> None:
    """Ray's node dies: one line says how to go on. The driver dies: the same command goes on."""
    n_trials = "120"
    first = start(*LAUNCH, "--trials", n_trials)
    wait_until(lambda: n_ended(url) > 3 or first.poll() is not None)
    processes = psutil.Process(first.pid).children(recursive=True)
    next(process for process in processes if process.name() == "raylet").kill()
    _, said = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 1
    line = "ray: its node died; nothing that was told is lost; go on with: tuner resume s"
    assert said.splitlines()[-1] == line
    check_gone(processes)
    before = n_ended(url)
    second = start(*LAUNCH, "--trials", n_trials)
    wait_until(lambda: n_ended(url) > before)
    processes = psutil.Process(second.pid).children(recursive=True)
    second.kill()
    second.communicate()
    check_gone(processes)
    assert tuner.load("s", storage=url).state == "interrupted"
    study = tuner.load("s", storage=url).resume(inline=True)
    check_history(url, "s", n_trials=120)
    whole = f"sqlite:///{tmp_path}/whole.db"
    tuner.launch("mlp", data="iris", study="s", slots=4, seed=3, sampler={"name": "random"},
                 trials=120, storage=whole, inline=True)  # fmt: skip
    assert trials_of(url) == trials_of(whole), "I10"
    assert study.state == "finished"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "n", "code"),
    [(signal.SIGINT, 1, 130), (signal.SIGINT, 2, 130), (signal.SIGTERM, 1, 143)],
)
def test_signals_of_a_terminal_leave_nothing_behind(
    start: Callable[..., subprocess.Popen[str]],
    url: str,
    number: signal.Signals,
    n: int,
    code: int,
) -> None:
    """Sent to every process of the command, as Ctrl-C is: the exit code, and how to go on."""
    process = start(*LAUNCH, "--trials", "2000", start_new_session=True)
    wait_until(lambda: n_ended(url) > 3 or process.poll() is not None)
    children = psutil.Process(process.pid).children(recursive=True)
    for _ in range(n):
        os.killpg(process.pid, number)
    check_interrupted(process, children, code, url)


@pytest.mark.slow
def test_a_service_manager_may_signal_every_process(
    start: Callable[..., subprocess.Popen[str]], url: str
) -> None:
    """SIGTERM to the command and to all that Ray started is an interruption like any other."""
    process = start(*LAUNCH, "--trials", "2000")
    wait_until(lambda: n_ended(url) > 3 or process.poll() is not None)
    command = psutil.Process(process.pid)
    children = command.children(recursive=True)
    for signalled in (command, *children):
        with suppress(psutil.NoSuchProcess):
            signalled.terminate()
    check_interrupted(process, children, 143, url)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_driver_killed_again_and_again_loses_nothing(
    start: Callable[..., subprocess.Popen[str]], url: str
) -> None:
    """SIGKILL at 20 random moments, each time resumed at once: the same total, and no zombie."""
    rng = random.Random(0)
    children: list[psutil.Process] = []
    words: tuple[str, ...] = (*LAUNCH, "--trials", "2000")
    for life in range(20):
        before = n_ended(url)
        process = start(*words)
        if life % 4 == 3:
            time.sleep(rng.uniform(0.0, 8.0))  # somewhere in the start
        else:
            n_more = rng.randrange(1, 60)
            wait_until(lambda: n_ended(url) >= before + n_more or process.poll() is not None)  # noqa: B023
        if n_ended(url) > 0:
            words = ("resume", "s")
        children += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
    assert n_ended(url) > 15
    tuner.load("s", storage=url).resume(inline=True)
    check_history(url, "s", n_trials=2000)
    check_gone(children)
