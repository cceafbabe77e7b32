"""What the tests of faults share: processes that die, and the studies they leave."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crashes import Studies, serving, trials_of
from servers import Server


@pytest.fixture(scope="session")
def studies() -> Iterator[Studies]:
    """Starts studies in processes of their own."""
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def undisturbed(studies: Studies, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The trials of the study that nothing happens to."""
    url = f"sqlite:///{tmp_path_factory.mktemp('undisturbed')}/studies.db"
    assert not studies.run(url)
    return trials_of(url)


@pytest.fixture(scope="session")
def own_server() -> Iterator[Server]:
    """A PostgreSQL that lives as long as the tests.

    Its folder is none of pytest's: another pytest that starts takes the rights on those from
    the user that the server runs as.
    """
    pgserver = pytest.importorskip("pgserver")
    with tempfile.TemporaryDirectory(prefix="tuner-pg-") as folder:
        data = Path(folder) / "data"
        server = Server(pgserver.get_server(data, cleanup_mode=None), data)
        yield server
        server.start()
        server.kill()


@pytest.fixture
def server(own_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A PostgreSQL that a test may hurt; it runs, whatever the last test did to it.

    Files of a study in it are in a folder of the test, the current one.
    """
    monkeypatch.chdir(tmp_path)
    own_server.start()
    return own_server
