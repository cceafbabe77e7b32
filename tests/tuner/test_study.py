"""Studies through the Python API, in this process."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from history import check_history, checked_files
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from stubs import StubTrainer

import tuner
from search_spaces import Categorical, Float, Space
from tuner.errors import InputError, StudyExistsError, StudyNotFoundError
from tuner.listing import list_studies


def quadratic(trial: optuna.Trial) -> float:
    """A define-by-run objective with everything in it that Optuna's users use."""
    x = trial.suggest_float("x", -3.0, 3.0)
    kind = trial.suggest_categorical("kind", ["plain", "steep"])
    power = trial.suggest_int("power", 1, 3) if kind == "steep" else 2
    trial.set_user_attr("kind", kind)
    trial.set_constraint("small", abs(x) - 2.5)
    for step in range(5):
        trial.report(abs(x) ** power + 1.0 / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(abs(x) ** power)


def test_an_optuna_objective_runs_unchanged(url: str) -> None:
    """The same function runs under optuna and under tuner, with the same kinds of results."""
    plain = optuna.create_study()
    plain.optimize(quadratic, n_trials=5)
    study = tuner.launch(quadratic, trials=25, storage=url, inline=True, study="f")
    states = {trial.state.name for trial in study.trials}
    assert states <= {"COMPLETE", "PRUNED"}
    assert study.best_trial.user_attrs["kind"] in {"plain", "steep"}
    assert study.best_trial.constraints == {"small": abs(study.best_trial.params["x"]) - 2.5}
    assert optuna.load_study(study_name="f", storage=url).best_value == study.best_trial.value
    check_history(url, "f", n_trials=25)


def test_an_objective_is_pruned_by_the_study(url: str) -> None:
    """`should_prune` asks the study's pruner: poor trials end PRUNED at their last value."""
    study = tuner.launch(
        quadratic,
        trials=30,
        storage=url,
        inline=True,
        pruner={"name": "median", "n_startup_trials": 3},
    )
    pruned = [trial for trial in study.trials if trial.state.name == "PRUNED"]
    assert pruned
    assert all(t.value == t.intermediate_values[t.last_step] for t in pruned)


def test_an_objective_may_look_at_its_study_but_not_change_it(url: str) -> None:
    """Trials, names and directions can be read; attributes of the study cannot be set."""
    seen = []

    def objective(trial: optuna.Trial) -> float:
        study = trial.study
        seen.append((study.study_name, study.direction.name, len(study.trials)))
        with pytest.raises(RuntimeError, match="read-only"):
            study.set_user_attr("a", 1)
        return trial.suggest_float("x", 0, 1)

    tuner.launch(objective, trials=2, storage=url, inline=True, study="looks")
    assert seen == [("looks", "MINIMIZE", 1), ("looks", "MINIMIZE", 2)]


def test_an_objective_uploads_artifacts(url: str, tmp_path: Path) -> None:
    """`upload_artifact` works in an objective, and Optuna finds what it left."""
    store = FileSystemArtifactStore(str(tmp_path / "store"))
    (tmp_path / "store").mkdir()
    file = tmp_path / "note.txt"
    file.write_text("kept")

    def objective(trial: optuna.Trial) -> float:
        upload_artifact(artifact_store=store, file_path=str(file), study_or_trial=trial)
        return 1.0

    tuner.launch(objective, trials=1, storage=url, inline=True, study="art")
    trial = optuna.load_study(study_name="art", storage=url).trials[0]
    assert len(optuna.artifacts.get_all_artifact_meta(trial, storage=None or _storage(url))) == 1


def _storage(url: str) -> optuna.storages.RDBStorage:
    return optuna.storages.RDBStorage(url)


def test_a_function_of_params_and_report(url: str) -> None:
    """With a space, a function gets its parameters and reports by a call."""

    def train(params: dict[str, Any], report: Any) -> dict[str, float]:
        for step in range(3):
            report(params["lr"] + 1.0 / (step + 1), speed=3.0)
        return {"value": params["lr"]}

    space = Space(lr=Float(1e-4, 1.0, log=True), units=Categorical([16, 32]))
    study = tuner.launch(train, space=space, trials=10, storage=url, inline=True, study="p")
    assert set(study.best_trial.params) == {"lr", "units"}
    assert study.best_trial.value == study.best_trial.params["lr"]
    assert study.best_trial.user_attrs["speed"] == 3.0


def test_several_objectives_have_a_front(url: str) -> None:
    """Two objectives are told as a pair; the best trials are those nobody dominates."""

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0.0, 2.0)
        return x, (x - 1.0) ** 2

    study = tuner.launch(
        objective,
        trials=12,
        storage=url,
        inline=True,
        objectives=["size", {"name": "error", "direction": "minimize"}],
    )
    front = {trial.number for trial in study.best_trials}
    assert front == {t.number for t in study.optuna.best_trials}
    assert study.frame()[["size", "error"]].notna().all().all()


@pytest.mark.parametrize(
    ("result", "word"),
    [("text", "text"), (None, "None"), ((1.0, 2.0), "(1.0, 2.0)"), (float("nan"), "nan")],
)
def test_a_poor_result_fails_the_trial_and_the_study_goes_on(
    url: str, result: Any, word: str
) -> None:
    """What is no finite number is FAIL with its reason; other trials are not harmed."""

    def objective(trial: optuna.Trial) -> Any:
        return result if trial.number == 1 else np.float64(trial.number)

    study = tuner.launch(objective, trials=3, storage=url, inline=True)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    ((number, reason, error),) = study.failures()
    assert number == 1
    assert word in error
    assert reason in {"error", "non-finite"}


def test_an_objective_that_exits_fails_its_trial(url: str) -> None:
    """`sys.exit` in an objective is that trial's failure, with the traceback."""

    def objective(trial: optuna.Trial) -> float:
        raise SystemExit(3)

    study = tuner.launch(objective, trials=2, storage=url, inline=True)
    assert study.counts["FAIL"] == 2
    assert "SystemExit" in study.trials[0].user_attrs["error"]


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
