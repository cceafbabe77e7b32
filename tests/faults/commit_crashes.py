"""A crash at a chosen commit of a process, and a plan that brings one to the ledger's process."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tuner.plan import Plan

EXITED = 70


@dataclass(frozen=True)
class Crash:
    """What happens at one commit of a process.

    Attributes:
        n: Which commit, from 1; every transaction of the process counts.
        how: `kill`: SIGKILL; `exit`: `os._exit`; `raise`: the database reports an error.
        is_after: The commit takes effect first.
    """

    n: int
    how: Literal["kill", "exit", "raise"] = "kill"
    is_after: bool = False

    def arm(self, fired: Path) -> None:
        """From now on commits are counted; `fired` is a file once it happened."""
        left = [self.n]

        def count(connection: sqlalchemy.Connection) -> None:
            # Optuna's schema is first tried in memory, which no crash can harm.
            left[0] -= connection.engine.url.database is not None
            if left[0] == 0:
                fired.touch()
                self._happen(connection)

        event.listen(sqlalchemy.Engine, "commit", count)

    def _happen(self, connection: sqlalchemy.Connection) -> None:
        if self.is_after:
            connection.connection.commit()
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "exit":
            os._exit(EXITED)
        raise OperationalError("COMMIT", None, Exception("disk I/O error"))


def crashing_plans(crash: Crash, fired: Path) -> Callable[..., Plan]:
    """Makes plans that are ordinary here; the process that gets one crashes at a commit."""

    class CrashingPlan(Plan):
        """Travels with its crash."""

        def __reduce__(self) -> tuple[Any, ...]:
            values = [getattr(self, field.name) for field in dataclasses.fields(Plan)]
            return _arrived, (crash, fired, values)

    return CrashingPlan


def _arrived(crash: Crash, fired: Path, values: list[Any]) -> Plan:
    crash.arm(fired)
    return Plan(*values)
