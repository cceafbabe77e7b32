"""Hyperband: several brackets of successive halving that begin to stop at different ages."""

from itertools import accumulate
from typing import Annotated

from tuner.algorithms.pruning import Decision, PruningTask
from tuner.algorithms.rungs import Rungs, rung_levels
from tuner.checks import whole
from tuner.seeds import derive


def bracket_sizes(n_brackets: int, reduction_factor: int) -> list[int]:
    """How many of the paper's trials each bracket gets, the one that stops earliest first.

    With n brackets, the one that halves s times gets ceil(n * reduction_factor**s / (s + 1)).

    Source: Li et al., Hyperband, JMLR 18 (2018), algorithm 1.
    """
    halvings = range(n_brackets - 1, -1, -1)
    return [-(-n_brackets * reduction_factor**s // (s + 1)) for s in halvings]


class Hyperband:
    """Asynchronous Hyperband: a trial stays in the bracket that its number draws.

    Brackets differ in their first rung: that of bracket b is `levels[b]`, and the last bracket
    trains every trial to its end. Trials are compared within their bracket.
    """

    def __init__(self, task: PruningTask, reduction_factor: int, min_resource: int) -> None:
        levels = rung_levels(min_resource, task.max_resource, reduction_factor)
        self._brackets = [
            Rungs(task.direction, level, task.max_resource, reduction_factor) for level in levels
        ]
        self._ends = list(accumulate(bracket_sizes(len(levels), reduction_factor)))
        self._seed = task.seed
        self._bracket_by_trial: dict[int, int] = {}

    @property
    def n_brackets(self) -> int:
        """How many brackets there are."""
        return len(self._brackets)

    def bracket(self, number: int) -> int:
        """The bracket of a trial: drawn from its number, with the paper's sizes as weights."""
        found = self._bracket_by_trial.get(number)
        if found is None:
            place = derive(self._seed, "bracket", number) % self._ends[-1]
            found = sum(place >= end for end in self._ends)
            self._bracket_by_trial[number] = found
        return found

    def observe(self, number: int, step: int, value: float) -> None:
        """The value counts for the rung it reached in the trial's bracket."""
        self._brackets[self.bracket(number)].observe(number, step, value)

    def rewind(self, number: int, step: int) -> None:
        """The trial's values after `step` never were."""
        self._brackets[self.bracket(number)].rewind(number, step)

    def finish(self, number: int, state: str) -> None:
        """Changes nothing: values stay at their rungs, however their trial ended."""

    def decide(self, number: int, step: int, value: float) -> Decision:
        """Whether the trial goes on from its rung, if it is on one."""
        bracket = self.bracket(number)
        found = self._brackets[bracket].decide(number, step)
        if found.rung is None:
            return found
        return Decision(found.prune, found.rung, f"bracket {bracket}: {found.reason}")


def hyperband(
    task: PruningTask,
    *,
    reduction_factor: Annotated[int, whole(2)] = 3,
    min_resource: Annotated[int, whole(1)] = 1,
) -> Hyperband:
    """Hyperband: brackets of successive halving, from stopping early to never stopping."""
    return Hyperband(task, reduction_factor, min_resource)
