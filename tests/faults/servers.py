"""A PostgreSQL that can be killed and started again, and a wire to it that can be cut."""

from __future__ import annotations

import itertools
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import psutil
import sqlalchemy

_numbers = itertools.count(1)


class Server:
    """A PostgreSQL of the tests' own.

    Args:
        running: From `pgserver.get_server`.
        folder: Of its data.
    """

    def __init__(self, running: Any, folder: Path) -> None:
        self._running = running
        self._folder = folder
        # A kill of processes loses nothing that the system has; a power cut is not tested.
        for setting in ("fsync = off", "full_page_writes = off"):
            self._run(f"ALTER SYSTEM SET {setting}")
        self._run("SELECT pg_reload_conf()")

    @property
    def socket(self) -> str:
        """The file of the socket it listens on."""
        (folder,) = parse_qs(urlsplit(self._running.get_uri()).query)["host"]
        return f"{folder}/.s.PGSQL.5432"

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"faults{next(_numbers)}"
        self._run(f"CREATE DATABASE {name}")
        address: str = self._running.get_uri(database=name)
        return address.replace("postgresql://", "postgresql+psycopg://")

    def kill(self) -> None:
        """Every process of the server is dead, without a chance to tidy up."""
        postmaster = psutil.Process(self._running.get_pid())
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        until = time.monotonic() + 30
        while any(_is_alive(process) for process in processes):
            assert time.monotonic() < until
        # Where nobody reaps it the dead process still has its number, and would be waited for.
        (self._folder / "postmaster.pid").unlink()
        Path(f"{self.socket}.lock").unlink()

    def cut_off(self) -> None:
        """It has ended every connection that others have, as it does when it is shut down."""
        self._run(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    def start(self) -> None:
        """It is there again and has repaired what the kill left."""
        self._running.ensure_postgres_running()

    def _run(self, statement: str) -> None:
        address = self._running.get_uri().replace("postgresql://", "postgresql+psycopg://")
        engine = sqlalchemy.create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(statement))
        engine.dispose()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@dataclass
class Trap:
    """What happens to the n-th COMMIT that is sent.

    Attributes:
        where: `before`: it never arrives. `after`: its answer is lost. The connection is gone.
        n: Which one, from 1.
        has_fired: Whether it happened.
    """

    where: Literal["before", "after"]
    n: int
    has_fired: bool = False


class Wire:
    """Passes bytes between clients on a port of this host and a server's socket."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.trap: Trap | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def address(self, url: str) -> str:
        """`url` of a database of the server, through this wire."""
        port = self._listener.getsockname()[1]
        name = urlsplit(url).path
        options = "sslmode=disable&gssencmode=disable"
        return f"postgresql+psycopg://postgres:@127.0.0.1:{port}{name}?{options}"

    def cut(self) -> None:
        """Every connection that is open is gone."""
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def close(self) -> None:
        """Nobody can connect any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._pairs.append((client, server))
                threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    if end is client and self._springs(data):
                        self._lose(data, server)
                        return
                    (server if end is client else client).sendall(data)

    def _springs(self, data: bytes) -> bool:
        if self.trap is None or self.trap.has_fired or b"COMMIT" not in data:
            return False
        self.trap.n -= 1
        self.trap.has_fired = self.trap.n == 0
        return self.trap.has_fired

    def _lose(self, data: bytes, server: socket.socket) -> None:
        assert self.trap is not None
        if self.trap.where == "after":
            server.sendall(data)
            server.recv(65536)


@contextmanager
def wired(server: Server) -> Iterator[Wire]:
    """A wire to the server that lives as long as the block."""
    wire = Wire(server.socket)
    try:
        yield wire
    finally:
        wire.close()
