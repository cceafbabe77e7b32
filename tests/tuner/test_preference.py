"""A person judges trials by their pictures in the Optuna dashboard, and the study goes by that."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import pytest
import torch
from dashboard_server import serving
from history import check_history, checked_files
from optuna.trial import FrozenTrial
from optuna_dashboard.preferential import PreferentialStudy
from stubs import StubTrainer
from torch import Tensor

import tuner
from trials.contract import RowState
from tuner import preference
from tuner.cli.facts import study_facts
from tuner.dashboard_notes import study_note
from tuner.errors import InputError
from tuner.launching import artifacts_folder
from tuner.messages import Snapshot
from tuner.report.html import document
from tuner.resolve import resolve
from tuner.spec import spec_from_mapping
from tuner.storage import open_storage
from tuner.study import Study

PNG = b"\x89PNG"
"""What every file of that format begins with."""


class Painter(StubTrainer):
    """A stub that makes images, whose loss is least at x = 0."""

    def samples(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """Grey images of x."""
        return torch.full((64, 1, 8, 8), float(params["x"]))


class Blot(Painter):
    """A stub of which no picture can be made."""

    def samples(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """None."""
        raise ValueError("no picture")


def liking(trial: FrozenTrial) -> tuple[float, int]:
    """The judge of these tests wants x high, whatever the loss; among equals the newer."""
    return trial.params["x"], trial.number


class Person:
    """Finds the worst of the candidates whenever there is a choice, by another connection.

    Args:
        url: Of the database.
        n_wanted: How many candidates it waits for while more may come.
        choices: How often it chooses at most.
    """

    def __init__(self, url: str, n_wanted: int = 3, choices: int = 100) -> None:
        self._url = url
        self._n_wanted = n_wanted
        self.n_left = choices
        self.seen: list[Snapshot] = []

    def __call__(self, snapshot: Snapshot) -> None:
        self.seen.append(snapshot)
        is_last = snapshot.n_complete + snapshot.n_failed + snapshot.n_pruned >= snapshot.budget
        if self.n_left and snapshot.n_to_choose >= (2 if is_last else self._n_wanted):
            self.n_left -= 1
            self.choose()

    def choose(self) -> None:
        """The dashboard's own call for a choice."""
        study = tuner.load("s", storage=self._url)
        storage = open_storage(self._url)
        shown = preference.candidates(storage, storage.get_study_id_from_name("s"))
        worst = min(shown, key=liking)
        better = [trial for trial in shown if trial is not worst]
        PreferentialStudy(study.optuna).report_preference(better, worst)
        storage.close()


class Leaver:
    """Ends the study, as `tuner stop` does, once so many candidates are shown."""

    def __init__(self, url: str, n_shown: int) -> None:
        self._url = url
        self._n_shown = n_shown

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.n_to_choose == self._n_shown and snapshot.state == "running":
            tuner.load("s", storage=self._url).request_stop()


def launched(
    url: str, watch: Callable[[Snapshot], None], trainer: type = Painter, **keys: Any
) -> Study:
    """A study of five trials of which three are shown."""
    given = {"trials": 5, "preference": 3, "epochs": 2, "data": "digits", "space": {"kind": "a"}}
    return tuner.launch(
        trainer, study="s", storage=url, inline=True, on_progress=watch, **given | keys
    )


def test_the_one_that_a_person_prefers_is_the_best(url: str) -> None:
    """Choices go on until one is left, which is the best whatever its value."""
    person = Person(url)
    study = launched(url, person)
    assert study.state == "finished"
    check_history(url, "s", n_trials=5)
    checked_files(study.artifacts)
    favourite = max(study.trials, key=liking)
    assert [trial.number for trial in study.best_trials] == [favourite.number]
    assert study.best_trial.number == favourite.number
    assert study.test["loss"] == pytest.approx(favourite.params["x"] ** 2)
    assert len(list(study.artifacts.glob("weights/*.safetensors"))) == 5
    assert max(snapshot.n_to_choose for snapshot in person.seen) == 3
    assert {snapshot.eta_s for snapshot in person.seen} == {None}
    assert person.seen[-1].best_number == favourite.number
    assert study.spec.sampler.name == "preference"


def test_everything_speaks_of_the_favourite(url: str) -> None:
    """Facts, report, note and saved model name the favourite and that a person chose it."""
    study = launched(url, Person(url))
    best = study.best_trial.number
    record = study.record()
    assert record.best == best
    assert study_facts(study)["best"][0]["trial"] == best
    assert "A person preferred it" in document([record])
    assert "A person preferred it" in study_note(record)
    assert study.replay(best).verdict == "identical"


