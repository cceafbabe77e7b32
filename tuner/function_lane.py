"""A lane of one slot for a function objective: take a trial, run it, tell, until all is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trials.errors import free_memory
from trials.function import Ending, TrialObjective, call
from tuner.errors import AttemptGivenUpError
from tuner.lane import WAIT_S
from tuner.memory import host_bytes
from tuner.messages import Answer, Assignment, Failure, LaneInfo, Result, Turn
from tuner.remote import remote_trial

if TYPE_CHECKING:
    from tuner.lane import Connection


class FunctionLane:
    """Runs an Optuna objective, one trial at a time, over the ledger.

    A function cannot be moved or saved, so its trials start anew when their lane is lost, and
    when the study is stopped the running one is finished first. One that ran out of memory gets a
    second attempt, once what the first one held is free.
    """

    def __init__(
        self,
        info: LaneInfo,
        objective: TrialObjective,
        n_objectives: int,
        connection: Connection,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.info = info
        self._objective = objective
        self._n_objectives = n_objectives
        self._connection = connection
        self._clock = clock
        self._sleep = sleep
        self._index = 0
        self._todo: list[Assignment] = []
        self._ran_out: set[int] = set()
        self._answer = Answer()

    def run(self) -> None:
        """Works until the ledger says that nothing is left."""
        self.start()
        while self.turn():
            pass

    def start(self) -> None:
        """Joins; trials that an earlier life of the lane left come first."""
        welcome = self._connection.join(self.info)
        self._todo = [*welcome.rows, *welcome.answer.trials]
        self._answer = welcome.answer

    def turn(self) -> bool:
        """One trial, or a pause where there is none; False once the lane has ended."""
        if self._answer.state == "done":
            return False
        leaving = self._answer.state == "save"
        ended: list[Result | Failure] = []
        returned: tuple[int, ...] = ()
        started = self._clock()
        if self._todo and not leaving:
            assignment = self._todo.pop(0)
            ending = self._run(assignment)
            if ending is not None and self._is_first_want_of_memory(assignment, ending):
                returned = (assignment.token,)
            elif ending is not None:
                ended.append(_told(assignment, ending))
        elif not leaving:
            self._sleep(WAIT_S)
        seconds = self._clock() - started
        self._answer = self._send(ended, returned, seconds, leaving=leaving)
        self._todo += self._answer.trials
        return not leaving

    def _send(
        self,
        ended: Sequence[Result | Failure],
        returned: tuple[int, ...],
        seconds: float,
        *,
        leaving: bool,
    ) -> Answer:
        self._index += 1
        turn = Turn(
            lane=self.info.lane,
            session=self.info.session,
            index=self._index,
            results=tuple(item for item in ended if isinstance(item, Result)),
            failures=tuple(item for item in ended if isinstance(item, Failure)),
            returned=returned,
            n_free=1 - len(self._todo),
            n_rows=len(ended),
            stacks={"function": len(ended)} if ended else {},
            seconds=seconds,
            leaving=leaving,
            memory_bytes=host_bytes(),
        )
        return self._connection.exchange(turn).result()

    def _is_first_want_of_memory(self, assignment: Assignment, ending: Ending) -> bool:
        if not ending.is_out_of_memory:
            return False
        free_memory()
        is_first = assignment.trial_id not in self._ran_out
        self._ran_out ^= {assignment.trial_id}
        return is_first

    def _run(self, assignment: Assignment) -> Ending | None:
        """How a trial that was run ended; None of an attempt that was given up."""
        try:
            trial, storage = remote_trial(self._connection.call, assignment.token)
            ending = call(self._objective, trial, self._n_objectives)
            storage.flush()
        except AttemptGivenUpError:
            return None
        return ending


def _told(assignment: Assignment, ending: Ending) -> Result | Failure:
    if ending.state == "failed":
        assert ending.error is not None
        reason = "oom" if ending.is_out_of_memory else "error"
        return Failure(assignment.trial_id, assignment.token, reason, ending.error)
    return Result(assignment.trial_id, assignment.token, ending.state, ending.values)
