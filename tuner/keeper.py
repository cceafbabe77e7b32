"""Which weights are worth keeping: those of the best three trials, or of the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.algorithms.fronts import front_ranks

if TYPE_CHECKING:
    from trials.contract import Direction

N_KEPT = 3


class Keeper:
    """Numbers of the trials whose weights are kept, as trials complete.

    Args:
        directions: Of the objectives.
        n_kept: How many are kept of a single objective.
    """

    def __init__(self, directions: Sequence[Direction], n_kept: int = N_KEPT) -> None:
        self._n_kept = n_kept
        self._signs = tuple(1.0 if direction == "minimize" else -1.0 for direction in directions)
        self._kept: dict[int, tuple[float, ...]] = {}

    def offer(self, number: int, values: Sequence[float]) -> tuple[bool, list[int]]:
        """Whether the weights of trial `number` are kept now, and whose are no longer."""
        costs = tuple(sign * value for sign, value in zip(self._signs, values, strict=True))
        pool = {**self._kept, number: costs}
        if len(self._signs) == 1:
            kept = set(sorted(pool, key=lambda key: (pool[key], key))[: self._n_kept])
        else:
            ranks = zip(pool, front_ranks(list(pool.values())), strict=True)
            kept = {key for key, rank in ranks if rank == 0}
        dropped = [key for key in self._kept if key not in kept]
        self._kept = {key: pool[key] for key in pool if key in kept}
        return number in kept, dropped