def test_an_undecided_study_can_be_stopped_and_resumed(url: str) -> None:
    """With choices to be made it is interrupted, says so, and goes on where it was."""

    def stopping(snapshot: Snapshot) -> None:
        person(snapshot)
        if not person.n_left:
            tuner.load("s", storage=url).request_stop()

    person = Person(url, choices=1)
    study = launched(url, stopping)
    check_history(url, "s", is_over=False)
    assert study.state == "interrupted"
    assert study.standing.n_to_choose >= 2
    assert study_facts(study)["candidates"] == study.standing.n_to_choose
    again = study.resume(inline=True, on_progress=Person(url))
    assert again.state == "finished"
    check_history(url, "s", n_trials=5)
    assert again.best_trial.number == max(again.trials, key=liking).number


def test_a_study_whose_trials_are_used_up_waits_for_the_last_choices(url: str) -> None:
    """Trained to the end and not judged, it is interrupted; its choices can be made meanwhile."""
    study = launched(url, Leaver(url, 3), trials=3)
    assert study.state == "interrupted"
    assert study.ended is None
    assert study.best_trials == []
    with pytest.raises(ValueError, match="nobody has chosen"):
        _ = study.best_trial
    assert "Nobody has chosen" in document([study.record()])
    person = Person(url)
    person.choose()
    person.choose()
    study = tuner.load("s", storage=url)
    assert study.best_trial.number == max(study.trials, key=liking).number
    assert study.state == "finished"


def test_a_trial_that_is_not_wanted_is_replaced(url: str) -> None:
    """A skipped candidate is neither shown nor best, and another is trained in its place."""

    def skipping(snapshot: Snapshot) -> None:
        if not skipped and snapshot.n_to_choose == 3:
            with serving(url) as dashboard:
                key = dashboard.trials("s")[0]["trial_id"]
                skipped.append(dashboard.ask("POST", f"/api/studies/1/{key}/skip")[0])
        person(snapshot)

    skipped: list[int] = []
    person = Person(url, n_wanted=4)
    study = launched(url, skipping, trials=4)
    assert skipped == [200]
    assert study.state == "finished"
    assert study.best_trial.number == max(study.trials[1:], key=liking).number


def test_hopeless_and_failed_trials_are_never_shown(url: str) -> None:
    """They use up their part of the budget and others are asked for until enough are shown."""
    kinds = {"kind": {"type": "categorical", "choices": ["a", "ill", "nan"]}}
    study = launched(url, Person(url), space=kinds, trials=8, epochs=4, seed=3)
    check_history(url, "s", n_trials=8)
    counts = study.counts
    assert counts["PRUNED"]
    assert counts["FAIL"]
    shown = [trial for trial in study.trials if preference.PICTURE in trial.user_attrs]
    assert [trial.state.name for trial in shown] == ["COMPLETE"] * counts["COMPLETE"]


def test_a_trial_without_a_picture_fails(url: str) -> None:
    """What it made cannot be shown, so it cannot be judged; the study ends without a best trial."""
    study = launched(url, Person(url), Blot, trials=3)
    check_history(url, "s", n_trials=3)
    assert study.failures() == [(n, "error", "ValueError: no picture") for n in range(3)]
    assert study.state == "finished"
    assert study.best_trials == []


def test_the_dashboard_shows_pictures_and_takes_choices(url: str) -> None:
    """Over HTTP: what its page asks for is there, and what it posts decides."""

    def person(snapshot: Snapshot) -> None:
        if snapshot.n_to_choose < 2:
            return
        with serving(url) as dashboard:
            detail = dashboard.ask("GET", "/api/studies/1")[1]
            worse = {pair[1] for pair in detail["preferences"]}
            shown = [trial for trial in detail["trials"] if trial["number"] not in worse]
            numbers = [trial["number"] for trial in shown if trial["state"] == "Complete"]
            if len(numbers) == 3 or (len(numbers) == 2 and snapshot.n_complete == 4):
                body = {"mode": "ChooseWorst", "candidates": numbers, "clicked": numbers[0]}
                answers.append(dashboard.ask("POST", "/api/studies/1/preference", body))
                details.append(detail)

    details: list[dict[str, Any]] = []
    answers: list[tuple[int, Any]] = []
    study = launched(url, person, trials=4)
    assert answers == [(200, {})] * 3
    assert study.best_trial.number == 3
    detail = details[0]
    assert detail["is_preferential"] is True
    shown = {"output_type": "artifact", "artifact_key": preference.PICTURE}
    assert detail["feedback_component_type"] == shown
    assert len(detail["trials"]) == 3
    store = artifacts_folder(url, None)
    for trial in detail["trials"]:
        named = {item["key"]: item["value"] for item in trial["user_attrs"]}
        artifacts = {item["artifact_id"]: item for item in trial["artifacts"]}
        assert artifacts[named[preference.PICTURE]]["mimetype"] == "image/png"
        assert (store / named[preference.PICTURE]).read_bytes().startswith(PNG)


