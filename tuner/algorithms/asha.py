"""Asynchronous successive halving: at each rung the best share of the trials goes on."""

from typing import Annotated

from tuner.algorithms.pruning import Decision, PruningTask
from tuner.algorithms.rungs import Rungs
from tuner.checks import whole


class Asha:
    """Successive halving with one bracket; the rule is that of `Rungs`."""

    def __init__(self, rungs: Rungs) -> None:
        self._rungs = rungs

    def observe(self, number: int, step: int, value: float) -> None:
        """The value counts for the rung it reached."""
        self._rungs.observe(number, step, value)

    def rewind(self, number: int, step: int) -> None:
        """The trial's values after `step` never were."""
        self._rungs.rewind(number, step)

    def finish(self, number: int, state: str) -> None:
        """Changes nothing: values stay at their rungs, however their trial ended."""

    def decide(self, number: int, step: int, value: float) -> Decision:
        """Whether the trial goes on from its rung, if it is on one."""
        return self._rungs.decide(number, step)


def asha(
    task: PruningTask,
    *,
    reduction_factor: Annotated[int, whole(2)] = 4,
    min_resource: Annotated[int, whole(1)] = 1,
) -> Asha:
    """Asynchronous successive halving: at each rung the best 1/reduction_factor goes on."""
    return Asha(Rungs(task.direction, min_resource, task.max_resource, reduction_factor))
