"""What MLflow's own client finds in its database is what the study database says."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tracked_objective import FAILED, N_STEPS, PRUNED

from tuner.study import Study

pytest.importorskip("mlflow", reason="needs the extra mlflow")

if TYPE_CHECKING:
    from mlflow.entities import Run

# MLflow's own, with SQLAlchemy 2.1: a strategy of loading that it is to give up.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}


def runs(uri: str) -> tuple[list[Run], dict[int, Run]]:
    """Runs of studies, and runs of trials by number."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "tuner"]
    found = client.search_runs([experiment.experiment_id])
    trials = [run for run in found if "tuner.trial" in run.data.tags]
    numbered = {int(run.data.tags["tuner.trial"]): run for run in trials}
    assert len(numbered) == len(trials)
    return [run for run in found if run not in trials], numbered


def history(uri: str, run: Run, metric: str) -> list[tuple[int, float]]:
    """Steps and values of a metric."""
    from mlflow.tracking import MlflowClient

    found = MlflowClient(tracking_uri=uri).get_metric_history(run.info.run_id, metric)
    return sorted((entry.step, entry.value) for entry in found)


def test_a_study_is_a_run_with_a_run_for_each_trial(
    tmp_path: Path, launch: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters, steps, results, states and reasons are told once, though the study goes on."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    launch(4, mlflow=uri)
    study = launch(6, mlflow=uri)
    (parent,), trials = runs(uri)
    assert (parent.info.run_name, parent.info.status) == (study.name, "FINISHED")
    assert parent.data.params["trials"] == "4"
    assert parent.data.metrics["best_value"] == study.best_trial.value
    assert parent.data.tags["tuner.best_trial"] == str(study.best_trial.number)
    assert parent.data.metrics["trials_complete"] == 4
    assert sorted(trials) == list(range(6))
    for frozen in study.trials:
        run = trials[frozen.number]
        state = frozen.state.name
        assert (run.info.status, run.data.tags["tuner.state"]) == (STATUS[state], state)
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.run_name == f"trial {frozen.number}"
        assert frozen.datetime_start is not None
        assert frozen.datetime_complete is not None
        assert run.info.start_time == int(frozen.datetime_start.timestamp() * 1000)
        assert run.info.end_time == int(frozen.datetime_complete.timestamp() * 1000)
        assert run.data.params == {
            "x": str(frozen.params["x"]),
            "choice _1_1": str(frozen.params["choice =1+1"]),
            "units_.._n": str(frozen.params["units/../n"]),
        }
        assert history(uri, run, "value") == sorted(frozen.intermediate_values.items())
        result = [(N_STEPS - 1, frozen.value)] if state == "COMPLETE" else []
        assert history(uri, run, "value_value") == result
    assert "went wrong 🎉" in trials[FAILED].data.tags["mlflow.note.content"]
    assert trials[PRUNED].data.tags["mlflow.note.content"].startswith("PRUNED")


def test_a_server_that_is_away_harms_no_study(
    launch: Callable[..., Study], caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, without the password of the address, and the study is finished."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        port = held.getsockname()[1]
        study = launch(3, mlflow=f"http://ann:secret@127.0.0.1:{port}")
    assert study.state == "finished"
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("tuner")]
    (line,) = ours
    assert line.startswith("mlflow: ")
    assert line.endswith("; the study goes on")
    assert "secret" not in caplog.text
