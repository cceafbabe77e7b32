"""A study that was never run, to be shown by the commands, and a service that hands it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tuner.cli import main, service
from tuner.errors import InputError
from tuner.messages import LaneStatus, Snapshot
from tuner.study_state import StudyState


@dataclass
class FakeStudy:
    """What the commands use of a study, as plain values."""

    artifacts: Path
    name: str = "digits-mlp"
    is_ours: bool = True
    storage: str = "sqlite:///tuner.db"
    state: str = "finished"
    owner: str | None = None
    interrupted: str | None = None
    counts: dict[str, int] = field(default_factory=lambda: {"COMPLETE": 2, "FAIL": 1})
    foreign: dict[str, int] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=lambda: {"units": 64, "optimizer": "sgd"})
    notes: tuple[str, ...] = ()
    code: str | None = None
    resumed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def standing(self) -> StudyState:
        """Nobody but it has added a trial, unless `foreign` says so."""
        own, foreign = Counter(self.counts), Counter(self.foreign)
        return StudyState(None, 3 if self.is_ours else None, own, foreign, None)

    @property
    def spec(self) -> SimpleNamespace:
        """The part of the spec that is shown."""
        return SimpleNamespace(objectives=(SimpleNamespace(name="validation_loss"),), trials=3)

    @property
    def best_trials(self) -> list[SimpleNamespace]:
        """One trial, or none where none completed."""
        trial = SimpleNamespace(number=1, values=[0.25], params=self.params)
        return [trial] if self.counts.get("COMPLETE") else []

    @property
    def optuna(self) -> SimpleNamespace:
        """Trials in which something was found, most of them pruned."""
        attributes = {"findings": [{"epoch": 3, "kind": "mode \x1b[31mcollapse", "text": "so"}]}
        states = ["PRUNED"] * 9 + ["FAIL"]
        trials = [
            SimpleNamespace(number=n, state=SimpleNamespace(name=state), user_attrs=attributes)
            for n, state in enumerate(states)
        ]
        return SimpleNamespace(get_trials=lambda deepcopy: trials)

    @property
    def test(self) -> dict[str, float]:
        """Figures of the test part."""
        return {"accuracy": 0.975}

    def failures(self) -> list[tuple[int, str, str]]:
        """One failure."""
        return [(2, "error", "ValueError: \x1b[31mred\x1b[0m")]

    def lanes(self) -> list[dict[str, Any]]:
        """Two lanes, of which one was lost."""
        shares = dict.fromkeys(("late", "waiting", "deciding", "sampling", "storing"), 0.01)
        timed = {"rows_per_s": 118.25, "mean_stack": 7.5, "occupancy": 0.934, "training": 0.97}
        return [
            {"lane": 0, "device": "cpu", "done": 3} | shares | timed,
            {"lane": 1, "device": "cpu", "lost": 1},
        ]

    def stacks(self) -> list[dict[str, Any]]:
        """More kinds than are shown; the first is hostile."""
        kinds = ["batch_size=32 \x1b[31munits<=64", *(f"batch_size={n}" for n in range(20))]
        return [{"stack": kind, "share": 0.25, "mean_rows": 3.0} for kind in kinds]

    def request_stop(self) -> bool:
        """Whether somebody runs it."""
        return self.state == "running"

    def resume(self, **given: Any) -> FakeStudy:
        """Notes how it was called."""
        given.pop("on_progress")
        self.resumed.append(given)
        return self

    def export(self, path: Path) -> None:
        """Writes something."""
        path.write_text("number,value\n", encoding="utf-8")

    @property
    def plot(self) -> SimpleNamespace:
        """Writes a picture that names its figure."""
        return SimpleNamespace(save=lambda name, path: path.write_text(name, encoding="utf-8"))


@pytest.fixture
def study(tmp_path: Path) -> FakeStudy:
    """A finished study of three trials."""
    return FakeStudy(artifacts=tmp_path / "artifacts" / "7")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, study: FakeStudy) -> dict[str, Any]:
    """What the last launch was called with; launching and loading hand out `study`."""
    calls: dict[str, Any] = {}

    def launch(spec: Any, **given: Any) -> FakeStudy:
        given.pop("on_progress")
        calls.update(given, spec=spec)
        print("from an objective")  # noqa: T201 (what is tested is where it goes)
        return study

    def write_report(studies: list[FakeStudy], path: Path) -> Path:
        path.write_text("<html>" * len(studies), encoding="utf-8")
        return path

    def load(name: str, storage: str | None) -> FakeStudy:
        calls["loaded"] = (name, storage)
        if name != study.name:
            raise InputError(f"study {name!r}: is not in the database")
        return study

    monkeypatch.delenv("TUNER_STORAGE", raising=False)
    monkeypatch.setattr(service, "launch", launch)
    monkeypatch.setattr(service, "load", load)
    monkeypatch.setattr(service, "write_report", write_report)
    return calls


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def tuner(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs `tuner` with arguments in this process."""

    def run(*arguments: str) -> Ran:
        code = main(arguments)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


@pytest.fixture
def snapshot() -> Snapshot:
    """A study half way, with one lane and one event."""
    return Snapshot(
        study="digits-mlp",
        state="running",
        budget=100,
        n_complete=30,
        n_pruned=20,
        n_failed=5,
        n_running=10,
        best_number=12,
        best_values=(0.0513,),
        best_params={"units": 64, "optimizer": "sgd"},
        elapsed_s=125.0,
        trials_per_s=8.1,
        eta_s=5.0,
        lanes=(LaneStatus(lane=0, device="cpu", n_rows=30, n_slots=32, rows_per_s=118.0),),
        events=("trial 17 (mlp): loss is nan at epoch 3",),
    )
