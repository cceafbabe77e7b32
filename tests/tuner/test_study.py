"""Studies through the Python API, in this process."""

from __future__ import annotations

import json
import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from history import check_history, checked_files
from stubs import StubTrainer

import tuner
from search_spaces import Float, Space
from tuner.cli import main
from tuner.cli.facts import resume_command
from tuner.errors import InputError, StudyExistsError, StudyNotFoundError
from tuner.listing import list_studies


def launch_stub(url: str, **keys: Any) -> tuner.Study:
    """A study of the stub trainer, inline."""
    given = {"trials": 8, "slots": 3, "sampler": {"name": "random"}} | keys
    return tuner.launch(StubTrainer, storage=url, inline=True, **given)


def test_a_trainer_study_has_test_figures_of_its_best_trial(url: str) -> None:
    """The test part is looked at once, with the weights of the best trial's last epoch."""
    study = launch_stub(url)
    best = study.best_trial
    assert study.test == {"loss": best.params["x"] ** 2, "epoch": 9.0}
    checked_files(study.artifacts)


def test_studies_without_a_name_are_numbered(url: str) -> None:
    """The first free number is taken, and both studies are listed."""
    assert [launch_stub(url).name, launch_stub(url).name] == ["stub-iris-1", "stub-iris-2"]
    assert [summary.name for summary in list_studies(url)] == ["stub-iris-1", "stub-iris-2"]
    assert [summary.state for summary in list_studies(url)] == ["finished", "finished"]


def test_more_trials_extend_a_finished_study(url: str) -> None:
    """The same launch with more trials goes on; with as many, it does nothing."""
    launch_stub(url, study="s")
    assert len(launch_stub(url, study="s").trials) == 8
    assert len(launch_stub(url, study="s", trials=12).trials) == 12
    check_history(url, "s", n_trials=12)


def test_another_spec_under_the_same_name_is_refused_with_the_difference(url: str) -> None:
    """Nothing is changed, and the first difference is named."""
    launch_stub(url, study="s")
    with pytest.raises(StudyExistsError, match=r"space\.x\.high 1\.0, now 0\.5"):
        launch_stub(url, study="s", space=Space(x=Float(-1.0, 0.5)))
    assert len(tuner.load("s", storage=url).trials) == 8


def test_a_plain_optuna_study_is_not_taken_over(url: str) -> None:
    """A study that tuner did not make is left alone."""
    optuna.create_study(study_name="theirs", storage=url)
    with pytest.raises(StudyExistsError, match="not made by tuner"):
        launch_stub(url, study="theirs")


def test_an_unknown_study_gets_the_nearest_name(url: str) -> None:
    """A typing mistake in a name is answered with the name that is meant."""
    launch_stub(url, study="digits")
    with pytest.raises(StudyNotFoundError, match="did you mean 'digits'"):
        tuner.load("digit", storage=url)


def test_all_mistakes_of_a_launch_are_told_at_once(url: str) -> None:
    """Three mistakes give three lines, and no database is made."""
    with pytest.raises(InputError) as caught:
        tuner.launch("mlp", trials=0, sampler={"name": "tpee"}, lanez=2, storage=url)
    assert len(caught.value.problems) >= 2
    assert not Path(url.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize(
    ("number", "n"), [(signal.SIGINT, 3), (signal.SIGTERM, 4), (signal.SIGHUP, 5)]
)
def test_a_signal_ends_a_study_cleanly_and_it_can_be_resumed(
    url: str, number: signal.Signals, n: int
) -> None:
    """After a signal in the middle, the study is interrupted; resumed, it has all its trials."""
    whole = launch_stub(url, study="whole", trials=30)
    calls = []

    def interrupt(snapshot: Any) -> None:
        calls.append(snapshot)

    class Interrupting(StubTrainer):
        """Sends the signal to this process when the n-th cohort is made."""

        n = 0

        def cohort(self, structure: object) -> Any:
            Interrupting.n += 1
            if Interrupting.n == n:
                os.kill(os.getpid(), number)
            return super().cohort(structure)

    study = tuner.launch(
        Interrupting,
        storage=url,
        inline=True,
        study="s",
        trials=30,
        slots=3,
        sampler={"name": "random"},
        on_progress=interrupt,
    )
    assert study.interrupted == number.name
    assert study.state == "interrupted"
    assert study.counts["RUNNING"] > 0
    again = launch_stub(url, study="s", trials=30)
    assert again.state == "finished"
    values = [(t.state, t.values, t.params) for t in again.trials]
    assert values == [(t.state, t.values, t.params) for t in whole.trials]
    check_history(url, "s", n_trials=30)


def test_a_study_that_somebody_runs_is_refused(url: str) -> None:
    """A second launch while the first runs is told who has the study."""
    seen: list[str] = []

    class Nested(StubTrainer):
        """Launches its own study a second time."""

        def cohort(self, structure: object) -> Any:
            if not seen:
                seen.append("")
                with pytest.raises(StudyExistsError) as caught:
                    launch_stub(url, study="s")
                seen[0] = str(caught.value)
            return super().cohort(structure)

    tuner.launch(Nested, storage=url, inline=True, study="s", trials=8, slots=3,
                 sampler={"name": "random"})  # fmt: skip
    assert f"process {os.getpid()}" in seen[0]


def test_a_study_is_stopped_from_outside(url: str) -> None:
    """A stop request in the database ends the run; the study can be resumed."""

    class Stopping(StubTrainer):
        """Asks for the stop as another process would."""

        n = 0

        def cohort(self, structure: object) -> Any:
            Stopping.n += 1
            if Stopping.n == 2:
                assert tuner.load("s", storage=url).request_stop()
            return super().cohort(structure)

    study = tuner.launch(Stopping, storage=url, inline=True, study="s", trials=4000, slots=2,
                         sampler={"name": "random"})  # fmt: skip
    assert 0 < study.counts["RUNNING"] < 100
    assert study.interrupted is None
    assert tuner.load("s", storage=url).request_stop() is False


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_study_is_exported_as_a_table(url: str, tmp_path: Path, ending: str) -> None:
    """Each format holds one row a trial with its value."""
    study = launch_stub(url)
    path = tmp_path / f"trials.{ending}"
    study.export(path)
    read = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}[ending]
    table = read(path)
    assert list(table["number"]) == list(range(8))
    np.testing.assert_allclose(table["loss"].min(), study.best_trial.value)


