"""Notes and figures that studies get in the Optuna dashboard."""

from __future__ import annotations

import json
from dataclasses import replace

import optuna
import pytest
from optuna_dashboard import get_note, save_note
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from optuna_dashboard._note import get_note_from_system_attrs

import tuner
from tuner.dashboard_notes import STATE, study_note, tell_each, telling, trial_notes
from tuner.report.data import Finding, StudyRecord, TrialRecord
from tuner.storage import open_storage

LOSS = (("loss", "minimize", ""),)


def objective(trial: optuna.Trial) -> float:
    """Fails on one side."""
    x = trial.suggest_float("x", 0.0, 1.0)
    y = trial.suggest_float("y", 0.0, 1.0)
    if x > 0.7:
        raise ValueError("too large")
    return x + y


def launch(url: str, trials: int) -> tuner.Study:
    """A study of random trials in this process."""
    given = {"sampler": {"name": "random"}, "study": "told"}
    return tuner.launch(objective, trials=trials, storage=url, inline=True, **given)


def tell(url: str) -> list[str]:
    """Tells all studies of a database, as the dashboard does; names of those told anew."""
    storage = open_storage(url)
    try:
        return [name for name, is_told in tell_each(storage, url) if is_told]
    finally:
        storage.close()


def test_a_study_is_told_once(url: str) -> None:
    """The dashboard finds the note, notes of failed trials and figures; no trial changed."""
    study = launch(url, 20)
    before = [(t.number, t.state, t.values, t.params) for t in study.trials]
    optuna.create_study(study_name="plain", storage=url)
    assert tell(url) == ["told"]
    assert tell(url) == []
    theirs = optuna.load_study(study_name="told", storage=url)
    body = get_note(theirs)
    assert f"Best: trial {study.best_trial.number}," in body
    assert f"tuner resume --storage {url} --objective MODULE:NAME told" in body
    attributes = theirs._storage.get_study_system_attrs(theirs._study_id)
    failed = next(t for t in theirs.trials if t.state.name == "FAIL")
    assert "Ended early" in get_note_from_system_attrs(attributes, failed._trial_id)["body"]
    figures = get_plotly_graph_objects(attributes)
    assert set(figures) == {"tuner-importance", "tuner-contours", "tuner-space"}
    assert all(json.loads(figure)["data"] for figure in figures.values())
    assert [(t.number, t.state, t.values, t.params) for t in theirs.trials] == before


def test_studies_are_told_while_the_dashboard_serves(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for the notes; a study that is deleted meanwhile is passed over."""
    launch(url, 5)
    optuna.create_study(study_name="gone", storage=url)
    storage = open_storage(url)
    listed = storage.get_all_studies()
    storage.delete_study(storage.get_study_id_from_name("gone"))
    monkeypatch.setattr(storage, "get_all_studies", lambda: listed[::-1])
    with telling(storage, url) as is_first_done:
        assert is_first_done.wait(60)
    storage.close()
    assert "5 trials: " in get_note(optuna.load_study(study_name="told", storage=url))
    assert "'gone' gets no note now" in caplog.text


def test_what_a_person_wrote_stays(url: str) -> None:
    """After more trials the note is renewed, unless somebody has edited it."""
    launch(url, 5)
    tell(url)
    launch(url, 8)
    assert tell(url) == ["told"]
    theirs = optuna.load_study(study_name="told", storage=url)
    assert "8 trials: " in get_note(theirs)
    save_note(theirs, "mine")
    launch(url, 10)
    assert tell(url) == ["told"]
    assert get_note(optuna.load_study(study_name="told", storage=url)) == "mine"


def test_a_running_study_is_left_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written while somebody runs the study."""
    study = launch(url, 5)
    monkeypatch.setattr(tuner.Study, "state", "running")
    assert tell(url) == []
    theirs = study.optuna
    assert STATE not in theirs._storage.get_study_system_attrs(theirs._study_id)


def test_notes_by_hand() -> None:
    """The best, those with findings and failed ones are told; foreign text is inert."""
    trials = (
        TrialRecord(0, "COMPLETE", (0.5,)),
        TrialRecord(1, "COMPLETE", (0.25,)),
        TrialRecord(2, "PRUNED", findings=(Finding("mode collapse", "2 of 8 <b>", 9),)),
        TrialRecord(3, "FAIL", reason="oom: [click](javascript:x)"),
        *(TrialRecord(n, "WAITING", is_foreign=True) for n in (4, 5)),
    )
    record = StudyRecord("a_b\n# c", LOSS, trials, best=1, commands=("tuner show x",))
    notes = trial_notes(record)
    assert list(notes) == [1, 2, 3]
    assert notes[1] == "The best trial of the study."
    assert notes[2] == "- **mode collapse** at step 9: 2 of 8 \\<b\\>"
    assert "\\[click\\](javascript:x)" in notes[3]
    body = study_note(record)
    assert body.startswith("# a\\_b \\# c\n")
    assert "4 trials: 2 complete, 1 pruned, 1 failed.\n\nOther processes added 2 waiting." in body
    assert "Best: trial 1, loss **0.25** (minimize)." in body
    assert "- mode collapse: 1" in body
    many = tuple(TrialRecord(n, "FAIL") for n in range(50))
    assert len(trial_notes(replace(record, trials=many, best=None))) == 20
