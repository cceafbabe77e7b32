"""The loop that trains: exchange, evict, admit, advance cohorts, until the ledger is done.

Written once and without Ray: inline it runs in the caller's process, on Ray in a worker's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tuner.hosting import Keeping, Rows
from tuner.memory import host_bytes
from tuner.messages import Answer, LaneInfo, Report, Saved, Turn, Welcome
from tuner.rotation import next_due

if TYPE_CHECKING:
    from trials.contract import Trainer
    from tuner.showing import Show

__all__ = ["WAIT_S", "Connection", "Keeping", "Lane", "Pending", "Ready"]

WAIT_S = 0.2
"""Pause of a lane that has nothing to train before it asks again."""


class Pending(Protocol):
    """An answer on its way."""

    def result(self) -> Answer:
        """The answer; waits for it."""


class Connection(Protocol):
    """A lane's way to the ledger."""

    def join(self, info: LaneInfo) -> Welcome:
        """Makes the lane known; attempts of an earlier life of it are given up."""

    def exchange(self, turn: Turn) -> Pending:
        """Sends a turn; its answer arrives while the next turn trains."""

    def call(self, method: str, *arguments: Any) -> Any:
        """Runs a method of the ledger's desk for function objectives and returns its result."""


class Lane:
    """Trials of one trainer, trained together.

    The answer to turn t is applied after turn t+1 has trained, waiting if it is late. So rows
    train while the ledger thinks, and the history does not depend on how fast it answers. Stacks
    take turns (`rotation`), so that a row is judged before it trains on. Only where all rows are
    one stack, every row that is stopped has an epoch in vain; `Turn.n_late` counts them.
    """

    def __init__(
        self,
        info: LaneInfo,
        trainer: Trainer,
        connection: Connection,
        keeping: Keeping,
        *,
        show: Show | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        memory: Callable[[], int] = host_bytes,
    ) -> None:
        self.info = info
        self._memory = memory
        self._rows = Rows(trainer, keeping, info.n_slots, show)
        self._connection = connection
        self._checkpoint_every_s = keeping.every_s
        self._clock = clock
        self._sleep = sleep
        self._saved: list[Saved] = []
        self._index = 0
        self._checkpointed = clock()
        self._pending: Pending | None = None
        self._due: tuple[str, ...] = ()

    def run(self) -> None:
        """Trains until the ledger says that nothing is left."""
        self.start()
        while self.turn():
            pass

    def start(self) -> None:
        """Joins, and brings the rows that an earlier life of the lane left up to date."""
        welcome = self._connection.join(self.info)
        self._rows.admit(welcome.rows)
        self._pending = Ready(welcome.answer)
        self._due = tuple(self._rows.units) if welcome.due is None else welcome.due

    def turn(self) -> bool:
        """One turn of training and one exchange; False once the lane has ended."""
        assert self._pending is not None
        due, n_rows, stacks = self._due, len(self._rows), self._rows.stacks(self._due)
        began = self._clock()
        reports = self._rows.advance(due)
        done = self._clock()
        answer = self._pending.result()
        times = done - began, self._clock() - done
        stopped = {verdict.token for verdict in answer.verdicts}
        told = [report for report in reports if report.token not in stopped]
        self._apply(answer)
        if answer.state == "done":
            return False
        leaving = answer.state == "save"
        if leaving or self._clock() - self._checkpointed >= self._checkpoint_every_s:
            self._checkpointed = self._clock()
            self._saved = self._rows.checkpoint()
        if answer.state == "wait" and not self._rows:
            self._sleep(WAIT_S)
        self._due = next_due(self._rows.units, due)
        trained = _Trained(n_rows, stacks, len(reports) - len(told), *times)
        self._pending = self._connection.exchange(self._turn(told, trained, leaving=leaving))
        if leaving:
            for verdict in self._pending.result().verdicts:
                self._rows.end(verdict)
        return not leaving

    def _turn(self, reports: list[Report], trained: _Trained, *, leaving: bool) -> Turn:
        self._index += 1
        rows, saved, self._saved = self._rows, self._saved, []
        ending = rows.ending(self._due)
        return Turn(
            lane=self.info.lane,
            session=self.info.session,
            index=self._index,
            reports=tuple(sorted(reports, key=lambda report: report.trial_id)),
            failures=rows.take_failures(),
            saved=tuple(saved),
            returned=rows.take_returned(),
            n_rows=trained.n_rows,
            n_free=rows.n_slots - len(rows) + len(ending),
            ending=ending,
            n_slots=rows.n_slots,
            stacks=trained.stacks,
            due=self._due,
            n_late=trained.n_late,
            seconds=trained.seconds,
            waited_s=trained.waited_s,
            leaving=leaving,
            memory_bytes=self._memory(),
        )

    def _apply(self, answer: Answer) -> None:
        for verdict in answer.verdicts:
            self._rows.end(verdict)
        for assignment in answer.trials:
            self._rows.end_former(assignment)
        self._rows.admit(answer.trials)


@dataclass(frozen=True)
class _Trained:
    """What a lane did since its last exchange; the fields are those of `Turn`."""

    n_rows: int
    stacks: Mapping[str, int]
    n_late: int
    seconds: float
    waited_s: float


@dataclass(frozen=True)
class Ready:
    """An answer that is there already."""

    answer: Answer

    def result(self) -> Answer:
        """The answer, at once."""
        return self.answer
