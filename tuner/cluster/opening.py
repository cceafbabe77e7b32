"""When lanes start: all at once as asked, or the others once the first are seen to need help."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from ray.tune.search import Searcher

from tuner.messages import Snapshot

WATCH_S = 1.0
"""How long the first lanes are watched."""

PAYS_S = 6.0
"""What the other lanes must save to pay: each needs 3 to 4 s of processor time to start."""


class Opening:
    """How many lanes may start by now.

    Args:
        n_lanes: Lanes in all.
        n_cpus: Of the cluster.
        n_first: Those that start at once; the rest follow when they pay.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        n_lanes: int,
        n_cpus: float,
        *,
        n_first: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.n_lanes = n_lanes
        self.n_open = n_first
        self._n_cpus = n_cpus
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self.n_slots: int | None = None
        """Rows that the first lane trains at once; the others need not measure how many pay."""
        self.n_ended = 0
        """Lanes that have come to their end."""
        self._n_joined = 0

    @property
    def is_idle(self) -> bool:
        """Whether no lane has a trial: of those that came to the ledger all have ended."""
        return self.n_ended >= self._n_joined

    def consider(self, snapshot: Snapshot) -> None:
        """Opens the rest if the first lanes, once watched, have long to go at their pace.

        More lanes are at most so many times as fast as there are more processors without the
        ledger's share, and as fast as the ledger alone.
        """
        self._n_joined = len(snapshot.lanes)
        if self.n_open == self.n_lanes or self._n_joined < self.n_open:
            return
        now = self._clock()
        n_done = snapshot.n_complete + snapshot.n_pruned + snapshot.n_failed
        if self._first is None:
            self._first, self.n_slots = (now, n_done), snapshot.lanes[0].n_slots
        began, n_before = self._first
        if now - began < WATCH_S:
            return
        share = max(snapshot.ledger_share, 1e-3)
        speedup = min(min(self.n_lanes, self._n_cpus - share) / self.n_open, 1 / share)
        if speedup <= 1:
            return
        # Both sides times the trials that ended meanwhile, of which there may be none.
        saved_trial_s = (snapshot.budget - n_done) * (now - began) * (1 - 1 / speedup)
        if saved_trial_s > PAYS_S * (n_done - n_before):
            self.n_open = self.n_lanes


class LaneByLane(Searcher):
    """What Ray Tune asks for lanes to start: their numbers, as far as they are open."""

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self._opening = opening
        self._n_given = 0

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Nothing is searched for."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next lane; None while it is not open; the end when there are no more."""
        if self._n_given == self._opening.n_lanes:
            return cast("dict[str, Any]", Searcher.FINISHED)  # a text, whatever its type says
        if self._n_given >= self._opening.n_open:
            return None
        self._n_given += 1
        return {"lane": self._n_given - 1, "n_slots": self._opening.n_slots}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A lane ends when the study does, so those that never opened are not needed."""
        self._n_given = self._opening.n_lanes
        self._opening.n_ended += 1

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger knows all that lanes must know."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""
