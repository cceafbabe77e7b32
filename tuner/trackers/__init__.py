"""Other programs that show trials, beside the study database: hides when and by whom they are told.

A tracker is a file here and a line in `TRACKERS`, with a key of the spec of the same name.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from tuner.errors import InputError
from tuner.messages import Snapshot

if TYPE_CHECKING:
    from tuner.spec import Spec
    from tuner.trackers.contract import Tracker
    from tuner.trackers.feed import Feed

__all__ = ["FINISH_S", "OPEN_S", "TRACKERS", "Watch", "chosen_trackers", "tracked"]

TRACKERS = {
    "tensorboard": "tuner.trackers.tensorboard:TensorBoard",
    "mlflow": "tuner.trackers.mlflow:MLflow",
}
"""Key of a spec, and name of the extra that installs what it needs -> class."""

FINISH_S = 30.0
"""What trackers have at the end to take what is left; a study that goes on tells them the rest."""

OPEN_S = 120.0
"""What trackers have to be set up, at the end of a study that was quicker.

It is longer: a database that MLflow is about to make would be left half made.
"""

OnProgress = Callable[[Snapshot], None]

_log = logging.getLogger(__name__)


def chosen_trackers(spec: Spec) -> list[Tracker]:
    """The trackers that the spec asks for.

    Raises:
        InputError: What one of them needs is not installed.
    """
    asked = {name: getattr(spec, name) for name in TRACKERS}
    made: list[Tracker] = []
    problems = []
    for name, where in asked.items():
        if where is None:
            continue
        module, _, kind = TRACKERS[name].partition(":")
        try:
            made.append(getattr(import_module(module), kind)(where))
        except ImportError as error:
            problems.append(
                f"{name}: {error.name} must be installed; pip install 'tuner-hpo[{name}]'"
            )
    if problems:
        raise InputError(problems)
    return made


@contextmanager
def tracked(spec: Spec, on_progress: OnProgress | None) -> Iterator[OnProgress | None]:
    """Who is told of the progress of a study, so that the spec's trackers are told too.

    At the end each has `FINISH_S` to take what is left.

    Raises:
        InputError: What a tracker needs is not installed.
    """
    trackers = chosen_trackers(spec)
    if not trackers:
        yield on_progress
        return
    watch = Watch(trackers, spec.storage, on_progress)
    try:
        yield watch
    finally:
        watch.close()


class Watch:
    """Starts trackers with the first snapshot of a study, and tells their warnings as its events.

    Args:
        trackers: To be told.
        url: The study database.
        on_progress: Who is told of the progress else; without anybody, warnings are logged.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        trackers: list[Tracker],
        url: str,
        on_progress: OnProgress | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trackers = trackers
        self._url = url
        self._on_progress = on_progress
        self._clock = clock
        self._feeds: list[Feed] = []
        self._warnings: deque[str] = deque()
        self._last: Snapshot | None = None

    def __call__(self, snapshot: Snapshot) -> None:
        """Passes the snapshot on, with what trackers warned of."""
        if self._last is None:
            self._start(snapshot.study)
        self._last = snapshot
        if self._on_progress is None:
            self._log_warnings()
        else:
            self._on_progress(replace(snapshot, events=(*snapshot.events, *self._taken())))

    def close(self) -> None:
        """The trackers have what there is, or their time is over: the same time for all."""
        for feed in self._feeds:
            feed.ask_to_end()
        end_s = self._clock() + OPEN_S
        for feed in self._feeds:
            feed.wait_until_set_up(end_s - self._clock())
        end_s = self._clock() + FINISH_S
        late = [feed for feed in self._feeds if not feed.join(end_s - self._clock())]
        for feed in late:
            self._warnings.append(f"{feed.name}: not all trials are told after {FINISH_S:g} s")
        if self._warnings and self._on_progress is not None and self._last is not None:
            self._on_progress(replace(self._last, events=tuple(self._taken())))
        self._log_warnings()

    def _start(self, study: str) -> None:
        from tuner.trackers.feed import Feed

        for tracker in self._trackers:
            feed = Feed(tracker, self._url, study, self._warnings.append)
            self._feeds.append(feed)
            feed.start()

    def _taken(self) -> Iterator[str]:
        while self._warnings:
            yield self._warnings.popleft()

    def _log_warnings(self) -> None:
        for line in self._taken():
            _log.warning("%s", line)
