"""The live view in a real terminal: at 80 and 200 columns, resized, closed, and piped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pseudo_terminal import ESCAPE, PseudoTerminal
from rich.cells import cell_len

from tuner.cli.live import LiveView
from tuner.messages import LaneStatus, Snapshot

ROOT = Path(__file__).parents[3]
HOSTILE = "st\x1b[2J\u202eödü 👩\u200d👧 🎉🎉 مرحبا \x07" + "長い" * 60


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of a usual kind, and no variable that says otherwise."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def moments(snapshot: Snapshot) -> Iterator[Snapshot]:
    """A study as it goes on: values fall, trials fail, a second lane comes and a first one goes."""
    lanes = [
        LaneStatus(n, "NVIDIA H100 80GB HBM3", 10 + n, 32, 118.25 * (n + 1), 3 * 2**29)
        for n in range(2)
    ]
    for n in range(8):
        event = f"trial {40 + n}: {HOSTILE}; marked FAIL (error)"
        yield replace(
            snapshot,
            n_failed=n,
            n_complete=30 + n,
            best_values=(0.5 / (n + 1),),
            best_params={f"choice {HOSTILE}": HOSTILE, "units": 64 + n},
            lanes=tuple(lanes[: 1 + n % 2]),
            events=(event,) if n % 3 == 0 else (),
        )


def turn_to_null(descriptor: int, flags: int) -> None:
    """What was open is read to its end from now on, and takes what is written if it may."""
    null = os.open(os.devnull, flags)
    os.dup2(null, descriptor)
    os.close(null)


def check_bytes(terminal: PseudoTerminal) -> None:
    """Every escape is whole, and no line was written wider than the terminal was."""
    for columns, part in terminal.written:
        text = ESCAPE.sub(b"", part).decode("utf-8")
        for line in text.replace("\r", "\n").split("\n"):
            assert all(unicodedata.category(c) != "Cc" for c in line), line
            assert cell_len(line) <= columns, line


@pytest.mark.parametrize("columns", [80, 200])
def test_the_screen_shows_the_study_as_it_is(
    columns: int, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One picture with the latest figures stands below the events, whatever names there are."""
    with PseudoTerminal(columns) as terminal:
        monkeypatch.setattr(sys, "stderr", terminal.file)
        with LiveView() as view:
            for moment in moments(snapshot):
                view(moment)
            lines = terminal.show()
        terminal.show()
        check_bytes(terminal)
    text = "\n".join(lines)
    assert text.count("trials:") == 1
    assert "64 of 100 trials: 37 complete, 20 pruned, 7 failed, 10 running" in text
    assert "8.1 trials/s, 2 min 5 s spent, 5 s left" in text
    assert "best 0.0625 (trial 12)  █" in text
    assert [line for line in lines if line.startswith("lane")] == [
        "lane 0  NVIDIA H100 80GB HBM3   10/32 rows  118 rows/s    1.5 GiB",
        "lane 1  NVIDIA H100 80GB HBM3   11/32 rows  236 rows/s    1.5 GiB",
    ]
    seen = [n for n in (40, 43, 46) if f"trial {n}: st\\x1b[2J\\u202eödü" in text]
    assert seen == [40, 43, 46]


@pytest.mark.parametrize(("before", "after"), [(80, 200), (200, 80), (80, 30)])
def test_a_terminal_may_be_resized(
    before: int, after: int, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next picture has the new width, and COLUMNS of long ago does not matter."""
    monkeypatch.setenv("COLUMNS", "120")
    with PseudoTerminal(before) as terminal:
        monkeypatch.setattr(sys, "stderr", terminal.file)
        with LiveView() as view:
            for n, moment in enumerate(moments(snapshot)):
                if n == 4:
                    terminal.resize(after)
                view(moment)
            lines = terminal.show()
        check_bytes(terminal)
    bars = [line for line in lines if line.startswith("█")]
    assert [len(bar) for bar in bars] == [min(after, 100)]
    assert sum(line.startswith("64 of 100 trials") for line in lines) == 1


def test_a_terminal_without_colour_gets_none(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NO_COLOR the picture is renewed in place, and no colour is set."""
    monkeypatch.setenv("NO_COLOR", "1")
    with PseudoTerminal(80) as terminal:
        monkeypatch.setattr(sys, "stderr", terminal.file)
        with LiveView() as view:
            for moment in moments(snapshot):
                view(moment)
            lines = terminal.show()
    escapes = {found for _, part in terminal.written for found in ESCAPE.findall(part)}
    colours = [e for e in escapes if e.endswith(b"m") and b"3" in e]
    assert colours == []
    assert sum(line.startswith("64 of 100 trials") for line in lines) == 1


def test_a_terminal_that_is_gone_ends_no_study(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Closed in the middle, the view falls silent, and stays so though others could write."""
    with PseudoTerminal(80) as terminal:
        monkeypatch.setattr(sys, "stderr", terminal.file)
        descriptor = terminal.file.fileno()
        with LiveView() as view:
            view(snapshot)
            assert "55 of 100 trials" in "\n".join(terminal.show())
            turn_to_null(descriptor, os.O_RDONLY)  # writing fails from now on
            shown = list(moments(snapshot))
            for moment in shown:
                view(moment)
            with (tmp_path / "again").open("w") as file:
                os.dup2(file.fileno(), descriptor)
            view(shown[-1])
    left = (tmp_path / "again").read_text()  # the first that could not be written, from a buffer
    assert "37 complete" not in left


def test_a_reader_that_leaves_ends_no_study(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Piped into a program that has read enough, the study goes on; until then there are lines."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8", buffering=1) as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        ticks = iter(range(0, 1000, 10))
        with LiveView(clock=lambda: float(next(ticks))) as view:
            view(snapshot)
            text = os.read(reading, 65536).decode()
            os.close(reading)
            for moment in moments(snapshot):
                view(moment)
        turn_to_null(writing, os.O_WRONLY)  # what is left goes there
    assert "\x1b" not in text
    event, status = text.splitlines()
    assert event == snapshot.events[0]
    assert status.startswith("digits-mlp running: 55 of 100 trials: 30 complete")


@pytest.mark.slow
def test_a_launch_is_watched_resized_and_interrupted(tmp_path: Path) -> None:
    """The screen follows a real study; Ctrl-C leaves its facts and the command that resumes it."""
    command = [sys.executable, "-m", "tuner", "launch", "--trainer", "mlp", "--data", "digits"]
    command += ["--inline", "--no-report", "--study", "odd 🎉🎉 مرحبا", "--trials", "5000"]
    with PseudoTerminal(80) as terminal:
        process = subprocess.Popen(
            [*command, "--storage", f"sqlite:///{tmp_path}/a.db"],
            stdin=subprocess.DEVNULL,
            stdout=terminal.file,
            stderr=terminal.file,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        try:
            terminal.wait_for("rows/s")
            terminal.resize(200)
            seen = terminal.wait_for("░" * 81)
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 130
        finally:
            process.kill()
            process.wait()
        lines = terminal.show()
        check_bytes(terminal)
    assert any(line.startswith("odd 🎉🎉 مرحبا  running") for line in seen)
    text = "\n".join(lines)
    assert "interrupted by SIGINT; go on with:" in text
    assert "tuner resume --storage" in text
