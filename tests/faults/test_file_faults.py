"""A study whose SQLite file is locked, full or contested ends with one line and goes on later."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import sqlalchemy
from crashes import N_TRIALS, REFUSED, Studies, launch, trials_of
from history import check_history, checked_files
from safetensors import SafetensorError
from sqlalchemy import event
from stubs import StubTrainer
from test_server_faults import hurting

import tuner
from tuner.cli import main
from tuner.errors import StorageError, TunerError


def path_of(url: str) -> Path:
    """The file of an SQLite address."""
    return Path(url.removeprefix("sqlite:///").partition("?")[0])


def check_resumed(url: str, trials: list[Any]) -> None:
    """The same launch goes on to the trials of a study that nothing happened to."""
    with sqlite3.connect(path_of(url)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    study = launch(url)
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == trials
    checked_files(study.artifacts)


def test_a_short_lock_is_waited_for(url: str, undisturbed: list[Any]) -> None:
    """Another writer that ends while the study waits costs nothing but time."""
    is_waiting = threading.Event()
    is_locked = threading.Event()

    def lock() -> None:
        writer = sqlite3.connect(path_of(url), isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        is_locked.set()
        is_waiting.wait()
        # Between these the interpreter turns to the study, which then tries for the lock.
        for _ in range(1000):
            writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
        writer.execute("ROLLBACK")
        writer.close()

    thread = threading.Thread(target=lock)

    def hurt() -> None:
        thread.start()
        is_locked.wait()
        event.listen(sqlalchemy.Engine, "begin", wait)

    def wait(_connection: object) -> None:
        is_waiting.set()

    try:
        launch(url, hurting(hurt, at=4))
    finally:
        event.remove(sqlalchemy.Engine, "begin", wait)
    thread.join()
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == undisturbed


def test_a_long_lock_ends_the_study_which_can_go_on(url: str, undisturbed: list[Any]) -> None:
    """After the busy time-out the study ends and says what to do; nothing is lost."""
    address = f"{url}?timeout=0.1"
    writers: list[sqlite3.Connection] = []

    def hurt() -> None:
        writers.append(sqlite3.connect(path_of(url), isolation_level=None))
        writers[0].execute("BEGIN IMMEDIATE")

    with pytest.raises(StorageError, match=r"locked by another process since 0\.1 s"):
        launch(address, hurting(hurt, at=4))
    writers[0].close()
    check_resumed(url, undisturbed)


def test_a_locked_database_can_be_looked_at(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever only reads does not wait for another writer; who would write is told in one line."""
    launch(url)
    writer = sqlite3.connect(path_of(url), isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    address = f"{url}?timeout=0.1"
    asked = ["--storage", address]
    assert main(["studies", *asked]) == 0
    assert main(["show", "s", "--lanes", *asked]) == 0
    assert main(["report", "s", *asked, "--out", str(tmp_path / "r.html")]) == 0
    assert main(["export", "s", *asked, "--out", str(tmp_path / "t.csv")]) == 0
    study = tuner.load("s", storage=address)
    assert study.replay(0, objective=StubTrainer).verdict == "identical"
    assert study.save_best(tmp_path / "best", objective=StubTrainer)
    capsys.readouterr()
    code = main(["launch", "--trainer", "mlp", "--inline", *asked])
    writer.close()
    said = capsys.readouterr().err.splitlines()
    assert code == 3
    assert len(said) == 1
    assert "close what uses it and run the command again" in said[0]


@contextmanager
def small_disk(pages: Callable[[], int]) -> Iterator[None]:
    """No database file can grow beyond so many pages, as if the disk were full."""

    def limit(connection: sqlalchemy.Connection) -> None:
        if connection.engine.url.database is not None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages()}")

    event.listen(sqlalchemy.Engine, "begin", limit)
    try:
        yield
    finally:
        event.remove(sqlalchemy.Engine, "begin", limit)


