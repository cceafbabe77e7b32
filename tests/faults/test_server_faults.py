"""A study outlives its PostgreSQL server and the wire to it: nothing lost, nothing twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from crashes import N_TRIALS, REFUSED, Studies, launch, trials_of
from history import check_history
from optuna.study import StudyDirection
from servers import Server, Trap, wired
from sqlalchemy import event
from stubs import StubTrainer

from tuner.errors import StorageError
from tuner.storage import Storage, open_storage
from tuner.storage.engine import Database


def hurting(hurt: Callable[[], None], at: int) -> type[StubTrainer]:
    """A stub trainer that calls `hurt` when it makes its cohort number `at`, in mid-study."""

    class Hurting(StubTrainer):
        """Counts its cohorts."""

        n = 0

        def cohort(self, structure: object) -> Any:
            Hurting.n += 1
            if Hurting.n == at:
                hurt()
            return super().cohort(structure)

    return Hurting


def check_same(url: str, trials: list[Any]) -> None:
    """The study has the trials of one that nothing happened to, each attempt once."""
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == trials
    storage = open_storage(url)
    attempts = storage.records.attempts(storage.get_study_id_from_name("s"))
    assert len(attempts) == N_TRIALS
    storage.close()


class StartedWhenMissed(logging.Handler):
    """Starts the server once somebody says that it is away."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        """Starts it."""
        if "database unavailable, retrying" in record.getMessage():
            self._server.start()


def test_a_study_outlives_its_server(server: Server, undisturbed: list[Any]) -> None:
    """The server is killed, missed, and started again; the study says so, waits and goes on."""
    url = server.new_database()
    log, starting = logging.getLogger("tuner.storage.engine"), StartedWhenMissed(server)
    log.addHandler(starting)
    try:
        launch(url, hurting(server.kill, at=4))
    finally:
        log.removeHandler(starting)
    check_same(url, undisturbed)


@pytest.mark.parametrize("at", [2, 5])
def test_a_study_outlives_an_idle_connection(
    server: Server, undisturbed: list[Any], at: int
) -> None:
    """A connection that is cut between two exchanges is opened again."""
    url = server.new_database()
    with wired(server) as wire:
        launch(wire.address(url), hurting(wire.cut, at))
    check_same(url, undisturbed)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("n", [12, 16, 24])
def test_a_study_outlives_a_connection_in_a_transaction(
    server: Server, undisturbed: list[Any], where: Any, n: int
) -> None:
    """A commit that never arrives is repeated once; one whose answer is lost is not repeated."""
    url = server.new_database()
    with wired(server) as wire:
        wire.trap = Trap(where, n)
        launch(wire.address(url))
        assert wire.trap.has_fired
    check_same(url, undisturbed)


@contextmanager
def at_commit(n: int, hurt: Callable[[], None]) -> Iterator[None]:
    """Calls `hurt` when the n-th transaction is about to be committed."""
    left = [n]

    def count(_connection: sqlalchemy.Connection) -> None:
        left[0] -= 1
        if left[0] == 0:
            hurt()

    event.listen(sqlalchemy.Engine, "commit", count)
    try:
        yield
    finally:
        event.remove(sqlalchemy.Engine, "commit", count)
    assert left[0] <= 0, "there were too few commits"


@pytest.mark.parametrize("n", [14, 21])
@pytest.mark.parametrize("how", ["kill", "cut_off"])
def test_a_study_outlives_a_server_that_goes_in_a_transaction(
    server: Server, undisturbed: list[Any], how: str, n: int
) -> None:
    """Killed or shut down when everything but the commit was sent: the whole is done again once."""
    url = server.new_database()
    log, starting = logging.getLogger("tuner.storage.engine"), StartedWhenMissed(server)
    log.addHandler(starting)
    try:
        with at_commit(n, getattr(server, how)):
            launch(url)
    finally:
        log.removeHandler(starting)
    check_same(url, undisturbed)


def test_launches_at_one_moment_share_one_study_on_a_server(
    studies: Studies, server: Server, undisturbed: list[Any], tmp_path: Path
) -> None:
    """On an empty database one of three makes the schema and runs the study, once."""
    url = server.new_database()
    codes = studies.run_together(url, 3, artifacts=str(tmp_path))
    assert set(codes) <= {0, REFUSED}
    assert 0 in codes
    check_same(url, undisturbed)


def test_a_server_that_stays_away_is_an_error(server: Server) -> None:
    """After its patience a call fails with what to do, memory is as before, and a retry works."""
    url = server.new_database()
    open_storage(url).close()
    storage = Storage(Database(url, patience_s=0.3))
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])
    server.kill()
    with pytest.raises(StorageError, match="gives no answer; start the server"):
        storage.create_new_trial(study_id)
    server.start()
    storage.create_new_trial(study_id)
    assert [trial.number for trial in storage.get_all_trials(study_id)] == [0]
    storage.close()


def test_a_server_that_was_never_there_is_not_waited_for(server: Server) -> None:
    """A wrong address is an error at once."""
    with wired(server) as wire:
        url = wire.address(server.new_database())
    with pytest.raises(StorageError, match="gives no answer"):
        open_storage(url)
