"""Values that are no numbers, and code where data belong, end a trial or are passed over."""

from __future__ import annotations

import math
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import optuna
import pytest
from crashes import N_TRIALS, launch, trials_of
from history import check_history
from test_server_faults import hurting

import tuner
from search_spaces import Categorical, Float, Space

ODD = [math.nan, math.inf, -math.inf, 1e308 * 10]


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [("tpe", "median"), ("random", "asha"), ("nsga2", "hyperband"), ("qmc", "none")],
)
def test_samplers_pruners_and_plots_survive_what_is_not_finite(
    url: str, tmp_path: Path, sampler: str, pruner: str
) -> None:
    """On the way or at the end: FAIL at the end, never best, and others are proposed and judged."""

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -1.0, 1.0)
        odd = ODD[trial.number % 4]
        for step in range(4):
            trial.report(
                odd if trial.number % 3 == 1 and step == 1 else x * x + 1 / (step + 1), step
            )
            if trial.should_prune():
                raise optuna.TrialPruned
        return odd if trial.number % 3 == 2 else x * x

    keys: dict[str, Any] = {"sampler": {"name": sampler}, "pruner": {"name": pruner}, "epochs": 4}
    study = tuner.launch(objective, trials=18, storage=url, inline=True, study="s", **keys)
    check_history(url, "s", n_trials=18)
    failed = study.failures()
    assert {reason for _, reason, _ in failed} == {"non-finite"}
    assert {number % 3 for number, _, _ in failed} == {2}
    assert math.isfinite(study.best_trial.value)
    assert study.report(tmp_path / "r.html").is_file()


@pytest.mark.parametrize("pruner", ["asha", "median"])
def test_rows_that_diverge_end_at_once(url: str, tmp_path: Path, pruner: str) -> None:
    """A trainer's loss that is nan ends its row there, and its neighbours go on."""
    space = Space(x=Float(-1.0, 1.0), kind=Categorical(["a", "nan"]))
    study = launch(url, space=space, pruner={"name": pruner})
    check_history(url, "s", n_trials=N_TRIALS)
    kinds = {trial.params["kind"]: set[str]() for trial in study.trials}
    for trial in study.trials:
        kinds[trial.params["kind"]].add(trial.state.name)
    assert kinds["nan"] <= {"FAIL", "PRUNED"}
    assert "FAIL" in kinds["nan"]
    assert "FAIL" not in kinds["a"]
    assert study.best_trial.params["kind"] == "a"
    assert study.report(tmp_path / "r.html").is_file()


@pytest.mark.parametrize("odd", [{"x": "high"}, {"x": None}, {"kind": "c"}, {"kind": ["a"]}])
def test_a_value_enqueued_that_no_axis_takes_ends_its_trial_alone(
    url: str, odd: dict[str, Any]
) -> None:
    """Another process's mistake is FAIL with the value; the trial behind it runs, and the rest."""
    launch(url, trials=2)
    plain = optuna.load_study(study_name="s", storage=url)
    plain.enqueue_trial(odd)
    plain.enqueue_trial({"x": 0.5, "kind": "b"})
    study = launch(url, trials=6)
    check_history(url, "s", n_trials=6)
    ((number, reason, text),) = study.failures()
    assert (number, reason) == (2, "error")
    assert str(next(iter(odd.values()))) in text
    assert study.trials[3].params == {"x": 0.5, "kind": "b"}
    assert len(study.trials) == 7


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_in_place_of_a_checkpoint_is_not_loaded(
    url: str, undisturbed: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its rows start anew, and the code in it does not run."""
    study = launch(url, hurting(lambda: os.kill(os.getpid(), signal.SIGTERM), at=4))
    checkpoints = list((study.artifacts / "checkpoints").iterdir())
    assert checkpoints
    for path in checkpoints:
        path.write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
    launch(url)
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == undisturbed
    assert "starts anew" in caplog.text
    assert not (tmp_path / "ran").exists()
