"""Trials get from the database to a tracker once, in time, and whatever the tracker does."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from tuner import trackers
from tuner.errors import InputError
from tuner.messages import Snapshot
from tuner.report.data import TrialRecord
from tuner.report.text import encodable
from tuner.spec import Spec, spec_from_mapping
from tuner.storage import open_storage
from tuner.trackers.contract import Outcome, TrackedStudy, Tracker, course, in_words, seconds
from tuner.trackers.feed import MOST_TRIES, PAUSE_S, RETRY_S, SHARE, Feed, tracked_study


@dataclass
class Notes:
    """A tracker that remembers, and refuses as it is told."""

    name: str = "notes"
    refused: tuple[int, ...] = ()
    is_away: bool = False
    n_asked: int = 0
    opened: list[TrackedStudy] = field(default_factory=list)
    trials: list[TrialRecord] = field(default_factory=list)
    closed: list[Outcome] = field(default_factory=list)

    def open(self, study: TrackedStudy) -> None:
        self._answer()
        self.opened.append(study)

    def put(self, trial: TrialRecord) -> None:
        self._answer()
        self.n_asked += trial.number in self.refused
        if trial.number in self.refused:
            raise ValueError(f"cannot take trial {trial.number}\nfor a reason")
        self.trials.append(trial)

    def close(self, outcome: Outcome) -> None:
        self._answer()
        self.closed.append(outcome)

    @property
    def numbers(self) -> list[int]:
        """Of the trials it took, in order."""
        return [trial.number for trial in self.trials]

    def _answer(self) -> None:
        if self.is_away:
            raise ConnectionError("no answer")


@pytest.fixture
def study(url: str) -> optuna.Study:
    """A study of plain Optuna in our database, without trials."""
    storage = open_storage(url)
    return optuna.create_study(study_name="s", storage=storage)


def add(study: optuna.Study, state: str = "COMPLETE", age_s: float = 0.0) -> None:
    """The study has one more trial, with two intermediate values, that began `age_s` ago."""
    kind = TrialState[state]
    trial = create_trial(
        state=kind,
        value=1.0 if kind == TrialState.COMPLETE else None,
        intermediate_values={1: 3.0, 2: 2.0},
    )
    trial.datetime_start = datetime.now() - timedelta(seconds=age_s)
    study.add_trial(trial)


def fed(tracker: Notes, url: str) -> list[str]:
    """What was warned of while a tracker was told everything."""
    warnings: list[str] = []
    feed = Feed(tracker, url, "s", warnings.append)
    feed.start()
    feed.ask_to_end()
    assert feed.join(60.0)
    return warnings


def test_ended_trials_and_long_ones_are_told(study: optuna.Study, url: str) -> None:
    """Each with its values; one that has just begun is not, nor is one that waits."""
    for state in ("COMPLETE", "PRUNED", "FAIL", "WAITING"):
        add(study, state)
    add(study, "RUNNING", age_s=-3600.0)  # however slow the test is, it has not begun
    add(study, "RUNNING", age_s=3600.0)
    tracker = Notes()
    assert fed(tracker, url) == []
    assert [n for n in tracker.numbers if n != 5] == [0, 1, 2]
    assert 5 in tracker.numbers
    assert tracker.trials[0].intermediate == {1: 3.0, 2: 2.0}
    assert tracker.opened[0].objectives == ("value",)
    (outcome,) = tracker.closed
    assert outcome.best is not None
    assert (outcome.best.number, outcome.counts["RUNNING"]) == (0, 2)


def test_a_trial_that_is_refused_keeps_no_other_away(study: optuna.Study, url: str) -> None:
    """All others are told, and the refusal is said once, in one line."""
    for _ in range(6):
        add(study)
    tracker = Notes(refused=(0, 3))
    assert fed(tracker, url) == ["notes: cannot take trial 0; the study goes on"]
    assert tracker.numbers == [1, 2, 4, 5]
    assert len(tracker.closed) == 1


def test_a_tracker_that_is_away_is_warned_of_once(study: optuna.Study, url: str) -> None:
    """However often it was tried; a study that is not there is such trouble too."""
    add(study)
    tracker = Notes(is_away=True)
    assert fed(tracker, url) == ["notes: no answer; the study goes on"]
    missing: list[str] = []
    feed = Feed(Notes(), url, "another", missing.append)
    feed.start()
    feed.ask_to_end()
    assert feed.join(60.0)
    assert len(missing) == 1


def looked(
    tracker: Notes, url: str, n: int, before: Callable[[int], object], length_s: float = 0.0
) -> list[float]:
    """The pauses before and after `n` looks of a feed, each look so long.

    `before` is called before each with its number from 0.
    """
    pauses: list[float] = []

    def wait(pause_s: float) -> bool:
        pauses.append(pause_s)
        is_over = len(pauses) > n
        if not is_over:
            before(len(pauses) - 1)
        return is_over

    ticks = itertools.count(0.0, length_s)
    feed = Feed(tracker, url, "s", lambda _: None, clock=lambda: next(ticks), wait=wait)
    feed.start()
    assert feed.join(60.0)
    return pauses


def test_a_tracker_in_trouble_is_asked_less_often(study: optuna.Study, url: str) -> None:
    """It has a longer pause until it answers again."""
    tracker = Notes()

    def before(n: int) -> None:
        tracker.is_away = 1 <= n <= 2

    add(study, "RUNNING", age_s=3600.0)  # put in each look
    pauses = looked(tracker, url, 4, before)
    assert pauses == [0.0, PAUSE_S, RETRY_S, RETRY_S, PAUSE_S]
    assert tracker.numbers == [0, 0, 0]  # the last one as it is closed


def test_long_looks_have_longer_pauses(study: optuna.Study, url: str) -> None:
    """A look takes at most a fixed share of the time, whether the tracker is well or not."""
    add(study)
    assert looked(Notes(), url, 1, lambda _: None, 10.0) == [0.0, 10.0 * SHARE]
    assert looked(Notes(is_away=True), url, 1, lambda _: None, 10.0) == [0.0, 10.0 * SHARE]


def test_a_trial_that_is_always_refused_is_left_out(study: optuna.Study, url: str) -> None:
    """It is tried so often while others are taken; while none is, the tracker may be away."""
    n = 2 * MOST_TRIES
    add(study)
    alone = Notes(refused=(0,))
    looked(alone, url, n, lambda _: None)
    assert alone.n_asked == n + 1  # the last time as it is closed
    add(study, "RUNNING", age_s=3600.0)  # put in each look
    tracker = Notes(refused=(0,))
    looked(tracker, url, n, lambda _: None)
    assert tracker.n_asked == MOST_TRIES
    assert tracker.numbers == [1] * (n + 1)


def test_all_trackers_share_the_time_at_the_end(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several that never answer are waited for no longer than one, and each is named."""
    now_s = [0.0]

    class Stuck:
        """A feed that lets all the time pass that it is given."""

        def __init__(self, tracker: Notes, *_: object) -> None:
            self.name = tracker.name

        def start(self) -> None:
            """Nothing."""

        def ask_to_end(self) -> None:
            """Nothing."""

        def wait_until_set_up(self, seconds: float) -> None:
            now_s[0] += max(0.0, seconds)

        def join(self, seconds: float) -> bool:
            now_s[0] += max(0.0, seconds)
            return False

    monkeypatch.setattr("tuner.trackers.feed.Feed", Stuck)
    told: list[str] = []
    several: list[Tracker] = [Notes(name) for name in "abc"]
    watch = trackers.Watch(
        several, url, lambda moment: told.extend(moment.events), lambda: now_s[0]
    )
    watch(snapshot("s"))
    watch.close()
    assert now_s == [trackers.OPEN_S + trackers.FINISH_S]
    assert told == [f"{name}: not all trials are told after 30 s" for name in "abc"]


