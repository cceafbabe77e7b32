"""The live view of a running study: hides whether a terminal watches or a file collects lines."""

from __future__ import annotations

import os
import sys
import textwrap
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleDimensions, Group, OverflowMethod
from rich.live import Live
from rich.text import Text

from tuner.cli.sparkline import Trace, sparkline
from tuner.cli.terminal import figure, inert
from tuner.messages import LaneStatus, Snapshot

LINE_EVERY_S = 5.0
MOST_LANES = 8
MOST_EVENTS = 5
MOST_PARAMS_LINES = 3
BAR_WIDTH = 100
SPARK_WIDTH = 30
_GLYPHS = ("█", "▓", "✗", "▒", "░")
_ASCII_GLYPHS = ("#", "=", "x", "~", ".")
_STYLES = ("green", "yellow", "red", "cyan", "dim")


class Screen(Console):
    """Standard error as long as it can be written; nobody reading it any more ends no study."""

    def on_broken_pipe(self) -> None:
        """Nothing is written from now on."""
        self.quiet = True

    def fit(self) -> None:
        """The width and height are those that the terminal has now, whatever COLUMNS says."""
        with suppress(OSError, ValueError):
            columns, lines = os.get_terminal_size(self.file.fileno())
            if columns and lines:
                self.size = ConsoleDimensions(columns, lines)


