"""Databases to test with: an SQLite file per test, and databases of one real PostgreSQL."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from storage_databases import Clock, optuna_storage, run_sql, stop_process

from tuner.storage import Storage, open_storage
from tuner.storage.engine import Database

optuna.logging.set_verbosity(optuna.logging.ERROR)

_numbers = itertools.count(1)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL that lives as long as the tests.

    Its folder is none of pytest's: another pytest that starts takes the rights on those from
    the user that the server runs as.
    """
    pgserver = pytest.importorskip("pgserver")
    with tempfile.TemporaryDirectory(prefix="tuner-pg-") as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode=None)
        # These databases need not survive a power cut.
        for setting in ("fsync = off", "full_page_writes = off", "synchronous_commit = off"):
            run_sql(server.get_uri(), f"ALTER SYSTEM SET {setting}")
        run_sql(server.get_uri(), "SELECT pg_reload_conf()")
        yield server.get_uri()
        stop_process(server.get_pid())


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """A database with all tables, to copy."""
    url = postgresql_server.replace("/postgres?", "/template_tuner?")
    run_sql(postgresql_server, "CREATE DATABASE template_tuner")
    open_storage(url).close()
    return "template_tuner"


@pytest.fixture
def empty_postgresql(postgresql_server: str) -> str:
    """The address of an empty database of its own."""
    name = f"empty{next(_numbers)}"
    run_sql(postgresql_server, f"CREATE DATABASE {name}")
    return postgresql_server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def postgresql(postgresql_server: str, postgresql_template: str) -> str:
    """The address of a database of its own, with all tables."""
    name = f"test{next(_numbers)}"
    run_sql(postgresql_server, f"CREATE DATABASE {name} TEMPLATE {postgresql_template}")
    return postgresql_server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """The address of a file that is not there yet."""
    return f"sqlite:///{tmp_path / 'studies.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of each kind."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def opened() -> Iterator[Callable[[str], Storage]]:
    """Opens storages and closes them after the test."""
    storages: list[Storage] = []

    def open_one(url: str) -> Storage:
        storages.append(open_storage(url))
        return storages[-1]

    yield open_one
    for storage in storages:
        storage.close()


@pytest.fixture
def pair(
    url: str, opened: Callable[[str], Storage], clock: Clock
) -> Iterator[tuple[Storage, RDBStorage]]:
    """A storage that looks for changes by the clock, and Optuna's own on the same database."""
    opened(url)
    ours = Storage(Database(url), clock=clock)
    theirs = optuna_storage(url)
    yield ours, theirs
    theirs.remove_session()
    theirs.engine.dispose()
    ours.close()


@pytest.fixture
def storage(url: str, opened: Callable[[str], Storage]) -> Storage:
    """An opened storage over each kind of database."""
    return opened(url)
