"""When a study has had enough: trials, wall time, target value, patience."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trials.contract import Direction
    from tuner.spec import Spec


class Budget:
    """What a study has used of its budget, over all calls that worked on it.

    Args:
        spec: Its `trials`, `time_limit_s`, `target_value` and `patience_trials`.
        direction: Of the first objective, the one target and patience look at.
        elapsed_s: Wall time that earlier calls used.
        now: Monotonic clock, seconds.
    """

    def __init__(self, spec: Spec, direction: Direction, elapsed_s: float, now: float) -> None:
        self._spec = spec
        self._sign = 1.0 if direction == "minimize" else -1.0
        self._before_s = elapsed_s
        self._began = now
        self._best: float | None = None
        self._n_since_best = 0
        self.n_trials = 0
        """Own trials so far, in any state."""
        self.closed: str | None = None
        """Why an objective wants no further trials, or None."""

    def elapsed_s(self, now: float) -> float:
        """Wall time of the study so far."""
        return self._before_s + now - self._began

    def left_s(self, now: float) -> float | None:
        """Time until the limit of wall time, or None where there is none."""
        limit = self._spec.time_limit_s
        return None if limit is None else max(0.0, limit - self.elapsed_s(now))

    @property
    def has_trials_left(self) -> bool:
        """Whether another trial may be created."""
        return self.n_trials < self._spec.trials

    @property
    def exhausted(self) -> str | None:
        """Why a study for which nothing more is proposed ends before its trials are used up."""
        return "every combination of the grid was tried" if self.has_trials_left else None

    def finished(self, values: Sequence[float] | None) -> None:
        """A trial ended, with `values` if it completed; in order of ending."""
        cost = None if values is None else self._sign * values[0]
        if cost is not None and (self._best is None or cost < self._best):
            self._best, self._n_since_best = cost, 0
        else:
            self._n_since_best += 1

    def close(self, reason: str) -> None:
        """Whatever is left of the budget stays unused, for the first reason given."""
        self.closed = self.closed or reason

    def exceeded(self, now: float) -> str | None:
        """Why the study ends before its trials are used up, or None."""
        if self.closed is not None:
            return self.closed
        limit = self._spec.time_limit_s
        if limit is not None and self.elapsed_s(now) >= limit:
            return f"time limit of {limit:g} s reached"
        target = self._spec.target_value
        if target is not None and self._best is not None and self._best <= self._sign * target:
            return f"target value {target:g} reached"
        patience = self._spec.patience_trials
        if patience is not None and self._best is not None and self._n_since_best >= patience:
            return f"no improvement in {patience} trials"
        return None
