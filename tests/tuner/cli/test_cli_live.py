"""The live view fits its width, says each event once, and spares a log."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from tuner.cli.live import (
    LiveView,
    bar,
    duration,
    ended,
    even,
    few,
    picture,
    size,
    status_line,
)
from tuner.messages import LaneStatus, Snapshot


def console(width: int = 80, terminal: bool = False) -> Console:
    """A console that writes into memory."""
    return Console(file=io.StringIO(), width=width, height=40, force_terminal=terminal, _environ={})


def written(into: Console) -> str:
    """What a console of `console` was given."""
    assert isinstance(into.file, io.StringIO)
    return into.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_picture_fits_its_width(snapshot: Snapshot, width: int) -> None:
    """No line is longer than the terminal, however many parameters there are."""
    many = {f"parameter_{i}": i / 7 for i in range(40)}
    wide = console(width=400)
    wide.print(picture(replace(snapshot, best_params=many), width))
    assert max(cell_len(line) for line in written(wide).splitlines()) <= width


def test_picture_says_all(snapshot: Snapshot) -> None:
    """Counts, best, pace and lanes are there."""
    wide = console(width=200)
    wide.print(picture(snapshot, 200))
    text = written(wide)
    for fact in (
        "55 of 100 trials: 30 complete, 20 pruned, 5 failed, 10 running",
        "best 0.0513 (trial 12)\n  units=64, optimizer=sgd\n",
        "8.1 trials/s, 2 min 5 s spent, 5 s left",
        "30/32 rows  118 rows/s",
    ):
        assert fact in text


def test_a_study_whose_budget_is_used_up_is_done(snapshot: Snapshot) -> None:
    """It has no time left, and is not said to run; while a trial trains it is not over."""
    last = replace(snapshot, n_complete=75, n_running=0, eta_s=0.0)
    assert status_line(last) == (
        "digits-mlp done: 100 of 100 trials: 75 complete, 20 pruned, 5 failed; best 0.0513; "
        "8.1 trials/s, 2 min 5 s spent"
    )
    assert status_line(replace(last, n_running=1)).startswith("digits-mlp running: ")


@pytest.mark.parametrize(("n_running", "word"), [(10, "interrupted"), (0, "ended")])
def test_what_stays_on_the_screen_is_not_said_to_run(
    snapshot: Snapshot, n_running: int, word: str
) -> None:
    """Once nobody works on the study its trials are interrupted, and no lane or time is left."""
    screen, log = console(width=100, terminal=True), console(width=100)
    last = replace(snapshot, n_running=n_running, state="stopping")
    with LiveView(screen, interactive=True) as view:
        view(last)
    drawn = written(screen).rpartition("digits-mlp  ")[2]
    assert drawn.startswith(word)
    assert f"5 failed{f', {n_running} interrupted' * (n_running > 0)}\n" in drawn.replace("\r", "")
    assert "lane" not in drawn
    assert " left" not in drawn
    with LiveView(log, interactive=False) as view:
        view(last)
    assert written(log).splitlines()[-1].startswith(f"digits-mlp {word}: 55 of 100 trials: ")


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0 MiB"), (359 * 2**20, "359 MiB"), (3 * 2**29, "1.5 GiB")]
)
def test_bytes_are_said_as_people_do(n_bytes: int, text: str) -> None:
    """In the unit that leaves few digits."""
    assert size(n_bytes) == text


def test_letters_that_join_others_are_left_out_of_the_picture() -> None:
    """What is left is as wide as its letters are, in every terminal."""
    assert even("a\u200db\u00adc 👩\u200d👧") == "abc 👩👧"
    assert even("\u202e\x1b") == "\\u202e\\x1b"


def test_the_course_of_the_best_value_is_drawn(snapshot: Snapshot) -> None:
    """Behind the best value stand letters that fall with it; a first moment has none."""
    wide = console(width=200)
    wide.print(picture(snapshot, 200, best=[0.4, 0.2, 0.1]))
    assert "best 0.0513 (trial 12)  █▃▁\n" in written(wide)
    renewed = console(terminal=True)
    with LiveView(renewed, interactive=True) as view:
        for value in (0.4, 0.2, 0.1):
            view(replace(snapshot, best_values=(value,)))
    assert "█▃▁" in written(renewed)


def test_a_study_without_a_lane_says_so(snapshot: Snapshot) -> None:
    """While it starts there is nothing else to see; an ended one has none to wait for."""
    waiting = "no lane yet: its process is being started"
    for moment, is_said in (
        (snapshot, False),
        (replace(snapshot, lanes=()), True),
        (replace(snapshot, lanes=(), state="stopping"), False),
        (ended(snapshot), False),
    ):
        wide = console()
        wide.print(picture(moment, 80))
        assert (waiting in written(wide)) == is_said


def test_many_lanes_are_counted(snapshot: Snapshot) -> None:
    """Of more lanes than fit, the rest is one line."""
    lane = LaneStatus(lane=0, device="cpu", n_rows=1, n_slots=1, rows_per_s=1.0)
    wide = console()
    wide.print(picture(replace(snapshot, lanes=(lane,) * 64), 80))
    assert "and 56 lanes more" in written(wide)


@given(
    st.lists(st.integers(0, 500), min_size=4, max_size=4), st.integers(1, 300), st.integers(1, 120)
)
def test_bar_has_exactly_its_width(parts: list[int], budget: int, width: int) -> None:
    """Every cell of the bar is drawn once, also when more trials ran than the budget had."""
    snapshot = Snapshot("s", "running", budget, *parts, None, (), {}, 0.0, 0.0, None)
    drawn = bar(snapshot, width).plain
    assert len(drawn) == width
    if sum(parts) >= budget:
        assert "░" not in drawn


def test_bar_tells_states_apart_without_colour(snapshot: Snapshot) -> None:
    """Each state has its own glyph, as long as its share."""
    assert bar(snapshot, 100, "#=x~.").plain == "#" * 30 + "=" * 20 + "x" * 5 + "~" * 10 + "." * 35


def test_plain_lines_come_every_five_seconds(snapshot: Snapshot) -> None:
    """Of snapshots a second apart, the first, each fifth and the last are written."""
    ticks: Iterator[float] = iter([0.0, *(float(s) for s in range(8))])
    log = console()
    quiet = replace(snapshot, events=())
    with LiveView(log, interactive=False, clock=lambda: next(ticks)) as view:
        for n in range(8):
            view(replace(quiet, n_complete=n))
    counts = [line.split(": ")[1].split(" ")[0] for line in written(log).splitlines()]
    assert counts == ["25", "30", "32"]


def test_plain_lines_have_no_escapes(snapshot: Snapshot) -> None:
    """A log gets one line per snapshot and event, inert, and whole at any width."""
    log = console(width=20)
    event = "trial 3: \x1b[2J" + "long " * 30 + "[bold]"
    with LiveView(log, interactive=False, clock=lambda: 0.0) as view:
        view(replace(snapshot, events=(event,)))
    first, second, third = written(log).splitlines()
    assert first == event.replace("\x1b", "\\x1b")
    assert second == status_line(snapshot)
    assert third == status_line(ended(snapshot))


def test_events_are_shown_as_they_happen(snapshot: Snapshot) -> None:
    """On a terminal an event stays above the picture, which is renewed in place."""
    screen = console(terminal=True)
    with LiveView(screen, interactive=True) as view:
        view(snapshot)
        view(replace(snapshot, events=(), n_complete=31))
    text = written(screen)
    assert text.count("loss is nan at epoch 3") == 1
    assert "31 complete" in text


def test_no_colour_is_honoured(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR set the picture carries no colour."""
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="truecolor")
    screen.print(picture(snapshot, 80))
    assert "\x1b[32m" not in written(screen)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7.6, "8 s"), (125.0, "2 min 5 s"), (12000.0, "3 h 20 min"), (-1.0, "0 s")],
)
def test_durations_are_said_as_people_do(seconds: float, text: str) -> None:
    """Two units at most."""
    assert duration(seconds) == text


def test_a_flood_of_events_is_counted() -> None:
    """Beyond the most lines, one line says how many there were."""
    assert few([str(i) for i in range(9)], 5) == ["0", "1", "2", "3", "4", "and 4 events more"]
    assert few("abc", 5) == ["a", "b", "c"]