def test_steps_lie_evenly_between_start_and_end() -> None:
    """Of a trial that trains the end is the present; one without steps has a moment too."""
    began = datetime(2026, 5, 4, 3, 2, 1)
    figures = {"loss": {1: 3.0, 4: 1.0}, "accuracy": {2: 0.5}}
    whole = course(TrialRecord(0, "PRUNED", started=began, ended=began + timedelta(0, 8)), figures)
    assert [whole.at(step) - began.timestamp() for step in (0, 1, 2, 4)] == [0.0, 2.0, 4.0, 8.0]
    assert whole.length == 4
    before = seconds(None)
    assert course(TrialRecord(0, "RUNNING", started=began), figures).at(4) >= before
    assert course(TrialRecord(0, "FAIL", started=began, ended=began), {}).at(0) == whole.began


def test_a_study_keeps_its_key_and_no_other_has_it(
    launch: Callable[..., Any], tmp_path: Any
) -> None:
    """The key survives a database that moves; a new study of the same name has another one."""
    keys = []
    for name in ("a", "b"):
        url = f"sqlite:///{tmp_path}/{name}.db"
        launch(1, storage=url)
        storage = open_storage(url)
        keys.append(tracked_study(storage, 1).key)
        storage.close()
        (tmp_path / f"{name}.db").rename(tmp_path / f"{name}-moved.db")
        storage = open_storage(f"sqlite:///{tmp_path}/{name}-moved.db")
        assert tracked_study(storage, 1).key == keys[-1]
        storage.close()
    assert len(set(keys)) == 2


