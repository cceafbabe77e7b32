"""The tables of successive halving: which values stand at which rung, and who goes on from it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, NamedTuple

from tuner.algorithms.pruning import GO_ON, Decision, cost

if TYPE_CHECKING:
    from trials.contract import Direction


def rung_levels(min_resource: int, max_resource: int, reduction_factor: int) -> list[int]:
    """The resources `min_resource * reduction_factor**r` up to `max_resource`, in whole numbers.

    With 1, 243 and 3 these are 1, 3, 9, 27, 81, 243; logarithms of floats would lose the last.
    """
    levels = []
    level = min_resource
    while level <= max_resource:
        levels.append(level)
        level *= reduction_factor
    return levels


class _Entry(NamedTuple):
    level: int
    step: int
    cost: float


class Rungs:
    """One bracket of asynchronous successive halving in its stopping variant.

    A trial's value counts for the highest rung it has reached, once per rung; where a function
    skips a rung's step, the first value after it counts. At that value the trial goes on if it is
    among the best ceil(n / reduction_factor) of the n values at the rung so far, its own
    included, or ties with one of them; or if fewer than `reduction_factor` values are there. That
    is the cut-off at the 1/reduction_factor quantile with linear interpolation, in whole numbers:
    n_better * reduction_factor < n. A rung at `max_resource` needs no decision.

    Source: Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys (2020), and
    the percentile cut-off of Ray's `AsyncHyperBandScheduler`, which leaves out the own value and
    judges from the second arrival on.
    """

    def __init__(
        self, direction: Direction, min_resource: int, max_resource: int, reduction_factor: int
    ) -> None:
        self._direction = direction
        self._factor = reduction_factor
        levels = rung_levels(min_resource, max_resource, reduction_factor)
        self.levels = [level for level in levels if level < max_resource]
        self._costs: dict[int, list[float]] = {level: [] for level in self.levels}
        self._entries: dict[int, list[_Entry]] = {}

    def observe(self, number: int, step: int, value: float) -> None:
        """The value stands at the highest rung up to `step`, if the trial has none there yet."""
        position = bisect_right(self.levels, step)
        if position == 0:
            return
        level = self.levels[position - 1]
        entries = self._entries.setdefault(number, [])
        if entries and entries[-1].level >= level:
            return
        entry = _Entry(level, step, cost(value, self._direction))
        entries.append(entry)
        insort(self._costs[level], entry.cost)

    def rewind(self, number: int, step: int) -> None:
        """The trial's values after `step` leave their rungs."""
        entries = self._entries.get(number, [])
        while entries and entries[-1].step > step:
            entry = entries.pop()
            costs = self._costs[entry.level]
            del costs[bisect_left(costs, entry.cost)]

    def decide(self, number: int, step: int) -> Decision:
        """Whether the trial goes on, if its value at `step` put it on a rung."""
        entries = self._entries.get(number)
        if not entries or entries[-1].step != step:
            return GO_ON
        level, _, own = entries[-1]
        costs = self._costs[level]
        n, n_better = len(costs), bisect_left(costs, own)
        if n < self._factor:
            return Decision(False, level, f"{n} of {self._factor} values at rung {level}")
        n_best = -(-n // self._factor)
        reason = f"{n_better} of {n} better at rung {level}; the best {n_best} go on"
        return Decision(n_better * self._factor >= n, level, reason)
