"""Studies on Ray outlive stopped and dead lanes, their ledger, and company in their database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import outsider
import pytest
import safetensors.torch
from commit_crashes import Crash, crashing_plans
from crashes import N_TRIALS, trials_of
from history import check_history, checked_files
from servers import Server
from stubs import StubTrainer, curve
from waiting import PATIENCE_S, wait_until

import tuner
from tuner import running
from tuner.errors import TunerError, UnwritableError
from tuner.seeds import trial_seed
from tuner.storage import open_storage
from tuner.warmup import Warmup


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """A local Ray for eight lanes."""
    with Warmup(None, n_cpus=8) as warmup:
        warmup.room()
        yield


@pytest.mark.usefixtures("local_ray")
def test_a_lane_that_was_stopped_past_its_lease_changes_nothing(url: str, tmp_path: Path) -> None:
    """Stopped, given up and continued, a lane's late report is refused and its process replaced."""

    class Marked(StubTrainer):
        """Says which process it trains in."""

        def cohort(self, structure: object) -> Any:
            (tmp_path / f"{os.getpid()}.lane").touch()
            wait_until(lambda: len(list(tmp_path.glob("*.lane"))) >= 2)
            return super().cohort(structure)

    stopped: list[int] = []
    given_up: list[str] = []

    def watch(snapshot: Any) -> None:
        if not stopped and snapshot.n_complete:
            stopped.append(int(min(tmp_path.glob("*.lane")).stem))
            os.kill(stopped[0], signal.SIGSTOP)
        new = [event for event in snapshot.events if "lease ran out" in event]
        if new and not given_up:
            os.kill(stopped[0], signal.SIGCONT)
        given_up.extend(new)

    keys = {"trials": 400, "slots": 3, "storage": url, "sampler": {"name": "random"}}
    study = tuner.launch(Marked, study="s", lanes=2, lease_s=2.0, on_progress=watch, **keys)
    assert given_up
    assert sum(lane.get("lost", 0) for lane in study.lanes()) >= 1
    assert study.counts["FAIL"] == 0
    check_history(url, "s", n_trials=400)


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize(
    "crash",
    [
        Crash(6),
        Crash(11, is_after=True),
        *(
            pytest.param(crash, marks=pytest.mark.slow)
            for crash in (
                Crash(2),
                Crash(3, is_after=True),
                Crash(16, "raise"),
                Crash(20, "exit", is_after=True),
            )
        ),
    ],
    ids=str,
)
def test_a_study_outlives_its_ledger_at_a_commit(
    url: str, undisturbed: list[Any], tmp_path: Path, crash: Crash, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger's process dies before or after a commit: one line, and the same trials later."""
    fired = tmp_path / "fired"
    keys: dict[str, Any] = {"slots": 4, "lanes": 1, "checkpoint_every_s": 1e-9, "trials": N_TRIALS}
    keys |= {"storage": url, "sampler": {"name": "random"}, "study": "s"}
    with monkeypatch.context() as patch:
        patch.setattr(running, "Plan", crashing_plans(crash, fired))
        with pytest.raises(TunerError, match=r"its ledger died; .*resume s|disk I/O error"):
            tuner.launch(StubTrainer, **keys)
    assert fired.exists()
    tuner.launch(StubTrainer, **keys)
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == undisturbed, "I10"
    checked_files(tmp_path)


@pytest.mark.usefixtures("local_ray")
def test_a_killed_lane_leaves_the_others_alone(url: str, tmp_path: Path) -> None:
    """Of two lanes one is killed: only its attempts are lost, and they go on from checkpoints."""
    blow = tmp_path / "blow"

    class Marked(StubTrainer):
        """Says which process it trains in, begins when there are two, and waits for the blow."""

        def cohort(self, structure: object) -> Any:
            (tmp_path / f"{os.getpid()}.lane").touch()
            wait_until(lambda: len(list(tmp_path.glob("*.lane"))) >= 2)
            cohort = super().cohort(structure)
            advance = cohort.advance

            def held(*blocks: Any) -> Any:
                found = advance(*blocks)
                if any(row.epoch >= 100 for row in found):
                    wait_until(blow.exists)
                return found

            cohort.advance = held
            return cohort

    killed: list[int] = []

    def is_midway() -> bool:
        files = tmp_path.rglob("checkpoints/*.safetensors")
        epochs = [int(file.stem.partition("-")[2]) for file in files]
        return len(epochs) == 6 and all(epoch >= 10 for epoch in epochs)

    def watch(snapshot: Any) -> None:
        if not killed and snapshot.n_running == 6:
            wait_until(is_midway, pause_s=0.001)
            killed.append(int(min(tmp_path.glob("*.lane")).stem))
            os.kill(killed[0], signal.SIGKILL)
            blow.touch()

    keys: dict[str, Any] = {"trials": 24, "slots": 3, "sampler": {"name": "random"}}
    keys |= {"epochs": 300, "pruner": {"name": "none"}, "checkpoint_every_s": 1e-9}
    tuner.launch(Marked, study="s", lanes=2, storage=url, on_progress=watch, **keys)
    check_history(url, "s", n_trials=24)
    storage = open_storage(url)
    attempts = storage.records.attempts(storage.get_study_id_from_name("s"))
    storage.close()
    lost = [attempt for attempt in attempts if attempt.outcome == "lost"]
    assert lost
    assert {attempt.pid for attempt in lost} == set(killed)
    later = [attempt for attempt in attempts if attempt.predecessor in {a.token for a in lost}]
    assert len(later) == len(lost)
    assert any(attempt.start_epoch > 0 for attempt in later)


@pytest.mark.usefixtures("local_ray")
def test_a_full_disk_under_a_lane_ends_the_study_with_one_line(url: str) -> None:
    """A lane that cannot write a checkpoint says which; the study can go on."""

    class Full(StubTrainer):
        """No file has room once this trains."""

        def cohort(self, structure: object) -> Any:
            def refuse(_state: object, _path: object) -> None:
                raise safetensors.SafetensorError("I/O error: No space left (os error 28)")

            safetensors.torch.save_file = refuse
            return super().cohort(structure)

    keys: dict[str, Any] = {"trials": 12, "slots": 3, "storage": url, "sampler": {"name": "random"}}
    with pytest.raises(UnwritableError, match=r"safetensors: cannot be written \(No space left"):
        tuner.launch(Full, study="s", lanes=1, checkpoint_every_s=1e-6, **keys)
    tuner.launch(StubTrainer, study="s", inline=True, **keys)
    check_history(url, "s", n_trials=12)


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest) -> str:
    """An empty database that many processes use."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("url"))
    server: Server = request.getfixturevalue("server")
    return server.new_database()


@pytest.mark.usefixtures("local_ray")
def test_eight_lanes_and_two_strangers_share_a_study(shared_url: str, tmp_path: Path) -> None:
    """Plain Optuna processes enqueue, tell and annotate meanwhile; nobody loses anything."""

    class Sociable(StubTrainer):
        """Trains nothing before both strangers are there."""

        def cohort(self, structure: object) -> Any:
            wait_until(lambda: len(list(tmp_path.glob("*.ready"))) == 2)
            return super().cohort(structure)

    strangers: list[subprocess.Popen[str]] = []

    def invite(_snapshot: Any) -> None:
        if not strangers:
            strangers.extend(
                subprocess.Popen(
                    [sys.executable, outsider.__file__, shared_url, str(tmp_path), name],
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for name in ("ann", "ben")
            )

    keys: dict[str, Any] = {"slots": 2, "lanes": 8, "cpus_per_lane": 1}
    keys |= {"storage": shared_url, "sampler": {"name": "random"}, "artifacts": str(tmp_path)}
    tuner.launch(Sociable, study="s", trials=80, on_progress=invite, **keys)
    told = [stranger.communicate(timeout=PATIENCE_S)[0] for stranger in strangers]
    assert [stranger.returncode for stranger in strangers] == [0, 0]
    answers = [json.loads(line) for line in told]
    check_history(shared_url, "s", n_trials=80)
    study = tuner.load("s", storage=shared_url)
    trials = {trial.number: trial for trial in study.optuna.trials}
    check_strangers(study, trials, dict(zip(("ann", "ben"), answers, strict=True)))
    foreign = study.standing.foreign
    assert (study.state, study.standing.n_own) == ("finished", 80)
    assert sum(foreign.values()) == len(trials) - 80
    own = set(trials) - foreign_numbers(shared_url)
    assert len(own) == 80
    for trial in (trials[number] for number in own):
        seed = trial_seed(study.spec.seed, trial.number)
        epochs = range(1, len(trial.intermediate_values) + 1)
        expected = {epoch: curve(trial.params, seed, epoch) for epoch in epochs}
        assert trial.intermediate_values == expected, "a value is lost or another's"
        assert "told by" in trial.user_attrs or trial.value == expected[len(epochs)]


def foreign_numbers(url: str) -> set[int]:
    """Numbers of the trials that no lane has begun."""
    storage = open_storage(url)
    study_id = storage.get_study_id_from_name("s")
    begun = {attempt.trial_id for attempt in storage.records.attempts(study_id)}
    numbers = {t.number for t in storage.get_all_trials(study_id) if t._trial_id not in begun}
    storage.close()
    return numbers


def check_strangers(
    study: tuner.Study, trials: dict[int, Any], answers: dict[str, list[dict[str, Any]]]
) -> None:
    """Whatever the strangers told, enqueued and noted is there."""
    for name, (told, noted) in answers.items():
        assert {f"{name} {n}" for n in range(6)} <= set(study.optuna.user_attrs)
        for number, value in told.items():
            trial = trials[int(number)]
            assert trial.state == optuna.trial.TrialState.COMPLETE
            assert (trial.value, trial.user_attrs["told by"]) == (value, name)
        assert noted
        for number, n in noted.items():
            assert trials[int(number)].user_attrs[f"noted by {name}"] == n
    assert sum(len(told) for told, _ in answers.values()) >= 8
    enqueued = [trial for trial in trials.values() if "from" in trial.user_attrs]
    origins = sorted(trial.user_attrs["from"] for trial in enqueued)
    assert origins == sorted(f"{name} {n}" for name in answers for n in range(6))
    assert all(t.params.items() <= {"x": 0.5, "kind": "a"}.items() for t in enqueued)
