"""The median stopping rule, with tables that make a decision as quick in a long history."""

import math
from bisect import insort
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from tuner.algorithms.pruning import GO_ON, Decision, PruningTask, cost
from tuner.checks import whole


@dataclass(frozen=True)
class Warmup:
    """When the rule is silent, with the names and meaning of Optuna's `MedianPruner`.

    Attributes:
        n_startup_trials: Complete trials before the first decision.
        n_warmup_steps: First step at which a trial may end.
        interval_steps: Steps between decisions, counted from `n_warmup_steps`.
        n_min_trials: Complete trials with a value at the step.
    """

    n_startup_trials: int = 5
    n_warmup_steps: int = 0
    interval_steps: int = 1
    n_min_trials: int = 1


class _Point(NamedTuple):
    step: int
    cost: float
    best: float
    """Least cost up to here; infinite while no value was a number."""
    last_step: int
    """Highest step before this one, or -1."""


@dataclass
class _Column:
    """Costs of complete trials at one step, in order; and how many were no number."""

    costs: list[float] = field(default_factory=list)
    n_nan: int = 0


class Median:
    """Stops a trial whose best value so far is worse than the median of complete trials' values.

    The median is that of the values at the same step; values that are no numbers are left out
    of it, and a trial that has no other ends. Equals Optuna's `MedianPruner` decision by decision.

    Source: Golovin et al., Google Vizier, KDD (2017), section 3.2.
    """

    def __init__(self, task: PruningTask, warmup: Warmup) -> None:
        self._direction = task.direction
        self._warmup = warmup
        self._tracks: dict[int, list[_Point]] = {}
        self._columns: dict[int, _Column] = {}
        self._n_complete = 0

    def observe(self, number: int, step: int, value: float) -> None:
        """The value is the trial's last; it counts for others once the trial is complete."""
        track = self._tracks.setdefault(number, [])
        own = math.nan if math.isnan(value) else cost(value, self._direction)
        if not track:
            best, last = math.inf, -1
        elif track[-1].step >= step:
            return
        else:
            best, last = track[-1].best, track[-1].step
        track.append(_Point(step, own, best if math.isnan(own) else min(best, own), last))

    def rewind(self, number: int, step: int) -> None:
        """The trial's values after `step` never were."""
        track = self._tracks.get(number, [])
        while track and track[-1].step > step:
            track.pop()

    def finish(self, number: int, state: str) -> None:
        """The values of a complete trial are compared with from now on."""
        track = self._tracks.pop(number, [])
        if state != "COMPLETE":
            return
        self._n_complete += 1
        for point in track:
            column = self._columns.setdefault(point.step, _Column())
            if math.isnan(point.cost):
                column.n_nan += 1
            else:
                insort(column.costs, point.cost)

    def decide(self, number: int, step: int, value: float) -> Decision:
        """Whether the trial goes on, if a decision is due at `step`."""
        track = self._tracks.get(number)
        if not track or track[-1].step != step or not self._is_due(track[-1]):
            return GO_ON
        if all(math.isnan(point.cost) for point in track):
            return Decision(True, step, f"no value up to step {step} is a number")
        column = self._columns.get(step, _Column())
        n = len(column.costs)
        if n == 0 or n + column.n_nan < self._warmup.n_min_trials:
            return GO_ON
        middle = (column.costs[(n - 1) // 2] + column.costs[n // 2]) / 2
        prune = track[-1].best > middle
        sign = -1 if self._direction == "maximize" else 1
        return Decision(
            prune=prune,
            rung=step,
            reason=(
                f"best {sign * track[-1].best:.6g} up to step {step}, "
                f"median of {n} complete trials {sign * middle:.6g}"
            ),
        )

    def _is_due(self, point: _Point) -> bool:
        warmup = self._warmup
        if self._n_complete < max(1, warmup.n_startup_trials) or point.step < warmup.n_warmup_steps:
            return False
        n_intervals = (point.step - warmup.n_warmup_steps) // warmup.interval_steps
        return point.last_step < n_intervals * warmup.interval_steps + warmup.n_warmup_steps


def median(
    task: PruningTask,
    *,
    n_startup_trials: Annotated[int, whole(0)] = 5,
    n_warmup_steps: Annotated[int, whole(0)] = 0,
    interval_steps: Annotated[int, whole(1)] = 1,
    n_min_trials: Annotated[int, whole(1)] = 1,
) -> Median:
    """Stops a trial that is worse than the median of complete trials at the same step."""
    return Median(task, Warmup(n_startup_trials, n_warmup_steps, interval_steps, n_min_trials))
