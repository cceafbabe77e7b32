"""What a launch hands to the processes that work on the study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from stubs import Direct, StubTrainer

import tuner
from trials.data import load as load_data
from tuner import running
from tuner.errors import InputError
from tuner.lane import Keeping
from tuner.lane_job import LaneJob

DATA = load_data("iris", seed=0)


@pytest.mark.parametrize("name", ["studies.db", "studies.db?timeout=5", "my%20studies.db"])
def test_a_relative_database_file_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """On a cluster the ledger's process has a working folder of its own.

    Files of the study stand beside the database, whatever its name.
    """
    given: list[Any] = []

    def work(asked: Any) -> str:
        given.append(asked)
        return "SIGINT"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "run_inline", work)
    study = tuner.launch(StubTrainer, trials=1, inline=True, storage=f"sqlite:///{name}")
    file = name.partition("?")[0].replace("%20", " ")
    monkeypatch.chdir("/")
    assert tuner.load(study.name, storage=given[0].url).name == study.name
    assert given[0].folder == tmp_path / file.replace(".db", "-artifacts") / "study-1"


@pytest.mark.parametrize(
    ("n_gpus", "asked", "must"),
    [
        (0, 0.5, "must be 0 or auto where torch finds no GPU, got 0.5; install torch with CUDA"),
        (1, 2, "must be at most 1, the GPUs that torch finds here, got 2"),
    ],
)
def test_gpus_that_are_not_there_are_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, n_gpus: int, asked: float, must: str
) -> None:
    """Who asks for a GPU does not train on the CPU unawares; nothing is written."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    with pytest.raises(InputError, match=f"gpus_per_lane: {must}"):
        tuner.launch(StubTrainer, trials=1, inline=True, gpus_per_lane=asked, storage=url)
    assert not Path(url.removeprefix("sqlite:///")).exists()


def test_a_lane_of_a_cluster_that_must_have_a_gpu_is_refused_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only there is it known whether torch finds the GPU that Ray has given."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    job = LaneJob(StubTrainer, DATA, None, 1, 4, Keeping(tmp_path, 30.0), gpu_share=1.0)
    assert job.build(0, Direct(None)).info.device == "cpu"
    with pytest.raises(InputError, match="gpus_per_lane: must be 0 or auto"):
        replace(job, must_have_gpu=True).build(0, Direct(None))


def test_without_a_wish_a_study_takes_the_device_there_is(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`gpus_per_lane: auto` trains on the CPU of a machine without GPU, and says nothing."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    study = tuner.launch(StubTrainer, trials=1, inline=True, storage=url)
    assert [lane["device"] for lane in study.lanes()] == ["cpu"]
    assert not caplog.messages