@pytest.mark.parametrize("more", [0, 2, 4])
def test_a_full_disk_ends_the_study_which_can_go_on(
    url: str, undisturbed: list[Any], more: int
) -> None:
    """Out of pages the study ends with one line; with room again it has the same trials."""
    most = [2**30]

    def hurt() -> None:
        reader = sqlite3.connect(path_of(url))
        most[0] = reader.execute("PRAGMA page_count").fetchone()[0] + more
        reader.close()

    with (
        small_disk(lambda: most[0]),
        pytest.raises(StorageError, match=r"the disk is full; free some space") as caught,
    ):
        launch(url, hurting(hurt, at=2))
    assert "\n" not in str(caught.value)
    assert str(path_of(url)) in str(caught.value)
    check_resumed(url, undisturbed)


@pytest.mark.parametrize("n", [1, 5, 20])
def test_a_full_disk_under_a_checkpoint_names_the_file(
    url: str, undisturbed: list[Any], n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that cannot be written is one line with its path; the study can go on."""
    save_file = safetensors.torch.save_file
    left = [n]

    def fail(state: Any, path: Path) -> None:
        left[0] -= 1
        if left[0] == 0:
            path.write_bytes(b"half")
            text = "Error while serializing: I/O error: No space left on device (os error 28)"
            raise SafetensorError(text)
        save_file(state, path)

    with monkeypatch.context() as patch:
        patch.setattr(safetensors.torch, "save_file", fail)
        with pytest.raises(TunerError, match="No space left on device") as caught:
            launch(url)
    assert "safetensors" in str(caught.value)
    checked_files(path_of(url).parent)
    check_resumed(url, undisturbed)


def test_a_damaged_checkpoint_costs_its_row_the_way_so_far(
    url: str, undisturbed: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Rows whose checkpoints are cut short start anew; the study has the trials it would have."""

    def hurt() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    study = launch(url, hurting(hurt, at=4))
    checkpoints = list((study.artifacts / "checkpoints").iterdir())
    assert checkpoints
    for path in checkpoints:
        path.write_bytes(path.read_bytes()[:20])
    check_resumed(url, undisturbed)
    assert "starts anew" in caplog.text


@pytest.mark.parametrize("name", ["victim.safetensors", "..", "checkpoints"])
def test_a_checkpoint_outside_of_the_study_is_not_touched(
    url: str, undisturbed: list[Any], tmp_path: Path, name: str
) -> None:
    """Whatever path somebody writes into the database, only the study's own files are removed."""
    victim = tmp_path / "victim.safetensors"
    victim.write_bytes(b"mine")
    launch(url, hurting(lambda: os.kill(os.getpid(), signal.SIGTERM), at=4))
    with sqlite3.connect(path_of(url)) as connection:
        connection.execute("UPDATE tuner_attempts SET checkpoint_path = ?", (str(tmp_path / name),))
    connection.close()
    check_resumed(url, undisturbed)
    assert victim.read_bytes() == b"mine"


@pytest.mark.parametrize("n", [2, 4])
def test_launches_at_one_moment_share_one_study(
    studies: Studies, tmp_path: Path, undisturbed: list[Any], n: int
) -> None:
    """On an empty database one of them runs the study, and its budget is used once."""
    url = f"sqlite:///{tmp_path}/studies.db"
    codes = studies.run_together(url, n)
    assert set(codes) <= {0, REFUSED}
    assert 0 in codes
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == undisturbed


def test_a_study_of_a_read_only_file_can_be_looked_at(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`show`, `report` and `export` work on a file that cannot be written, and change nothing."""
    launch(url)
    before = path_of(url).read_bytes()
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != path_of(url))
    assert main(["show", "s", "--storage", url]) == 0
    assert main(["report", "s", "--storage", url, "--out", str(tmp_path / "r.html")]) == 0
    assert main(["export", "s", "--storage", url, "--out", str(tmp_path / "t.csv")]) == 0
    with pytest.raises(StorageError, match="reading only"):
        tuner.load("s", storage=url).optuna.set_user_attr("a", 1)
    assert path_of(url).read_bytes() == before