class LiveView:
    """Shows every snapshot it is called with, for as long as it is entered.

    On a terminal one picture is renewed in place and events scroll above it; elsewhere a line is
    written every five seconds, and one for each event. `NO_COLOR` is honoured. Where nothing can
    be written any more, nothing is shown, and the study goes on.

    Args:
        console: Where to write; None is standard error.
        interactive: Whether a picture is wanted; None asks whether the console is a terminal.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        console: Console | None = None,
        interactive: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Screen(
            stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=False
        )
        self._fit()
        if interactive is None:
            interactive = sys.stderr.isatty() and not self._console.is_dumb_terminal
        begin = Text("starting", style="dim")
        console = self._console
        self._live = Live(begin, console=console, auto_refresh=False) if interactive else None
        self._clock = clock
        self._due_s = 0.0
        self._last: Snapshot | None = None
        self._best = Trace()
        self._is_last_written = True

    def __enter__(self) -> Self:
        if self._live:
            self._try(partial(self._live.start, refresh=True))
        self._due_s = self._clock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        last = self._last and ended(self._last)
        if self._live:
            if last:
                self._draw(self._live, last)
            self._try(self._live.stop)
        elif last and not (self._is_last_written and is_over(last)):
            self._write(status_line(last))

    def __call__(self, snapshot: Snapshot) -> None:
        """Shows `snapshot`; its events are shown once, in order."""
        for line in few(snapshot.events, MOST_EVENTS):
            self._write(line)
        self._last = snapshot
        if self._live:
            if snapshot.best_values:
                self._best.add(snapshot.best_values[0])
            self._draw(self._live, snapshot)
            return
        now_s = self._clock()
        self._is_last_written = now_s >= self._due_s
        if self._is_last_written:
            self._due_s = now_s + LINE_EVERY_S
            self._write(status_line(snapshot))

    def _draw(self, live: Live, snapshot: Snapshot) -> None:
        self._fit()
        ascii_only = self._console.options.ascii_only
        drawn = picture(snapshot, self._console.width, ascii_only, self._best.values)
        self._try(partial(live.update, drawn, refresh=True))

    def _write(self, line: str) -> None:
        """A line in a log is left whole; on a terminal it is folded to the width it has now."""
        self._fit()
        is_whole = self._live is None
        overflow: OverflowMethod = "ignore" if is_whole else "fold"
        text = Text(inert(line) if is_whole else even(line), overflow=overflow)
        self._try(partial(self._console.print, text, soft_wrap=is_whole))

    def _fit(self) -> None:
        if isinstance(self._console, Screen):
            self._console.fit()

    def _try(self, write: Callable[[], object]) -> None:
        """Writes, or falls silent: a terminal that is gone and a full disk harm no study."""
        try:
            write()
        except OSError:
            self._console.quiet = True


def picture(
    snapshot: Snapshot, width: int, ascii_only: bool = False, best: Sequence[float] = ()
) -> Group:
    """The snapshot as lines that each fit into `width` columns.

    Args:
        snapshot: What to show.
        width: Columns of the terminal.
        ascii_only: Use letters that every terminal has.
        best: The best value at moments so far, drawn behind its last one.
    """
    course = sparkline(best, SPARK_WIDTH, ascii_only)
    lines = [
        Text(f"{even(snapshot.study)}  {state_text(snapshot)}", style="bold"),
        bar(snapshot, min(width, BAR_WIDTH), _ASCII_GLYPHS if ascii_only else _GLYPHS),
        Text(counts_text(snapshot)),
        Text(pace_text(snapshot)),
        Text(f"{best_text(snapshot)}  {course}" if course else best_text(snapshot)),
        *(Text(line) for line in params_lines(snapshot, width)),
    ]
    lanes = sorted(snapshot.lanes, key=lambda lane: lane.lane)
    lines += [Text(lane_text(lane)) for lane in lanes[:MOST_LANES]]
    if not lanes and snapshot.state == "running" and not is_over(snapshot):
        lines.append(Text("no lane yet: its process is being started"))
    if len(snapshot.lanes) > MOST_LANES:
        lines.append(Text(f"and {len(snapshot.lanes) - MOST_LANES} lanes more"))
    for line in lines:
        line.truncate(width, overflow="crop" if ascii_only else "ellipsis")
    return Group(*lines)


def bar(snapshot: Snapshot, width: int, glyphs: Sequence[str] = _GLYPHS) -> Text:
    """The budget as `width` cells: complete, pruned, failed, running, and what is left.

    The parts differ by glyph and by colour, so that either is enough.
    """
    parts = (snapshot.n_complete, snapshot.n_pruned, snapshot.n_failed, snapshot.n_running)
    total = max(snapshot.budget, sum(parts), 1)
    text, done, start = Text(), 0, 0
    for n, glyph, style in zip((*parts, total - sum(parts)), glyphs, _STYLES, strict=True):
        done += n
        end = width * done // total
        text.append(glyph * (end - start), style)
        start = end
    return text


def is_over(snapshot: Snapshot) -> bool:
    """Whether the budget is used up and nothing trains any more."""
    n_done = snapshot.n_complete + snapshot.n_pruned + snapshot.n_failed
    return n_done >= snapshot.budget and not snapshot.n_running and not snapshot.n_to_choose


def ended(snapshot: Snapshot) -> Snapshot:
    """The snapshot as it stays on the screen once nobody works on the study any more."""
    state = "interrupted" if snapshot.n_running else "ended"
    return replace(snapshot, state=state, eta_s=None, lanes=(), events=())


def state_text(snapshot: Snapshot) -> str:
    """What the study does: `running`, `stopping`, `done`, or `ended` or `interrupted` before.

    Where candidates wait for a person's choice, it says so.
    """
    state = "done" if is_over(snapshot) else snapshot.state
    if not snapshot.n_to_choose:
        return state
    return f"{state}, {snapshot.n_to_choose} candidates to choose from in `tuner dashboard`"


def counts_text(snapshot: Snapshot) -> str:
    """How many trials are in which state, such as `3 of 9 trials: 2 complete, 1 pruned`."""
    states = {
        "complete": snapshot.n_complete,
        "pruned": snapshot.n_pruned,
        "failed": snapshot.n_failed,
        "interrupted" if snapshot.state == "interrupted" else "running": snapshot.n_running,
    }
    n_done = snapshot.n_complete + snapshot.n_pruned + snapshot.n_failed
    listed = ", ".join(f"{n} {state}" for state, n in states.items() if n) or "none yet"
    return f"{n_done} of {snapshot.budget} trials: {listed}"


def best_text(snapshot: Snapshot) -> str:
    """The best value so far and its trial."""
    if snapshot.best_number is None:
        return "no best trial yet"
    return f"best {figure(snapshot.best_values)} (trial {snapshot.best_number})"


def params_lines(snapshot: Snapshot, width: int) -> list[str]:
    """The parameters of the best trial on a few lines of at most `width` letters."""
    text = even(figure(snapshot.best_params)) if snapshot.best_params else ""
    return textwrap.wrap(
        text,
        max(width, 10),
        initial_indent="  ",
        subsequent_indent="  ",
        max_lines=MOST_PARAMS_LINES,
        placeholder=" ...",
    )


def pace_text(snapshot: Snapshot) -> str:
    """Trials per second, time spent and, of a study that is not over, time left."""
    is_known = snapshot.eta_s is not None and not is_over(snapshot)
    left = f", {duration(snapshot.eta_s or 0.0)} left" if is_known else ""
    return f"{snapshot.trials_per_s:.3g} trials/s, {duration(snapshot.elapsed_s)} spent{left}"


def lane_text(lane: LaneStatus) -> str:
    """One lane: its device, how many slots hold a row, its speed and its memory."""
    rows = f"{lane.n_rows}/{lane.n_slots} rows"
    speed = f"{lane.rows_per_s:.3g} rows/s"
    memory = size(lane.memory_bytes) if lane.memory_bytes else ""
    line = f"lane {lane.lane}  {lane.device:<7} {rows:>12}  {speed:<12}  {memory}"
    return even(line.rstrip())


def status_line(snapshot: Snapshot) -> str:
    """The snapshot as one line for a log."""
    head = f"{snapshot.study} {state_text(snapshot)}: {counts_text(snapshot)}"
    best = "" if snapshot.best_number is None else f"; best {figure(snapshot.best_values)}"
    return f"{head}{best}; {pace_text(snapshot)}"


def duration(seconds: float) -> str:
    """Seconds as people say them: `8 s`, `2 min 5 s`, `3 h 20 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def even(text: str) -> str:
    """`text` as `inert` makes it, without marks that join letters: terminals disagree on how wide
    joined ones are.
    """
    return "".join(letter for letter in inert(text) if unicodedata.category(letter) != "Cf")


def size(n_bytes: int) -> str:
    """Bytes as people say them: `12 MiB`, `1.5 GiB`."""
    mebibytes = n_bytes / 2**20
    return f"{mebibytes:.0f} MiB" if mebibytes < 1000 else f"{mebibytes / 1024:.1f} GiB"


def few(lines: Iterable[str], most: int) -> list[str]:
    """The first `most` lines, and one that says how many more there were."""
    found = list(lines)
    return found if len(found) <= most else [*found[:most], f"and {len(found) - most} events more"]