def snapshot(study: str, *events: str) -> Snapshot:
    """A moment of a running study."""
    return Snapshot(study, "running", 9, 0, 0, 0, 0, None, (), {}, 0.0, 0.0, None, events=events)


def test_warnings_of_trackers_are_events(
    study: optuna.Study, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who watches the study sees them beside its own events, each once."""
    add(study)
    away = Notes(is_away=True)
    monkeypatch.setattr(trackers, "chosen_trackers", lambda spec: [away])
    seen: list[str] = []
    spec = Spec(storage=url)
    with trackers.tracked(spec, lambda moment: seen.extend(moment.events)) as watch:
        assert watch is not None
        watch(snapshot("s", "own event"))
    assert seen[0] == "own event"
    assert seen[1:] == ["notes: no answer; the study goes on"]


def test_without_trackers_nothing_stands_between() -> None:
    """The caller's own function is called."""

    def listen(_: Snapshot) -> None:
        """Nothing."""

    with trackers.tracked(Spec(), listen) as watch:
        assert watch is listen


def test_a_library_that_is_missing_is_named_before_the_start(
    launch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the command that installs it, and no study is made."""
    table = {name: f"tuner.trackers.missing_{name}:X" for name in trackers.TRACKERS}
    monkeypatch.setattr(trackers, "TRACKERS", table)
    with pytest.raises(InputError, match=r"pip install 'tuner-hpo\[mlflow\]'"):
        launch(1, mlflow="sqlite:///none.db")


def test_a_password_is_not_stored_with_the_spec() -> None:
    """What is stored is the address alone."""
    spec = spec_from_mapping({"trainer": "mlp", "mlflow": "https://ann:secret@host:5000/a?b=c"})
    assert spec.mlflow == "https://ann:secret@host:5000/a?b=c"
    assert spec.to_plain()["mlflow"] == "https://host:5000/a?b=c"
    for same in ("sqlite:////tmp/a@b.db", "databricks", "http://host/a@b"):
        assert spec_from_mapping({"trainer": "mlp", "mlflow": same}).to_plain()["mlflow"] == same


def test_words_and_texts_are_whole() -> None:
    """Half a surrogate pair harms no encoding, and a failed trial says its last line."""
    assert encodable("a\ud800b") == "a?b"
    failed = TrialRecord(1, "FAIL", reason="error", error="Traceback\nValueError: no")
    assert in_words(failed) == "FAIL: error\nValueError: no"
