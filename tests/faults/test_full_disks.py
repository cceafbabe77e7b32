"""Real limits on the size of files, as a full disk sets them: one line, and nothing is lost."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from crashes import N_TRIALS, launch, trials_of
from history import check_history, checked_files
from stubs import StubCohort, StubTrainer

from tuner.cli import main
from tuner.errors import TunerError, UnwritableError


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """This process cannot make any file larger than that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class HeavyCohort(StubCohort):
    """Rows whose state is 4 MB."""

    def save(self, key: int) -> dict[str, torch.Tensor]:
        return {**super().save(key), "weights": torch.zeros(1_000_000)}


class Heavy(StubTrainer):
    """A trainer of such rows."""

    def cohort(self, structure: object) -> StubCohort:
        return HeavyCohort()


def check_gone_on(url: str, trials: list[Any], folder: Path) -> None:
    """The study is sound, and the same launch with room again ends as if nothing had been."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    launch(url)
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == trials
    checked_files(folder)


def test_no_room_for_a_checkpoint(url: str, undisturbed: list[Any], tmp_path: Path) -> None:
    """The message names the checkpoint; no half of it is left."""
    with largest_file(1_000_000), pytest.raises(UnwritableError, match="File too large") as caught:
        launch(url, Heavy)
    assert ".safetensors: cannot be written" in str(caught.value)
    assert "\n" not in str(caught.value)
    checked_files(tmp_path)
    check_gone_on(url, undisturbed, tmp_path)


def test_no_room_for_the_database(url: str, undisturbed: list[Any], tmp_path: Path) -> None:
    """The message names the database; it is sound, and what was acknowledged is in it."""
    with largest_file(300_000), pytest.raises(TunerError) as caught:
        launch(url)
    assert "studies.db" in str(caught.value)
    assert "\n" not in str(caught.value)
    check_gone_on(url, undisturbed, tmp_path)


def test_no_room_for_the_report(
    url: str, undisturbed: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the report; the one that was there stays, and the study is untouched."""
    launch(url)
    out = tmp_path / "r.html"
    out.write_bytes(b"the one before")
    with largest_file(100_000):
        code = main(["report", "s", "--storage", url, "--out", str(out)])
    (said,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert str(out) in said
    assert out.read_bytes() == b"the one before"
    assert not list(tmp_path.glob(".*.partial"))
    check_gone_on(url, undisturbed, tmp_path)
