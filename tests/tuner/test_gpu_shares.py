"""Lanes that share a GPU, which Ray only believes in: it counts what it is told to have."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from history import check_history
from optuna import Trial
from stubs import StubTrainer

import tuner
from tuner.cluster.service import Room
from tuner.warmup import Warmup

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """A local Ray of four logical CPUs and one logical GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 1}')
        with Warmup(None, n_cpus=4) as warmup:
            yield warmup.room()


def test_two_lanes_share_one_gpu(url: str, tmp_path: Path, room: Room) -> None:
    """Of three lanes with half a GPU each two train at a time, and each sees the one GPU."""
    assert room.n_gpus == 1

    def sociable(trial: Trial) -> float:
        """Ends not before two processes have begun; says which GPU its own sees."""
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
        (tmp_path / f"{os.getpid()}.lane").write_text(seen)
        patience = time.monotonic() + 60
        while len(list(tmp_path.glob("*.lane"))) < 2 and time.monotonic() < patience:
            time.sleep(0.05)
        return trial.suggest_float("x", -1.0, 1.0) ** 2

    tuner.launch(sociable, trials=30, lanes=3, gpus_per_lane=0.5, storage=url, study="shared")
    assert [lane.read_text() for lane in tmp_path.glob("*.lane")] == ["0", "0"]
    check_history(url, "shared", n_trials=30)


def test_a_lane_has_a_gpu_unless_told_otherwise(
    url: str, tmp_path: Path, room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    """With one GPU, `gpus_per_lane: auto` makes one lane, whatever the CPUs would allow.

    Torch finds no GPU there, and whoever launched is warned once.
    """

    class Telling(StubTrainer):
        """Says which GPU its process sees."""

        def cohort(self, structure: object) -> Any:
            seen = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
            (tmp_path / f"{os.getpid()}.lane").write_text(seen)
            return super().cohort(structure)

    tuner.launch(Telling, trials=10, slots=4, storage=url, study="auto")
    assert [lane.read_text() for lane in tmp_path.glob("*.lane")] == ["0"]
    check_history(url, "auto", n_trials=10)
    (warning,) = [line for line in caplog.messages if "CPU" in line]
    assert warning.startswith("lane 0 trains on the CPU: torch finds no GPU where Ray has one")
