"""Lanes on a real, local Ray, shared by the tests of this file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import ray
from dashboard_server import Dashboard, serving
from history import check_history
from stubs import StubTrainer

import tuner
from tuner.cluster.service import Room, own_node
from tuner.errors import StudyDeletedError
from tuner.messages import Snapshot
from tuner.storage import open_storage
from tuner.warmup import Warmup


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """A local Ray of four logical CPUs, as `tuner launch` starts it."""
    with Warmup(None, n_cpus=4) as warmup:
        yield warmup.room()


pytestmark = pytest.mark.usefixtures("room")


def rows(study: tuner.Study) -> list[tuple[Any, ...]]:
    """What training decided about the trials."""
    return [(t.number, t.state, t.values, t.params, t.intermediate_values) for t in study.trials]


def launch(url: str, **keys: Any) -> tuner.Study:
    """A study of the stub trainer on Ray."""
    given = {"trials": 30, "slots": 4, "lanes": 2, "storage": url} | keys
    return tuner.launch(StubTrainer, **given)


def test_two_lanes_share_a_study(url: str, tmp_path: Path) -> None:
    """Every trial ends once, and both lanes trained."""

    class Sociable(StubTrainer):
        """Trains nothing before two processes want to."""

        def cohort(self, structure: object) -> Any:
            (tmp_path / f"{os.getpid()}.lane").touch()
            patience = time.monotonic() + 60
            while len(list(tmp_path.glob("*.lane"))) < 2 and time.monotonic() < patience:
                time.sleep(0.05)
            return super().cohort(structure)

    study = tuner.launch(Sociable, trials=30, slots=4, lanes=2, storage=url, study="s")
    assert len({lane["lane"] for lane in study.lanes()}) == 2
    assert study.test["epoch"] == 9.0
    check_history(url, "s", n_trials=30)


def test_one_lane_on_ray_gives_the_trials_of_one_inline(url: str) -> None:
    """The same seed on one lane gives bitwise the same history, inline and through Ray."""
    keys = {"lanes": 1, "sampler": {"name": "tpe", "n_startup_trials": 5}}
    on_ray = launch(url, study="ray", **keys)
    inline = launch(url, study="inline", inline=True, **keys)
    assert rows(on_ray) == rows(inline)


def test_a_signal_to_the_group_of_a_command_does_not_reach_ray() -> None:
    """Ray's processes are in other groups than this one: `timeout` ends a command, not its node."""
    node = own_node()
    everything = [*node, *(child for process in node for child in process.children(recursive=True))]
    assert len(everything) > len(node) == 2
    assert os.getpgrp() not in {os.getpgid(process.pid) for process in everything}


def kill_lane_once(marker: Path) -> type[StubTrainer]:
    """A trainer whose first process dies in its twelfth epoch, by SIGKILL."""

    class Killed(StubTrainer):
        n = 0

        def cohort(self, structure: object) -> Any:
            cohort = super().cohort(structure)
            advance = cohort.advance

            def dying() -> Any:
                Killed.n += 1
                if Killed.n == 12 and not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return advance()

            cohort.advance = dying
            return cohort

    return Killed


def test_a_killed_lane_is_replaced_and_its_trials_are_tried_again(url: str, tmp_path: Path) -> None:
    """After kill -9 of a lane the study ends complete, and says which attempts were lost."""
    trainer = kill_lane_once(tmp_path / "killed")
    study = tuner.launch(
        trainer, trials=20, slots=3, lanes=1, storage=url, study="s", sampler={"name": "random"}
    )
    assert (tmp_path / "killed").exists()
    assert study.counts["FAIL"] == 0
    assert sum(lane.get("lost", 0) for lane in study.lanes()) > 0
    check_history(url, "s", n_trials=20)
    whole = tuner.launch(
        StubTrainer, trials=20, slots=3, storage=url, sampler={"name": "random"}, inline=True
    )
    assert {t.number: t.params for t in study.trials} == {t.number: t.params for t in whole.trials}


