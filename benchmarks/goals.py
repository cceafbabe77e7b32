"""What a task of `quality.py` is, what it should reach, and how that is printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import tuner
from trials.data import Dataset

MNIST = {"idx": "mnist"}
"""The images in the folder of TUNER_DATA."""

FEW_SLOTS: dict[str, Any] = {"slots": 8}
"""Where one epoch of one trial takes a second, many at once would all be incomplete in the end."""

WHOLE: dict[str, Any] = {"pruner": {"name": "none"}}
"""Where early epochs say little of the last."""

Figure = Callable[[tuner.Study, Dataset], float]
"""From a study and its data to a number."""


@dataclass(frozen=True)
class Goal:
    """What a tuned trial should reach.

    Attributes:
        name: Of the figure.
        figure: From a study and its data to it.
        aim: At least this, or at most where `is_low`; None for what the others reach.
        reference: What others reach, in words.
        is_low: Lower is better.
    """

    name: str
    figure: Figure
    aim: float | None
    reference: str
    is_low: bool = False

    def line(
        self, figures: Sequence[float], budget: str, others: Sequence[float] = (), who: str = ""
    ) -> str:
        """The median of `figures` with its range, the aim, the verdict, budget and references.

        Args:
            figures: Of the tuned trials.
            budget: Of their studies, in words.
            others: Of those they are compared with, where there are such.
            who: What the others are.
        """
        aim = median(others) if self.aim is None else self.aim
        short = median(figures) - aim if self.is_low else aim - median(figures)
        verdict = "reached" if short <= 0 else f"missed by {short:.3g}"
        wanted = f"{'<=' if self.is_low else '>='} {aim:<6.4g}"
        compared = f"{who} {_spread(others)}; " if others else ""
        found = f"{self.name:18} {_spread(figures):28} {wanted} {verdict:18}"
        return f"{found} {budget}  {compared}{self.reference}"


def _spread(figures: Sequence[float]) -> str:
    """The median, the lowest and the highest."""
    return f"{median(figures):.4g} ({min(figures):.4g} to {max(figures):.4g})"


@dataclass(frozen=True)
class Task:
    """Something to learn within a budget.

    Attributes:
        trainer: Its name.
        data: As in a spec; a path below TUNER_DATA where `needs_files`.
        trials: Of one study, those that are pruned included.
        goals: What its best trial should reach.
        epochs: Most of one trial; None for the trainer's own.
        space: Axes that are fixed or replaced.
        spec: Further keys of the spec.
        needs_files: The data are files of TUNER_DATA.
        seconds: Most of one study.
        published: Axes of a trial that is not tuned, to compare with; none for no such trial.
        without: Axes in which a further study of the same budget differs, to compare with.
    """

    trainer: str
    data: str | Mapping[str, str]
    trials: int
    goals: tuple[Goal, ...]
    epochs: int | None = None
    space: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    needs_files: bool = False
    seconds: float = 300.0
    published: Mapping[str, Any] = field(default_factory=dict)
    without: Mapping[str, Any] = field(default_factory=dict)

    @property
    def others(self) -> str:
        """What the tuned trials are compared with; empty for nothing."""
        if self.published:
            return "published settings"
        return "without" if self.without else ""