def test_text_of_a_table_is_no_formula(url: str, tmp_path: Path) -> None:
    """A choice that begins like a formula is quoted in a CSV file."""

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_categorical("c", ["=1+1"])
        return 0.0

    study = tuner.launch(objective, trials=1, storage=url, inline=True)
    study.export(tmp_path / "t.csv")
    assert "'=1+1" in (tmp_path / "t.csv").read_text()


def test_a_report_is_written(url: str, tmp_path: Path) -> None:
    """The report of a study is one HTML file that names the study and its best value."""
    study = launch_stub(url, study="reported")
    text = study.report(tmp_path / "r.html").read_text()
    assert "reported" in text
    assert f"{study.best_trial.value:.4g}" in text


@pytest.mark.parametrize("name", ["n" * 512, "\U0001f600 שלום", "../up", "a'b\"c%d", "x/y"])
def test_odd_names_are_kept_exactly(url: str, name: str) -> None:
    """A printable name is stored as it is, and no file is named after it."""
    study = launch_stub(url, study=name, trials=2)
    assert optuna.load_study(study_name=name, storage=url).study_name == name
    assert study.artifacts.name == "study-1"


@pytest.mark.parametrize("name", ["n" * 513, "", "a\nb", "a\0b", "\x1b[31mred"])
def test_unprintable_names_are_refused(url: str, name: str) -> None:
    """Names that are too long, empty or hold control characters are refused before anything."""
    with pytest.raises(InputError, match="study"):
        launch_stub(url, study=name)


def test_the_spec_and_environment_are_stored_with_the_study(url: str) -> None:
    """What was asked for comes back, and the versions are there; no password is."""
    study = launch_stub(url, seed=5)
    assert study.spec.seed == 5
    record = study.record()
    assert record.environment["packages"]["optuna"] == optuna.__version__
    assert record.environment["data_fingerprint"]
    assert "storage" not in json.dumps(dict(record.spec))


def test_code_is_not_imported_because_a_database_names_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study of an import string is resumed only when the same string is given again."""
    (tmp_path / "own_code.py").write_text(
        "def f(trial):\n    return trial.suggest_float('x', 0, 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    study = tuner.launch("own_code:f", trials=2, storage=url, inline=True, study="s")
    with pytest.raises(InputError, match="--objective own_code:f"):
        study.resume(trials=3, inline=True)
    again = tuner.load("s", storage=url).resume(trials=3, objective="own_code:f", inline=True)
    assert again.counts["COMPLETE"] == 3


@pytest.mark.parametrize("space", [None, {"x": {"type": "float", "low": 0, "high": 1}}])
def test_a_function_given_from_python_comes_back_by_its_import_string(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: dict[str, Any] | None
) -> None:
    """The resume command says that code is wanted, and goes on with the function it is given."""
    body = "params['x']" if space else "params.suggest_float('x', 0, 1)"
    name = "given_with_space" if space else "given_alone"
    arguments = "params, report" if space else "params"
    (tmp_path / f"{name}.py").write_text(f"def f({arguments}):\n    return {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TUNER_STORAGE", url)
    function = import_module(name).f
    study = tuner.launch(function, trials=2, space=space, inline=True, study="s")
    assert resume_command(study) == "tuner resume --objective MODULE:NAME s"
    given = ["resume", "s", "--trials", "3", "--inline", "--no-report"]
    assert main([*given, "--objective", f"{name}:g"]) == main(given) == 2
    assert main([*given, "--objective", f"{name}:f"]) == 0
    assert tuner.load("s").counts["COMPLETE"] == 3
    check_history(url, "s", n_trials=3)


def test_a_trainer_given_from_python_comes_back_by_its_import_string(url: str) -> None:
    """The class is looked up, and the study goes on as it is stored."""
    launch_stub(url, study="s", trials=2)
    again = tuner.load("s", storage=url).resume(3, objective="stubs:StubTrainer", inline=True)
    assert len(again.trials) == 3


def test_reading_makes_no_database(url: str) -> None:
    """A study looked for in a file that is not there is told so, and no file is made."""
    for read in (lambda: tuner.load("s", storage=url), lambda: list_studies(url)):
        with pytest.raises(StudyNotFoundError, match="no database at"):
            read()
    assert not Path(url.removeprefix("sqlite:///")).exists()


def test_a_keyboard_interrupt_in_an_objective_leaves_a_study_to_resume(url: str) -> None:
    """It ends the run as Ctrl-C does, and the trial waits for the study to go on."""

    def objective(trial: optuna.Trial) -> float:
        if trial.number == 1:
            raise KeyboardInterrupt
        return 1.0

    study = tuner.launch(objective, trials=3, storage=url, inline=True)
    assert study.interrupted == "SIGINT"
    assert study.counts["RUNNING"] == 1


def test_a_finished_study_is_resumed_at_once(url: str) -> None:
    """Without more trials there is nothing to do, and no code is needed."""
    study = launch_stub(url, study="s")
    assert tuner.load("s", storage=url).resume().counts == study.counts
