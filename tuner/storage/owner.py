"""Hides how a process is told apart from every other, and whether it still lives."""

from __future__ import annotations

import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Owner:
    """The process that runs a study.

    Attributes:
        host: Its host's name.
        boot_id: Changes when the host starts anew; after a slash, the container's process space.
        pid: Its process number.
        process_start: When it started, in the host's own count; tells a reused pid apart.
        since: When it took the study, in seconds since 1970.
        token: Unlike that of any other owner, also of the same process.
    """

    host: str
    boot_id: str
    pid: int
    process_start: float
    since: float
    token: str

    def is_on_host_of(self, other: Owner) -> bool:
        """Whether each can tell if the other's process lives."""
        if self.host != other.host:
            return False
        boot, _, space = self.boot_id.partition("/")
        other_boot, _, other_space = other.boot_id.partition("/")
        return boot != other_boot or space == other_space

    def is_dead_for(self, observer: Owner) -> bool:
        """Whether the observer, on the same host, knows this owner's process to be gone."""
        if not self.is_on_host_of(observer):
            return False
        if self.boot_id != observer.boot_id:
            return True
        return _process_start(self.pid) != self.process_start


def this_process(now: float | None = None) -> Owner:
    """This process as an owner with a new token.

    Args:
        now: Seconds since 1970; the present by default.
    """
    pid = psutil.Process().pid
    start = _process_start(pid)
    assert start is not None
    return Owner(
        host=socket.gethostname(),
        boot_id=_boot_id(),
        pid=pid,
        process_start=start,
        since=time.time() if now is None else now,
        token=uuid.uuid4().hex,
    )


def _boot_id() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    try:
        return f"{boot.read_text().strip()}/{space.readlink()}"
    except OSError:
        return f"{psutil.boot_time():.0f}/"


def _process_start(pid: int) -> float | None:
    """When the process started, or None if it is gone.

    On Linux in clock ticks since boot, which no change of the wall clock moves.
    """
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return None
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists():
            # The second field is the program's name in parentheses and may hold anything.
            return float(stat.read_text().rpartition(")")[2].split()[19])
        return psutil.Process(pid).create_time()
    except (psutil.NoSuchProcess, OSError):
        return None
