"""What a lane and the ledger did in a stretch of time, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Stretch:
    """One lane over a stretch of time.

    Attributes:
        began_at: When the stretch began; it ended `seconds` later.
        n_turns: Exchanges in it.
        n_started: Attempts that began in answer to them.
        was_full: Every slot of the lane had held a row before the stretch began.
        row_s: Seconds times rows in slots.
        slot_s: Seconds times slots.
        row_epochs: Epochs that rows trained.
        late_epochs: Those among them in vain: the row's stop was under way.
        trained_s: Seconds that the lane trained.
        waited_s: Seconds that it waited for an answer.
        sampled_s: Seconds that the ledger spent on this lane's new trials.
        decided_s: The same, on its verdicts.
        stored_s: The same, on writing the database.
        stacks: Row-epochs by what the rows of a stack had in common.
        stack_turns: Turns in which there was such a stack.
    """

    study_id: int
    lane: int
    began_at: datetime
    seconds: float
    n_turns: int
    n_started: int
    was_full: bool
    row_s: float
    slot_s: float
    row_epochs: int
    late_epochs: int
    trained_s: float
    waited_s: float
    sampled_s: float
    decided_s: float
    stored_s: float
    stacks: Mapping[str, int]
    stack_turns: Mapping[str, int]
