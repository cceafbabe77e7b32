"""What is wrong around a study is found before anything is started, and named at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stubs import StubTrainer

import tuner
from tuner import launching
from tuner.cli import main
from tuner.errors import InputError
from tuner.files import folder_problems
from tuner.spec import spec_from_mapping
from tuner.surroundings import check_surroundings


def make_file(path: Path) -> None:
    """A file where a folder is wanted."""
    path.touch()


def make_broken_link(path: Path) -> None:
    """A link that leads nowhere: no folder can be made there."""
    path.symlink_to(path.with_name("gone"))


@pytest.mark.parametrize("make", [make_file, make_broken_link])
@pytest.mark.parametrize("below", ["", "x/y"])
def test_a_folder_must_be_possible(
    tmp_path: Path, make: Callable[[Path], None], below: str
) -> None:
    """Where a file or a broken link stands, or above, nothing can be written."""
    make(tmp_path / "at")
    (problem,) = folder_problems("artifacts", tmp_path / "at" / below)
    assert problem.startswith("artifacts: must be a folder, got")
    assert folder_problems("artifacts", tmp_path / "other" / below) == []


def test_a_folder_must_be_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not write in the nearest folder above may not make one there."""
    asked: list[Path] = []

    def access(path: Path, _mode: int) -> bool:
        asked.append(path)
        return False

    monkeypatch.setattr(os, "access", access)
    (problem,) = folder_problems("artifacts", tmp_path / "x" / "y")
    assert asked == [tmp_path]
    assert "must be writable" in problem


def test_every_mistake_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracker that is not installed and artifacts that cannot be written are two lines."""
    make_file(tmp_path / "at")
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)
    monkeypatch.delitem(sys.modules, "tuner.trackers.mlflow", raising=False)
    keys = {"trainer": "mlp", "mlflow": "sqlite:///m.db", "artifacts": str(tmp_path / "at")}
    with pytest.raises(InputError) as caught:
        check_surroundings(spec_from_mapping(keys))
    assert [line.partition(":")[0] for line in caught.value.problems] == ["mlflow", "artifacts"]


@pytest.mark.parametrize("artifacts", [None, "at"])
def test_a_launch_is_refused_before_it_writes(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, artifacts: str | None
) -> None:
    """Where the study's files cannot be, no trial is trained and no database is made."""
    monkeypatch.chdir(tmp_path)
    database = Path(url.removeprefix("sqlite:///"))
    make_file(Path("at") if artifacts else database.with_name(f"{database.stem}-artifacts"))
    with pytest.raises(InputError, match="artifacts: must be a folder"):
        tuner.launch(StubTrainer, storage=url, artifacts=artifacts, trials=1, inline=True)
    assert not database.exists()


@pytest.mark.parametrize("wrong", ["artifacts", "mlflow"])
def test_the_command_looks_around_before_it_starts_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """What is missing costs no start of Ray."""

    def refuse(_spec: object) -> Any:
        raise AssertionError("Ray was started")

    make_file(tmp_path / "at")
    monkeypatch.setattr("tuner.warmup.warm_up", refuse)
    monkeypatch.setitem(sys.modules, "mlflow.entities", None)
    monkeypatch.delitem(sys.modules, "tuner.trackers.mlflow", raising=False)
    given = {"artifacts": str(tmp_path / "at"), "mlflow": "sqlite:///m.db"}[wrong]
    storage = f"sqlite:///{tmp_path}/s.db"
    assert main(["launch", "--trainer", "mlp", "--storage", storage, f"--{wrong}", given]) == 2
    assert not (tmp_path / "s.db").exists()


def test_lanes_elsewhere_cannot_reach_memory() -> None:
    """A database in memory is refused unless the study runs in this process."""
    spec = spec_from_mapping({"trainer": "mlp", "storage": "sqlite://"})
    launching.check_place(spec, inline=True)
    with pytest.raises(InputError, match="which the processes of lanes can reach"):
        launching.check_place(spec, inline=False)
