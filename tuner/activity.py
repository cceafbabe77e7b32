"""What lanes do over time: hides how exchanges are summed into stretches worth storing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tuner.stretch import Stretch

if TYPE_CHECKING:
    from tuner.messages import Turn

LEAST_S = 0.25
SHARE = 1 / 200
"""A stretch lasts at least LEAST_S, and this share of the time since the ledger began: a lane
writes a few hundred rows, however long a study runs."""


@dataclass(frozen=True)
class Spent:
    """What the ledger did for one exchange, in seconds, and how many attempts began."""

    decided_s: float
    sampled_s: float
    stored_s: float
    n_started: int


@dataclass
class _Sums:
    """One lane since its last stretch ended."""

    began: float
    was_full: bool = False
    n_turns: int = 0
    n_started: int = 0
    row_s: float = 0.0
    slot_s: float = 0.0
    row_epochs: int = 0
    late_epochs: int = 0
    trained_s: float = 0.0
    waited_s: float = 0.0
    sampled_s: float = 0.0
    decided_s: float = 0.0
    stored_s: float = 0.0
    stacks: Counter[str] = field(default_factory=Counter)
    stack_turns: Counter[str] = field(default_factory=Counter)

    def add(self, turn: Turn, spent: Spent, seconds: float) -> None:
        """One more exchange, `seconds` after the one before it."""
        n_trained = sum(turn.stacks.values())
        self.n_turns += 1
        self.n_started += spent.n_started
        self.row_s += turn.n_rows * seconds
        self.slot_s += turn.n_slots * seconds
        self.row_epochs += n_trained
        self.late_epochs += turn.n_late
        self.trained_s += turn.seconds
        self.waited_s += turn.waited_s
        self.sampled_s += spent.sampled_s
        self.decided_s += spent.decided_s
        self.stored_s += spent.stored_s
        self.stacks.update(turn.stacks)
        self.stack_turns.update(turn.stacks.keys())


class ActivityLog:
    """Stretches of every lane's time, each to be stored once.

    Args:
        study_id: Whose lanes they are.
        began: Clock when the ledger began.
    """

    def __init__(self, study_id: int, began: float) -> None:
        self._study_id = study_id
        self._began = began
        self._sums: dict[int, _Sums] = {}
        self._last: dict[int, float] = {}
        self._done: list[Stretch] = []

    def join(self, lane: int, now: float) -> None:
        """The lane begins to work; what an earlier life of it did is a stretch of its own."""
        self._end(lane, now, was_full=False)
        self._sums[lane], self._last[lane] = _Sums(now), now

    def note(self, turn: Turn, spent: Spent, now: float) -> None:
        """The lane's exchange at `now` was answered."""
        sums = self._sums[turn.lane]
        sums.add(turn, spent, now - self._last[turn.lane])
        self._last[turn.lane] = now
        fills = not sums.was_full and turn.n_rows >= turn.n_slots
        is_long = now - sums.began >= max(LEAST_S, SHARE * (now - self._began))
        if fills or is_long:
            self._end(turn.lane, now, was_full=sums.was_full or fills)

    def take(self, *, everything: bool = False, now: float = 0.0) -> list[Stretch]:
        """The stretches that ended since this was last called, or with `everything` all of them."""
        if everything:
            for lane, sums in list(self._sums.items()):
                self._end(lane, now, was_full=sums.was_full)
        done, self._done = self._done, []
        return done

    def _end(self, lane: int, now: float, *, was_full: bool) -> None:
        sums = self._sums.get(lane)
        if sums is None or sums.n_turns == 0:
            return
        columns = {name: value for name, value in vars(sums).items() if name != "began"}
        columns |= {"stacks": dict(sums.stacks), "stack_turns": dict(sums.stack_turns)}
        seconds = now - sums.began
        began_at = datetime.now(UTC) - timedelta(seconds=seconds)
        stretch = Stretch(self._study_id, lane, began_at, seconds, **columns)
        self._done.append(stretch)
        self._sums[lane] = _Sums(now, was_full=was_full)
