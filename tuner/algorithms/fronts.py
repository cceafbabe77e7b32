"""Successive halving by several objectives: who is on which front at each rung."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

from tuner.algorithms.pruning import GO_ON, Decision, cost
from tuner.algorithms.rungs import rung_levels

if TYPE_CHECKING:
    from trials.contract import Direction

Costs: TypeAlias = tuple[float, ...]
"""One number per objective; less is better."""


class FrontHalving:
    """One bracket of asynchronous successive halving by non-dominated rank; stopping variant.

    As in `tuner.algorithms.rungs.Rungs`, a trial's values count for the highest rung it has
    reached, once per rung. There it goes on if fewer than n / reduction_factor of the n trials at
    the rung so far are on better fronts than its own; trials of one front are not told apart.
    With one objective that is the rule of `Rungs`.

    Source: non-dominated sorting as the rank of successive halving, Schmucker et al.,
    Multi-objective Asynchronous Successive Halving (2021); `Rungs` for the rest.
    """

    def __init__(
        self,
        directions: Sequence[Direction],
        min_resource: int,
        max_resource: int,
        reduction_factor: int,
    ) -> None:
        self._directions = tuple(directions)
        self._factor = reduction_factor
        levels = rung_levels(min_resource, max_resource, reduction_factor)
        self.levels = [level for level in levels if level < max_resource]
        self._rungs: dict[int, dict[int, Costs]] = {level: {} for level in self.levels}
        self._reached: dict[int, list[tuple[int, int]]] = {}
        self._n_better: dict[int, dict[int, int]] = {}

    def observe(self, number: int, step: int, values: Sequence[float]) -> None:
        """The values stand at the highest rung up to `step`, if the trial has none there yet."""
        position = bisect_right(self.levels, step)
        if position == 0:
            return
        level, reached = self.levels[position - 1], self._reached.setdefault(number, [])
        if reached and reached[-1][0] >= level:
            return
        reached.append((level, step))
        self._rungs[level][number] = tuple(map(cost, values, self._directions))
        self._n_better.pop(level, None)

    def rewind(self, number: int, step: int) -> None:
        """The trial's values after `step` leave their rungs."""
        reached = self._reached.get(number, [])
        while reached and reached[-1][1] > step:
            level, _ = reached.pop()
            del self._rungs[level][number]
            self._n_better.pop(level, None)

    def finish(self, number: int, state: str) -> None:
        """Changes nothing: values stay at their rungs, however their trial ended."""

    def decide(self, number: int, step: int, values: Sequence[float]) -> Decision:
        """Whether the trial goes on, if its values at `step` put it on a rung."""
        reached = self._reached.get(number)
        if not reached or reached[-1][1] != step:
            return GO_ON
        level = reached[-1][0]
        n = len(self._rungs[level])
        if n < self._factor:
            return Decision(False, level, f"{n} of {self._factor} values at rung {level}")
        n_better = self._on_better_fronts(level)[number]
        n_best = -(-n // self._factor)
        reason = f"{n_better} of {n} on better fronts at rung {level}; the best {n_best} go on"
        return Decision(n_better * self._factor >= n, level, reason)

    def _on_better_fronts(self, level: int) -> dict[int, int]:
        """Number -> trials at the rung on better fronts; found once for all that report at once."""
        if level not in self._n_better:
            rung = self._rungs[level]
            ranks = front_ranks(list(rung.values()))
            sizes = Counter(ranks)
            before = [0, *accumulate(sizes[rank] for rank in range(len(sizes)))]
            self._n_better[level] = {
                number: before[rank] for number, rank in zip(rung, ranks, strict=True)
            }
        return self._n_better[level]


def front_ranks(costs: Sequence[Costs]) -> list[int]:
    """For each of `costs` the front it is on: 0 if no other dominates it, and so on.

    Source: Zhang et al., An Efficient Approach to Nondominated Sorting, IEEE Trans. Evol.
    Comput. 19 (2015), with binary search.
    """
    fronts: list[list[Costs]] = []
    ranks = [0] * len(costs)
    for index in sorted(range(len(costs)), key=costs.__getitem__):
        own = costs[index]
        rank = bisect_left(fronts, True, key=lambda front: not _is_dominated(own, front))
        if rank == len(fronts):
            fronts.append([])
        fronts[rank].append(own)
        ranks[index] = rank
    return ranks


def _is_dominated(own: Costs, front: Sequence[Costs]) -> bool:
    """Whether a member of the front, all of which sort before `own`, is as good in everything.

    Of two objectives the last member has the least second one, so that it alone need be asked.
    """
    members = front[-1:] if len(own) == 2 else front
    return any(m != own and all(a <= b for a, b in zip(m, own, strict=True)) for m in members)