def test_an_objective_runs_on_a_lane(url: str) -> None:
    """An unchanged Optuna objective reports, is pruned, and sets attributes through Ray."""

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0.0, 1.0)
        trial.set_user_attr("pid", os.getpid())
        for step in range(4):
            trial.report(x, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x

    study = tuner.launch(objective, trials=12, lanes=2, storage=url, study="f")
    assert os.getpid() not in {t.user_attrs["pid"] for t in study.trials}
    check_history(url, "f", n_trials=12)


SEEN_WITHIN_S = 2.5
"""After so long a ledger knows what other processes wrote."""


class Visitor:
    """Watches a launch, and does something once while its trial 3 runs.

    That trial and later ones go on when the ledger has seen it.

    Args:
        dashboard: Where it is done.
        done: A file that is there afterwards.
        act: What is done, with the trial's key.
    """

    def __init__(self, dashboard: Dashboard, done: Path, act: Callable[[int], object]) -> None:
        self._dashboard = dashboard
        self._done = done
        self._act = act
        self._seen_s = 0.0

    def __call__(self, _: Snapshot) -> None:
        if self._seen_s:
            if time.monotonic() > self._seen_s:
                self._done.touch()
        elif "s" in self._dashboard.studies():
            trial = self._dashboard.trials("s").get(3)
            if trial is not None and trial["state"] == "Running":
                self._act(trial["trial_id"])
                self._seen_s = time.monotonic() + SEEN_WITHIN_S

    def launch(self, url: str) -> tuner.Study:
        """The study, run by two lanes."""
        done = self._done

        def objective(trial: optuna.Trial) -> float:
            x = trial.suggest_float("x", 0.0, 1.0)
            trial.report(x, 1)
            patience = time.monotonic() + 60
            while trial.number >= 3 and not done.exists() and time.monotonic() < patience:
                time.sleep(0.05)
            return x

        given = {"trials": 12, "lanes": 2, "sampler": {"name": "random"}}
        return tuner.launch(objective, study="s", storage=url, on_progress=self, **given)


@pytest.fixture
def dashboard(url: str) -> Iterator[Dashboard]:
    """A dashboard over a database without a study."""
    open_storage(url).close()
    with serving(url) as served:
        yield served


def test_using_the_dashboard_while_lanes_run(
    url: str, dashboard: Dashboard, tmp_path: Path
) -> None:
    """Notes, uploads, attributes, telling and enqueueing count; renaming is refused."""
    note = {"body": "mine", "version": 1}
    file = {"file": "data:text/plain;base64,c2Vlbg==", "filename": "seen.txt"}

    def act(trial: int) -> None:
        study = dashboard.studies()["s"]
        acts: list[tuple[str, str, Any, int]] = [
            ("PUT", f"/api/studies/{study}/note", note, 204),
            ("PUT", f"/api/studies/{study}/{trial}/note", note, 204),
            ("POST", f"/api/trials/{trial}/user-attrs", {"user_attrs": {"seen": 1}}, 204),
            ("POST", f"/api/artifacts/{study}/{trial}", file, 201),
            ("POST", f"/api/studies/{study}/rename", {"study_name": "other"}, 409),
            ("POST", f"/api/trials/{trial}/tell", {"state": "Complete", "values": [-3.0]}, 204),
            ("POST", f"/api/trials/{trial}/tell", {"state": "Fail"}, 409),
        ]
        for method, path, body, status in acts:
            assert dashboard.ask(method, path, body)[0] == status, path
        theirs = optuna.load_study(study_name="s", storage=url)
        theirs.enqueue_trial({"x": 0.125})
        theirs.add_trial(optuna.trial.create_trial(value=-1.0))

    study = Visitor(dashboard, tmp_path / "done", act).launch(url)
    check_history(url, "s", n_trials=12)
    assert (study.trials[3].values, study.trials[3].user_attrs["seen"]) == ([-3.0], 1)
    assert [t.params["x"] for t in study.trials if t.params.get("x") == 0.125] == [0.125]
    assert study.best_trial.value == -3.0
    assert study.counts["COMPLETE"] == 13


def test_a_study_deleted_in_the_dashboard_ends_its_lanes(
    url: str, dashboard: Dashboard, tmp_path: Path
) -> None:
    """The launch ends with one sentence, and the name is free for another."""

    def delete(_: int) -> None:
        assert dashboard.ask("DELETE", f"/api/studies/{dashboard.studies()['s']}", {})[0] == 204
        done.touch()  # nobody watches any more

    done = tmp_path / "done"
    with pytest.raises(StudyDeletedError, match=r"^study 's': was deleted while it ran"):
        Visitor(dashboard, done, delete).launch(url)
    assert dashboard.studies() == {}
    launch(url, study="s", inline=True)
    check_history(url, "s", n_trials=30)


def test_a_hanging_objective_is_ended_at_its_time_limit(url: str) -> None:
    """A trial that never ends is FAIL (timeout), and its lane goes on with the others."""

    def objective(trial: optuna.Trial) -> float:
        if trial.number == 1:
            threading.Event().wait()
        return 1.0

    study = tuner.launch(objective, trials=3, lanes=1, storage=url, trial_timeout_s=3.0)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert study.failures()[0][1] == "timeout"


def test_an_objective_that_does_not_heed_a_stop_is_ended(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C a long objective is ended within seconds, and its trial waits uncharged."""

    def objective(trial: optuna.Trial) -> float:
        if trial.number == 1:
            threading.Event().wait()
        return 1.0

    sent: list[None] = []

    def interrupt(snapshot: Any) -> None:
        if snapshot.n_complete == 1 and not sent:
            sent.append(os.kill(os.getpid(), signal.SIGTERM))

    study = tuner.launch(objective, trials=3, lanes=1, storage=url, on_progress=interrupt)
    assert study.interrupted == "SIGTERM"
    assert study.counts["RUNNING"] == 1
    assert study.lanes()[0]["interrupted"] == 1


def test_a_trainer_that_cannot_start_ends_the_study_with_its_error(url: str) -> None:
    """An error in a lane's set-up is told, and nothing hangs."""

    class Broken(StubTrainer):
        """Works here, and not in a lane."""

        def __init__(self, data: Any, device: str = "cpu", home: int = os.getpid()) -> None:
            if os.getpid() != home:
                raise ValueError("no such library")

    with pytest.raises(tuner.TunerError, match=r"lane 0: cannot start: .*no such library"):
        tuner.launch(Broken, trials=3, lanes=1, storage=url, study="s")
    assert tuner.load("s", storage=url).state == "empty"


def test_a_signal_stops_lanes_and_leaves_a_study_to_resume(url: str) -> None:
    """SIGINT on Ray saves the rows; resumed, the trials are those of a study left alone."""

    class Slow(StubTrainer):
        """A twentieth of a second longer an epoch."""

        def cohort(self, structure: object) -> Any:
            cohort = super().cohort(structure)
            advance = cohort.advance

            def slowly() -> Any:
                time.sleep(0.05)
                return advance()

            cohort.advance = slowly
            return cohort

    sent = []

    def interrupt(snapshot: Any) -> None:
        if snapshot.n_running and snapshot.n_complete + snapshot.n_pruned > 3 and not sent:
            sent.append(os.kill(os.getpid(), signal.SIGINT))

    keys = {"slots": 4, "lanes": 1, "trials": 30, "storage": url, "sampler": {"name": "random"}}
    study = tuner.launch(Slow, study="s", on_progress=interrupt, **keys)
    assert study.interrupted == "SIGINT"
    assert study.state == "interrupted"
    again = tuner.launch(StubTrainer, study="s", **keys)
    whole = tuner.launch(StubTrainer, study="whole", inline=True, **keys)
    assert rows(again) == rows(whole)
    check_history(url, "s", n_trials=30)


def test_ray_refuses_callers_without_the_token(room: Room) -> None:
    """The local Ray runs with token authentication, without a dashboard or client server."""
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) >= 64
    listening = {
        connection.laddr.port
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert 8265 not in listening
    assert 10001 not in listening
    address = ray.get_runtime_context().gcs_address
    code = (
        "import os, sys; os.environ['RAY_AUTH_TOKEN'] = 'f' * 64\n"
        "from ray._raylet import GcsClient\n"
        f"GcsClient(address={address!r}).get_all_node_info(timeout=10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "InvalidAuthToken" in done.stderr


def test_what_listens_is_what_users_are_told(url: str) -> None:
    """Every listening socket is of a process of Ray that the page on faults names."""
    owners: set[str] = set()

    def look(snapshot: Any) -> None:
        driver = psutil.Process()
        is_due = snapshot.n_complete and not owners
        for process in (driver, *driver.children(recursive=True)) if is_due else ():
            with suppress(psutil.NoSuchProcess):
                if any(c.status == psutil.CONN_LISTEN for c in process.net_connections("tcp")):
                    owners.add("driver" if process == driver else process.name())

    launch(url, on_progress=look)
    told = {"gcs_server": "gcs_server", "raylet": "raylet", "driver": "process that launched"}
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
    assert {"gcs_server", "raylet"} <= owners
    for owner in owners:
        words = "Ray's workers" if owner.startswith("ray::") else told[owner]
        assert words in page, owner


def test_a_lane_imports_neither_sql_nor_a_sampler(url: str, tmp_path: Path) -> None:
    """In a lane's process there is no SQLAlchemy, no ledger and no sampler of Optuna's."""
    told = tmp_path / "modules"

    class Telling(StubTrainer):
        def cohort(self, structure: object) -> Any:
            told.write_text("\n".join(sys.modules))
            return super().cohort(structure)

    tuner.launch(Telling, trials=2, lanes=1, storage=url)
    modules = set(told.read_text().split())
    assert "tuner.lane" in modules
    assert not modules & {
        "sqlalchemy",
        "tuner.ledger",
        "tuner.storage",
        "optuna.samplers._tpe.sampler",
    }
