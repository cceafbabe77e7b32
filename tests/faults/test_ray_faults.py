"""Studies on Ray outlive stopped lanes, company in their database, dead nodes and dead drivers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import outsider
import psutil
import pytest
import safetensors.torch
from commit_crashes import Crash, crashing_plans
from crashes import N_TRIALS, trials_of
from history import check_history, checked_files
from servers import Server
from stubs import StubTrainer, curve

import tuner
from tuner import running
from tuner.errors import StudyNotFoundError, TunerError, UnwritableError
from tuner.seeds import trial_seed
from tuner.storage import open_storage
from tuner.warmup import Warmup

PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """A local Ray for eight lanes."""
    with Warmup(None, n_cpus=8) as warmup:
        warmup.room()
        yield


def wait_until(is_so: Callable[[], bool], pause_s: float = 0.1) -> None:
    """Returns once it is so."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(pause_s)


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

    class Marked(StubTrainer):
        """Says which process it trains in, and begins when there are two."""

        def cohort(self, structure: object) -> Any:
            (tmp_path / f"{os.getpid()}.lane").touch()
            wait_until(lambda: len(list(tmp_path.glob("*.lane"))) >= 2)
            return super().cohort(structure)

    killed: list[int] = []

    def is_midway() -> bool:
        files = tmp_path.rglob("checkpoints/*.safetensors")
        epochs = [int(file.stem.partition("-")[2]) for file in files]
        return len(epochs) == 6 and all(10 <= epoch <= 200 for epoch in epochs)

    def watch(snapshot: Any) -> None:
        if not killed and snapshot.n_running == 6:
            wait_until(is_midway, pause_s=0.001)
            killed.append(int(min(tmp_path.glob("*.lane")).stem))
            os.kill(killed[0], signal.SIGKILL)

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


@pytest.fixture
def start(url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts commands of the tuner on Ray, each a process of its own; none outlives the test."""
    processes: list[subprocess.Popen[str]] = []

    def start_one(*words: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tuner", *words, "--storage", url]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


LAUNCH = ("launch", "--trainer", "mlp", "--data", "iris", "--study", "s", "--lanes", "1",
          "--slots", "4", "--seed", "3", "--sampler", "random")  # fmt: skip


def n_ended(url: str) -> int:
    """Trials of the study that have ended so far."""
    try:
        counts = tuner.load("s", storage=url).counts
    except (StudyNotFoundError, tuner.TunerError):
        return 0
    return sum(n for state, n in counts.items() if state not in {"RUNNING", "WAITING"})


def check_gone(processes: list[psutil.Process]) -> None:
    """I11: nothing of the run is left."""
    wait_until(lambda: not any(_is_there(process) for process in processes))


def _is_there(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_study_outlives_its_node_and_its_driver(
    start: Callable[..., subprocess.Popen[str]], url: str, tmp_path: Path
) -> None:
    """Ray's node dies: one line says how to go on. The driver dies: the same command goes on."""
    n_trials = "120"
    first = start(*LAUNCH, "--trials", n_trials)
    wait_until(lambda: n_ended(url) > 3 or first.poll() is not None)
    processes = psutil.Process(first.pid).children(recursive=True)
    next(process for process in processes if process.name() == "raylet").kill()
    _, said = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 1
    line = "ray: its node died; nothing that was told is lost; go on with: tuner resume s"
    assert said.splitlines()[-1] == line
    check_gone(processes)
    before = n_ended(url)
    second = start(*LAUNCH, "--trials", n_trials)
    wait_until(lambda: n_ended(url) > before)
    processes = psutil.Process(second.pid).children(recursive=True)
    second.kill()
    second.communicate()
    check_gone(processes)
    assert tuner.load("s", storage=url).state == "interrupted"
    study = tuner.load("s", storage=url).resume(inline=True)
    check_history(url, "s", n_trials=120)
    whole = f"sqlite:///{tmp_path}/whole.db"
    tuner.launch("mlp", data="iris", study="s", slots=4, seed=3, sampler={"name": "random"},
                 trials=120, storage=whole, inline=True)  # fmt: skip
    assert trials_of(url) == trials_of(whole), "I10"
    assert study.state == "finished"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "n", "code"),
    [(signal.SIGINT, 1, 130), (signal.SIGINT, 2, 130), (signal.SIGTERM, 1, 143)],
)
def test_signals_of_a_terminal_leave_nothing_behind(
    start: Callable[..., subprocess.Popen[str]],
    url: str,
    number: signal.Signals,
    n: int,
    code: int,
) -> None:
    """Sent to every process of the command, as Ctrl-C is: the exit code, and how to go on."""
    process = start(*LAUNCH, "--trials", "2000", start_new_session=True)
    wait_until(lambda: n_ended(url) > 3 or process.poll() is not None)
    children = psutil.Process(process.pid).children(recursive=True)
    for _ in range(n):
        os.killpg(process.pid, number)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, said
    assert said.splitlines()[-1].startswith("tuner resume ")
    check_gone(children)
    assert tuner.load("s", storage=url).state == "interrupted"
    tuner.load("s", storage=url).resume(trials=60, inline=True)
    check_history(url, "s")


@pytest.mark.slow
def test_a_service_manager_may_signal_every_process(
    start: Callable[..., subprocess.Popen[str]], url: str
) -> None:
    """SIGTERM to the command and to all that Ray started is an interruption like any other."""
    process = start(*LAUNCH, "--trials", "2000")
    wait_until(lambda: n_ended(url) > 3 or process.poll() is not None)
    command = psutil.Process(process.pid)
    children = command.children(recursive=True)
    for signalled in (command, *children):
        with suppress(psutil.NoSuchProcess):
            signalled.terminate()
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143, said
    assert said.splitlines()[-1].startswith("tuner resume ")
    check_gone(children)
    assert tuner.load("s", storage=url).state == "interrupted"
    tuner.load("s", storage=url).resume(trials=60, inline=True)
    check_history(url, "s")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_driver_killed_again_and_again_loses_nothing(
    start: Callable[..., subprocess.Popen[str]], url: str
) -> None:
    """SIGKILL at 20 random moments, each time resumed at once: the same total, and no zombie."""
    rng = random.Random(0)
    children: list[psutil.Process] = []
    words: tuple[str, ...] = (*LAUNCH, "--trials", "2000")
    for life in range(20):
        before = n_ended(url)
        process = start(*words)
        if life % 4 == 3:
            time.sleep(rng.uniform(0.0, 8.0))  # somewhere in the start
        else:
            n_more = rng.randrange(1, 60)
            wait_until(lambda: n_ended(url) >= before + n_more or process.poll() is not None)  # noqa: B023
        if n_ended(url) > 0:
            words = ("resume", "s")
        children += psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
    assert n_ended(url) > 15
    tuner.load("s", storage=url).resume(inline=True)
    check_history(url, "s", n_trials=2000)
    check_gone(children)
