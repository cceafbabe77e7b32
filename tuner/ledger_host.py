"""The ledger's life in its own process, without Ray: lanes are sent away when it cannot go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuner.errors import AttemptGivenUpError, StorageError, TunerError, UnwritableError
from tuner.messages import Answer, LaneInfo, Snapshot, Turn, Welcome

if TYPE_CHECKING:
    from tuner.plan import Plan
    from tuner.storage import Owner

_AWAY = Welcome(answer=Answer(state="done"))


class LedgerHost:
    """A ledger in a process of its own: opens the database, and ends the lanes when it fails."""

    def __init__(self, url: str, plan: Plan, owner: Owner) -> None:
        # Here, not above: a lane imports this module with the actor's handle, and needs neither.
        from tuner.ledger import Ledger
        from tuner.storage import open_storage

        self._storage = open_storage(url)
        lease_s = plan.spec.lease_s
        if self._storage.records.claim(plan.study_id, owner, lease_s=lease_s) is not None:
            raise TunerError(f"study {plan.study!r}: another process has taken it over")
        self._ledger = Ledger(self._storage, plan, owner)
        self._study = plan.study
        self._fatal: TunerError | None = None

    def join(self, info: LaneInfo) -> Welcome:
        """As `Ledger.join`; once the study cannot go on, a lane is sent away."""
        try:
            return self._ledger.join(info) if self._fatal is None else _AWAY
        except Exception as error:  # noqa: BLE001 - ends the study with its text
            self._fail(error)
            return _AWAY

    def exchange(self, turn: Turn) -> Answer:
        """As `Ledger.exchange`; once the study cannot go on, the lane ends."""
        try:
            return self._ledger.exchange(turn) if self._fatal is None else _AWAY.answer
        except Exception as error:  # noqa: BLE001 - ends the study with its text
            self._fail(error)
            return _AWAY.answer

    def call(self, method: str, *arguments: Any) -> Any:
        """A method of the ledger's desk for functions.

        Raises:
            AttemptGivenUpError: The attempt is over, or the database failed.
        """
        try:
            return getattr(self._ledger.functions, method)(*arguments)
        except StorageError as error:
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
        self._fatal = UnwritableError.of(self._study, path, reason)

    def tick(self) -> Snapshot:
        """As `Ledger.tick`; raises what ended the study."""
        if self._fatal is not None:
            raise self._fatal
        return self._ledger.tick()

    def stop(self, reason: str) -> None:
        """As `Ledger.stop`."""
        self._ledger.stop(reason)

    def close(self) -> None:
        """The study is free, the database closed."""
        self._ledger.close()
        self._storage.close()

    def _fail(self, error: Exception) -> None:
        """The study cannot go on; lanes are sent away, and `tick` tells the driver why."""
        if self._fatal is None:
            text = f"ledger: {type(error).__name__}: {error}"
            self._fatal = error if isinstance(error, TunerError) else TunerError(text)
