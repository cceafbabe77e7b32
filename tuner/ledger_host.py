"""The ledger's life in its own process, without Ray: lanes are sent away when it cannot go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner import preload
from tuner.deletion import deletion_noticed
from tuner.errors import (
    AttemptGivenUpError,
    StorageError,
    TakenOverError,
    TunerError,
    UnwritableError,
)
from tuner.messages import Answer, LaneInfo, Snapshot, Turn, Welcome

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tuner.plan import Plan
    from tuner.storage import Owner

_AWAY = Welcome(answer=Answer(state="done"))


class LedgerHost:
    """A ledger in a process of its own: opens the database, and ends the lanes when it fails."""

    def __init__(self) -> None:
        preload.spare()
        # Here, not above: a lane imports this module with the actor's handle, and needs neither.
        from tuner.ledger import Ledger
        from tuner.storage import open_storage

        self._make_ledger, self._open_storage = Ledger, open_storage
        self._fatal: TunerError | None = None
        self._joined = self._worked_s = 0.0

    def open(self, url: str, plan: Plan, owner: Owner) -> None:
        """The ledger of a study is there; comes before everything else.

        Raises:
            StorageError: The database cannot be used.
            TakenOverError: Another process has the study.
        """
        self._storage = self._open_storage(url)
        lease_s = plan.spec.lease_s
        if self._storage.records.claim(plan.study_id, owner, lease_s=lease_s) is not None:
            raise TakenOverError.of(plan.study)
        self._ledger = self._make_ledger(self._storage, plan, owner)
        self._plan, self._owner = plan, owner

    def join(self, info: LaneInfo) -> Welcome:
        """As `Ledger.join`; once the study cannot go on, a lane is sent away."""
        self._joined = self._joined or time.monotonic()
        try:
            with self._at_work(), self._deletion_noticed():
                return self._ledger.join(info) if self._fatal is None else _AWAY
        except Exception as error:  # noqa: BLE001 - ends the study with its text
            self._fail(error)
            return _AWAY

    def exchange(self, turn: Turn) -> Answer:
        """As `Ledger.exchange`; once the study cannot go on, the lane ends."""
        try:
            with self._at_work(), self._deletion_noticed():
                return self._ledger.exchange(turn) if self._fatal is None else _AWAY.answer
        except Exception as error:  # noqa: BLE001 - ends the study with its text
            self._fail(error)
            return _AWAY.answer

    def call(self, method: str, *arguments: Any) -> Any:
        """A method of the ledger's desk for functions.

        Raises:
            AttemptGivenUpError: The attempt is over, the database failed, or another process
                has the study.
        """
        try:
            with self._at_work(), self._deletion_noticed():
                return getattr(self._ledger.functions, method)(*arguments)
        except (StorageError, TakenOverError) as error:
            self._fail(error)
            raise AttemptGivenUpError(f"the study cannot go on: {error}") from None

    def beat(self, lane: int, session: str) -> bool:
        """As `Ledger.beat`."""
        return self._ledger.beat(lane, session)

    def lane_failed(self, lane: int, error: str) -> None:
        """A lane could not even start; without lanes the study cannot go on."""
        self._fatal = TunerError(f"lane {lane}: cannot start: {error}")

    def unwritable(self, path: str, reason: str) -> None:
        """A lane cannot write a file of the study; a restarted one could not either."""
        self._fatal = UnwritableError.of(self._plan.study, path, reason)

    def tick(self) -> Snapshot:
        """As `Ledger.tick`; raises what ended the study."""
        if self._fatal is not None:
            raise self._fatal
        with self._deletion_noticed():
            snapshot = self._ledger.tick()
        if not self._joined:
            return snapshot
        passed_s = time.monotonic() - self._joined
        return replace(snapshot, ledger_share=self._worked_s / max(passed_s, self._worked_s, 1e-3))

    def stop(self, reason: str) -> None:
        """As `Ledger.stop`."""
        self._ledger.stop(reason)

    def close(self) -> None:
        """The study is free, the database closed."""
        with self._deletion_noticed():
            self._ledger.close()
        self._storage.close()

    def _deletion_noticed(self) -> AbstractContextManager[None]:
        plan = self._plan
        return deletion_noticed(self._storage, plan.study_id, plan.study, self._owner)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._worked_s += time.monotonic() - began

    def _fail(self, error: Exception) -> None:
        """The study cannot go on; lanes are sent away, and `tick` tells the driver why."""
        if self._fatal is None:
            text = f"ledger: {type(error).__name__}: {error}"
            self._fatal = error if isinstance(error, TunerError) else TunerError(text)