def test_what_cannot_be_judged_is_refused(url: str) -> None:
    """No trial is told by a choice: one that trains, or is not there, cannot be compared."""
    launched(url, Leaver(url, 2), trials=2, preference=2)
    plain = tuner.load("s", storage=url).optuna
    plain.ask()
    choice: dict[str, Any] = {"mode": "ChooseWorst", "candidates": [0, 1], "clicked": 0}
    refused = [
        ({"candidates": [0, 9]}, 404),
        ({"candidates": [0, 2]}, 409),
        ({"mode": "Best"}, 400),
    ]
    with serving(url) as dashboard:
        for changes, status in refused:
            body = choice | changes
            assert dashboard.ask("POST", "/api/studies/1/preference", body)[0] == status
        assert dashboard.ask("GET", "/api/studies/1")[1]["preferences"] == []
    assert plain.trials[2].state.name == "RUNNING"


def test_where_no_person_judges_choices_are_refused(url: str) -> None:
    """The dashboard would tell a running trial of any study the value 0."""
    keys: dict[str, Any] = {"preference": None, "pruner": {"name": "none"}}
    launched(url, lambda snapshot: None, trials=2, **keys)
    body = {"mode": "ChooseWorst", "candidates": [0, 1], "clicked": 0}
    with serving(url) as dashboard:
        assert dashboard.ask("POST", "/api/studies/1/preference", body)[0] == 400
        assert dashboard.ask("GET", "/api/studies/1")[1]["is_preferential"] is False


def test_choices_that_contradict_each_other_leave_a_favourite(url: str) -> None:
    """Where each trial was once the worse, the one that was preferred most often is the best."""
    study = launched(url, Leaver(url, 3), trials=3)
    trials = study.trials
    theirs = PreferentialStudy(study.optuna)
    theirs.report_preference([trials[0], trials[1]], trials[2])
    theirs.report_preference(trials[1], trials[0])
    assert [trial.number for trial in study.best_trials] == [1]
    theirs.report_preference(trials[2], trials[1])
    theirs.report_preference(trials[1], trials[2])
    assert [trial.number for trial in study.best_trials] == [1]


def test_waiting_for_a_person_writes_nothing(url: str) -> None:
    """A lane that asks again and again leaves no trace, however long the person takes."""

    def counting(snapshot: Snapshot) -> None:
        if snapshot.n_to_choose == 2 and len(counts) < 4:
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as plain:
                counts.append(plain.execute("SELECT count(*) FROM tuner_units").fetchone()[0])
        elif snapshot.n_to_choose:
            person.choose()

    counts: list[int] = []
    person = Person(url)
    launched(url, counting, trials=2, preference=2)
    assert len(counts) == 4
    assert len(set(counts[1:])) == 1


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ({"trainer": "mlp"}, "preference: must be null for what makes no samples"),
        ({"pruner": {"name": "asha"}}, "pruner.name: must be none where a person judges"),
        ({"sampler": {"name": "tpe"}}, "sampler.name: must be preference, qmc or random where"),
        ({"target_value": 0.1}, "target_value: must be null where a person judges, got 0.1"),
        ({"patience_trials": 3}, "patience_trials: must be null where a person judges, got 3"),
        ({"objectives": ["coverage", "precision"]}, "objectives: must be one figure where"),
        ({"preference": 9, "trials": 8}, "preference: must be at most trials=8, got 9"),
        ({"preference": 1}, "preference: must be at least 2, got 1"),
        ({"preference": None, "sampler": {"name": "preference"}}, "sampler.name: must be another"),
    ],
)
def test_what_a_person_cannot_judge_is_a_mistake(url: str, keys: dict[str, Any], line: str) -> None:
    """Each is found before anything is written."""
    given = {"trainer": "gan", "preference": 3, "storage": url} | keys
    with pytest.raises(InputError) as caught:
        tuner.launch(None, inline=True, **given)
    assert any(problem.startswith(line) for problem in caught.value.problems), caught.value.problems


def test_a_function_has_no_pictures(url: str) -> None:
    """Nobody could look at what a function returns."""
    with pytest.raises(InputError, match="got 3 with a function"):
        tuner.launch(lambda trial: 0.0, preference=3, storage=url, inline=True)


def test_a_named_sampler_stays() -> None:
    """Without learning, candidates can be drawn at random or evenly."""
    spec = spec_from_mapping({"trainer": "gan", "preference": 3, "sampler": {"name": "qmc"}})
    assert resolve(spec).spec.sampler.name == "qmc"
