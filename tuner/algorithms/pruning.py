"""What the ledger needs of a pruner, and how values of either direction are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trials.contract import Direction


@dataclass(frozen=True)
class PruningTask:
    """One study as its pruner sees it.

    Attributes:
        direction: Of the values.
        max_resource: Most epochs (or steps) of a trial.
        seed: In [0, 2**63).
    """

    direction: Direction
    max_resource: int
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a trial after one of its values.

    Attributes:
        prune: The trial ends here.
        rung: Resource at which trials were compared, or None where no decision was due.
        reason: The comparison in words; empty where no decision was due.
    """

    prune: bool
    rung: int | None = None
    reason: str = ""


GO_ON = Decision(prune=False)


class Pruner(Protocol):
    """Stops trials whose values are poor for their age.

    A pruner owns tables of what it observed and nothing else: its decisions are functions of the
    observed values, whatever the order in which trials reported them. After a restart the same
    values are observed again, and decisions go on as if nothing had happened. Where several
    trials report at once, observe them all first and the order among them does not matter either.
    """

    def observe(self, number: int, step: int, value: float) -> None:
        """The value is part of the history; the steps of one trial increase.

        A step that was observed before changes nothing.
        """

    def rewind(self, number: int, step: int) -> None:
        """The trial's values after `step` never were: its attempt is lost, and starts there."""

    def finish(self, number: int, state: str) -> None:
        """The trial has ended; `state` is Optuna's word: COMPLETE, PRUNED or FAIL."""

    def decide(self, number: int, step: int, value: float) -> Decision:
        """What becomes of the trial after this value, its last, which was observed."""


class StudyPruner(Protocol):
    """As a `Pruner`, of trials that have one value per objective at each step."""

    def observe(self, number: int, step: int, values: Sequence[float]) -> None:
        """The values are part of the history; the steps of one trial increase."""

    def rewind(self, number: int, step: int) -> None:
        """The trial's values after `step` never were."""

    def finish(self, number: int, state: str) -> None:
        """The trial has ended; `state` is Optuna's word."""

    def decide(self, number: int, step: int, values: Sequence[float]) -> Decision:
        """What becomes of the trial after these values, its last, which were observed."""


class ByFirst:
    """A `Pruner` as a `StudyPruner`: the first value counts."""

    def __init__(self, pruner: Pruner) -> None:
        self._pruner = pruner

    def observe(self, number: int, step: int, values: Sequence[float]) -> None:
        """The first value is part of the history."""
        self._pruner.observe(number, step, values[0])

    def rewind(self, number: int, step: int) -> None:
        """The trial's values after `step` never were."""
        self._pruner.rewind(number, step)

    def finish(self, number: int, state: str) -> None:
        """The trial has ended."""
        self._pruner.finish(number, state)

    def decide(self, number: int, step: int, values: Sequence[float]) -> Decision:
        """What becomes of the trial after its last value."""
        return self._pruner.decide(number, step, values[0])


def cost(value: float, direction: Direction) -> float:
    """`value` so that less is better; a value that is no number is worst."""
    if math.isnan(value):
        return math.inf
    return -value if direction == "maximize" else value
