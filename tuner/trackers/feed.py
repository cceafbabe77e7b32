"""Hides how trials get from the study database into a tracker: in a thread, and without harm."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from tuner import launching
from tuner.credentials import without_user
from tuner.preference import best_trial
from tuner.storage import open_storage
from tuner.storage.records import MOVED_VALUE
from tuner.study_record import by_step, objective_names, trial_record
from tuner.study_state import study_state
from tuner.trackers.contract import ENDED, Outcome, TrackedStudy

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tuner.report.data import TrialRecord
    from tuner.storage import Attempt, Storage
    from tuner.trackers.contract import Tracker

PAUSE_S = 2.0
"""Between two looks at the database, at least."""

SHARE = 4
"""A pause is so many times as long as the look before it, so that lanes keep their processors."""

RETRY_S = 15.0
"""Pause of a tracker in trouble."""

LIVE_AFTER_S = 10.0
"""A trial that has trained for so long is told before it ends."""

MOST_TRIES = 3
"""A trial that a tracker refuses so often, while it takes others, is left out."""

_MOST_LETTERS = 200

_MOST_IN_A_ROW = 2
"""Refusals of different trials that show a tracker to be away."""


class Feed:
    """Tells a tracker what the database has and it has not, until it is closed.

    It reads the database as anyone may, so that neither lanes nor the ledger know of it. What a
    tracker raises is told once, and tried again; the study goes on.

    Args:
        tracker: Whom to tell.
        url: The study database.
        study: Name of the study.
        warn: Takes a line for people.
        clock: Seconds that never go back.
        wait: Lets so many seconds pass; whether it is to end. None waits for `ask_to_end`.
    """

    def __init__(
        self,
        tracker: Tracker,
        url: str,
        study: str,
        warn: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.name = tracker.name
        self._tracker = tracker
        self._url = url
        self._study = study
        self._warn = warn
        self._clock = clock
        self._closing = threading.Event()
        self._wait = wait or self._closing.wait
        self._is_set_up = threading.Event()
        self._storage: Storage | None = None
        self._study_id = -1
        self._is_open = False
        self._is_in_trouble = False
        self._told: set[int] = set()
        self._failed: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._thread = threading.Thread(target=self._run, name=f"tracker {tracker.name}")
        self._thread.daemon = True

    def start(self) -> None:
        """From now on it tells."""
        self._thread.start()

    def ask_to_end(self) -> None:
        """It tells what is left, and how the study stands, and ends."""
        self._closing.set()

    def wait_until_set_up(self, seconds: float) -> None:
        """The first call on its tracker has returned, or so many seconds are over."""
        self._is_set_up.wait(seconds)

    def join(self, seconds: float) -> bool:
        """Whether it has ended, within so many seconds."""
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause_s = 0.0
        while not self._wait(pause_s):
            began = self._clock()
            is_well = self._try(self._look)
            pause_s = max(PAUSE_S if is_well else RETRY_S, SHARE * (self._clock() - began))
        self._close()  # what it remembers may be a second old
        self._try(self._finish)
        self._close()

    def _close(self) -> None:
        if self._storage is not None:
            self._storage.close()
            self._storage = None

    def _try(self, work: Callable[[Storage], None]) -> bool:
        """Whether the work was done; what went wrong is told when trouble begins."""
        try:
            storage = self._opened()
            self._is_set_up.set()
            work(storage)
        except Exception as error:  # noqa: BLE001 - told to people; a tracker harms no study
            if not self._is_in_trouble:
                self._warn(f"{self.name}: {_in_short(error)}; the study goes on")
            self._is_in_trouble = True
            self._is_set_up.set()
            return False
        self._is_in_trouble = False
        return True

    def _opened(self) -> Storage:
        """The database, in which the study was found, and which the tracker knows."""
        if self._storage is None:
            storage = open_storage(self._url, read_only=True)
            try:
                self._study_id = storage.get_study_id_from_name(self._study)
                if not self._is_open:
                    self._tracker.open(tracked_study(storage, self._study_id))
                    self._is_open = True
            except BaseException:
                storage.close()
                raise
            self._storage = storage
        return self._storage

    def _look(self, storage: Storage) -> None:
        """The tracker has what the database has now.

        Trials that it refused come last, so that one which it cannot take keeps no others away;
        after several refusals in a row it is taken to be away.
        """
        done: list[int] = []
        failed: list[int] = []
        first: Exception | None = None
        n_in_a_row = 0
        for trial in self._news(storage):
            try:
                self._tracker.put(trial)
            except Exception as error:  # noqa: BLE001 - raised again below
                first = first or error
                failed.append(trial.number)
                n_in_a_row += 1
                if n_in_a_row == _MOST_IN_A_ROW:
                    break
                continue
            n_in_a_row = 0
            done.append(trial.number)
            if trial.state in ENDED:
                self._told.add(trial.number)
        self._failed.update(failed)
        if done:
            self._refused.update(failed)
        if first is not None:
            raise first

    def _news(self, storage: Storage) -> Iterator[TrialRecord]:
        """Trials that ended, and those that have trained for a while, the refused ones last."""
        trials = storage.get_all_trials(self._study_id, deepcopy=False)
        chosen = [trial for trial in trials if self._is_news(trial)]
        if not chosen:
            return
        attempts: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in storage.records.attempts(self._study_id):
            attempts[attempt.trial_id].append(attempt)
        for trial in sorted(chosen, key=lambda trial: (self._failed[trial.number], trial.number)):
            key = trial._trial_id
            metrics = by_step(
                metric
                for metric in storage.records.metrics(self._study_id, key)
                if metric.name != MOVED_VALUE
            )
            yield trial_record(trial, attempts[key], metrics.get(key, {}))

    def _is_news(self, trial: FrozenTrial) -> bool:
        if trial.number in self._told or self._refused[trial.number] >= MOST_TRIES:
            return False
        if trial.state.name in ENDED:
            return True
        if trial.state.name != "RUNNING" or trial.datetime_start is None:
            return False
        return (datetime.now() - trial.datetime_start).total_seconds() >= LIVE_AFTER_S

    def _finish(self, storage: Storage) -> None:
        """What is left is told, and, though a trial be refused, how the study stands."""
        try:
            self._look(storage)
        finally:
            self._tracker.close(outcome(storage, self._study_id))


def _in_short(error: Exception) -> str:
    """The beginning of an error's text, without the users and passwords of addresses in it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return without_user(lines[0])[:_MOST_LETTERS]


def tracked_study(storage: Storage, study_id: int) -> TrackedStudy:
    """The study as trackers know it; its key derives from its name and when it was made."""
    name = storage.get_study_name_from_id(study_id)
    created = storage.records.created_at(study_id)
    known_by = f"{name}\n{created}".encode("utf-8", "replace")
    return TrackedStudy(
        key=hashlib.sha256(known_by).hexdigest()[:12],
        name=name,
        objectives=tuple(objective_names(storage, study_id)),
        spec=(storage.records.get_spec(study_id) or ({}, {}))[0],
        created=created,
    )


def outcome(storage: Storage, study_id: int) -> Outcome:
    """How the study stands."""
    standing = study_state(storage, study_id)
    counts = Counter(standing.own) + Counter(standing.foreign)
    attributes = storage.get_study_system_attrs(study_id)
    is_single = len(storage.get_study_directions(study_id)) == 1
    best = None
    with suppress(ValueError):  # there is none yet
        best = best_trial(storage, study_id) if is_single else None
    return Outcome(
        is_finished=standing.is_finished,
        best=None if best is None else trial_record(best, (), {}),
        test=attributes.get(launching.TEST, {}).get("figures", {}),
        counts=dict(counts),
    )
