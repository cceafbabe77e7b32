"""What the tests of the storage share: a clock, Optuna's own storage, other processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import sqlalchemy
import sqlalchemy.pool
from optuna.storages import RDBStorage


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The present."""
        return self.now


def optuna_storage(url: str) -> RDBStorage:
    """Optuna's own storage at the address."""
    address = url.replace("postgresql://", "postgresql+psycopg://")
    return RDBStorage(address, engine_kwargs={"poolclass": sqlalchemy.pool.NullPool})


def run_sql(url: str, command: str) -> object:
    """The first figure that the command returns, run outside of a transaction."""
    address = url.replace("postgresql://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(sqlalchemy.text(command))
        figure = result.scalar() if result.returns_rows else None
    engine.dispose()
    return figure


def stop_process(pid: int) -> None:
    """The server has shut down and its files are closed.

    `pg_ctl stop` would wait a minute for the process to be reaped where nobody reaps it.
    """
    process = psutil.Process(pid)
    process.send_signal(signal.SIGINT)
    until = time.monotonic() + 30
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        os.sched_yield()


def race(program: str, url: str, n: int) -> list[str]:
    """What each of `n` processes prints that run a program on a database at one moment.

    Args:
        program: Python code after `url` is set and everything is imported.
        url: Given to it.
        n: Processes; of each one line is taken.
    """
    start = "import sys, optuna\nfrom tuner.storage import *\nfrom optuna.study import *\n"
    ready = "url = sys.argv[1]\nprint('ready', flush=True)\nsys.stdin.readline()\n"
    command = [sys.executable, "-c", start + ready + program, url]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    # All have done their part before the first may end.
    outputs = [process.stdout.readline().strip() for process in processes if process.stdout]
    for process in processes:
        process.communicate(timeout=120)
    assert [process.returncode for process in processes] == [0] * n
    return outputs
