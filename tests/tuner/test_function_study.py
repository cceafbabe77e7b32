"""Studies of functions and Optuna objectives through the Python API, in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from history import check_history
from optuna.artifacts import FileSystemArtifactStore, upload_artifact

import tuner
from search_spaces import Categorical, Float, Space


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


def test_an_objective_may_stop_its_study(url: str) -> None:
    """After `trial.study.stop()` the trial comes to its end, and no other begins until resumed."""

    def objective(trial: optuna.Trial) -> float:
        if trial.number == 4:
            trial.study.stop()
        return trial.suggest_float("x", 0, 10)

    study = tuner.launch(objective, trials=10, storage=url, inline=True, study="stops")
    assert study.counts["COMPLETE"] == len(study.trials) == 5
    assert (study.state, study.ended) == ("stopped", "trial 4 stopped it")
    assert study.resume(inline=True).counts["COMPLETE"] == 10
    check_history(url, "stops", n_trials=10)


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


class UnspeakableError(RuntimeError):
    """An error that has no text."""

    def __str__(self) -> str:
        raise KeyError("no text")


class OutsiderError(BaseException):
    """An error that `except Exception` does not see, as some test tools have."""


class Unreadable:
    """Neither a number nor anything to show."""

    def __float__(self) -> float:
        raise KeyError("no number")

    def __repr__(self) -> str:
        raise KeyError("no text")


@pytest.mark.parametrize("result", [Unreadable(), 10**400, b"1"], ids=["unreadable", "vast", "b"])
def test_an_odd_object_fails_its_trial(url: str, result: Any) -> None:
    """Whatever an object does when it is asked for its number or its text."""
    study = tuner.launch(
        lambda trial: result if trial.number == 1 else 0.0, trials=3, storage=url, inline=True
    )
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]


@pytest.mark.parametrize(
    "error",
    [UnspeakableError(), GeneratorExit(), asyncio.CancelledError(), OutsiderError()],
    ids=lambda e: type(e).__name__,
)
def test_an_odd_error_fails_its_trial(url: str, error: BaseException) -> None:
    """An error without a text, one that is no Exception, those meant for generators and tasks."""

    def objective(trial: optuna.Trial) -> float:
        if trial.number == 1:
            raise error
        return 0.0

    study = tuner.launch(objective, trials=3, storage=url, inline=True)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert type(error).__name__ in study.trials[1].user_attrs["error"]


def test_a_step_that_no_database_holds_fails_its_trial(url: str) -> None:
    """The study is not harmed, and no deletion is suspected."""

    def objective(trial: optuna.Trial) -> float:
        trial.report(1.0, 2**31 if trial.number == 1 else 2**31 - 1)
        return 0.0

    study = tuner.launch(objective, trials=3, storage=url, inline=True)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert "step must be" in study.trials[1].user_attrs["error"]


def test_an_objective_that_exits_fails_its_trial(url: str) -> None:
    """`sys.exit` in an objective is that trial's failure, with the traceback."""

    def objective(trial: optuna.Trial) -> float:
        raise SystemExit(3)

    study = tuner.launch(objective, trials=2, storage=url, inline=True)
    assert study.counts["FAIL"] == 2
    assert "SystemExit" in study.trials[0].user_attrs["error"]
