"""What the validation loss of past epochs decides: cuts of the learning rate, and early stopping.

Each row's part of it is a few numbers that travel with its weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from trials.contract import Row, RowState
from trials.stacked.cohort import Vectors, fitted
from trials.stacked.schedules import PLATEAU, SCHEDULES


class Paced(Protocol):
    """The settings that a row's course is decided by; see `SupervisedSettings`."""

    @property
    def schedule(self) -> str:
        """Name of the schedule."""

    @property
    def schedule_factor(self) -> float:
        """By which the rate is cut."""

    @property
    def schedule_patience(self) -> int:
        """Epochs that were no better before a plateau's cut."""

    @property
    def early_stopping_patience(self) -> int:
        """Epochs that were no better before the row stops; 0 for never."""


_THRESHOLD = 1e-4
"""A loss is better when it is below the best by more than this share of it, as in torch."""


@dataclass
class Course:
    """What is remembered of one row's course.

    Attributes:
        best: Least validation loss of the past.
        n_level: Epochs since it was last better, or since the rate was last cut.
        factor: Of the learning rate, by the cuts so far.
        n_since_best: Epochs since it was last better.
        is_stopped: 1 when the row trains no more.
        train_loss: The training loss that the row was measured with when it stopped, if any.
    """

    best: float = math.inf
    n_level: float = 0.0
    factor: float = 1.0
    n_since_best: float = 0.0
    is_stopped: float = 0.0
    train_loss: float = 0.0

    def observe(self, settings: Paced, figures: Mapping[str, float]) -> None:
        """The epoch's validation loss counts.

        The rate is cut, and training stops, in the epoch after more than `schedule_patience`, or
        at least `early_stopping_patience`, epochs in a row that were no better than the best.
        """
        loss = figures["validation_loss"]
        margin = _THRESHOLD * abs(self.best) if math.isfinite(self.best) else 0.0
        if loss < self.best - margin:
            self.best, self.n_level, self.n_since_best = loss, 0.0, 0.0
        else:
            self.n_level += 1
            self.n_since_best += 1
        if settings.schedule == PLATEAU and self.n_level > settings.schedule_patience:
            self.factor, self.n_level = self.factor * settings.schedule_factor, 0.0
        if 0 < settings.early_stopping_patience <= self.n_since_best:
            self.is_stopped, self.train_loss = 1.0, figures.get("train_loss", 0.0)


COURSE = "course"
"""Name of the rows' courses among their vectors."""

_NUMBERS = "numbers"
"""What a row's course is called in its state, behind `COURSE`."""


def fresh() -> Tensor:
    """The course of a row that starts, float64, one number per attribute of `Course`."""
    return torch.tensor(astuple(Course()), dtype=torch.float64)


def has_stopped(courses: Tensor) -> list[bool]:
    """Whether each row trains no more."""
    place = [field.name for field in fields(Course)].index("is_stopped")
    return [bool(flag) for flag in courses[:, place].tolist()]


def is_followed(settings: Paced) -> bool:
    """Whether the row's validation loss decides anything."""
    return settings.schedule == PLATEAU or settings.early_stopping_patience > 0


def restored_course(row: Row, state: RowState, settings: Paced) -> Tensor:
    """The course in a row's state, where the row follows one, else that of a start.

    Raises:
        ValueError: The state does not hold it.
    """
    start = fresh()
    if not is_followed(settings):
        return start
    return fitted(row, state, COURSE, {_NUMBERS: tuple(start.shape)}, start)[_NUMBERS]


def stored_course(vectors: Vectors, settings: Paced) -> RowState:
    """What a row's state holds of its course: nothing where it follows none."""
    if not is_followed(settings):
        return {}
    return {f"{COURSE}.{_NUMBERS}": vectors[COURSE].detach().cpu().clone()}


class Pace:
    """The learning rates of rows from epoch to epoch.

    Args:
        settings: Of the rows.
        courses: (K, numbers of a `Course`), changed in place.

    Source of the plateau rule: torch.optim.lr_scheduler.ReduceLROnPlateau with its default
    threshold; of early stopping: Prechelt, Neural Networks: Tricks of the Trade (1998).
    """

    def __init__(self, settings: Sequence[Paced], courses: Tensor) -> None:
        self._settings, self._stored = settings, courses
        self._courses: list[Course | None] = [None] * len(settings)
        if any(map(is_followed, settings)):
            self._courses = [
                Course(*numbers) if is_followed(s) else None
                for s, numbers in zip(settings, courses.tolist(), strict=True)
            ]

    def factors(self, epochs: Sequence[int], most: Sequence[int]) -> list[float]:
        """Each row's factor of its learning rate.

        Args:
            epochs: Past epochs.
            most: Epochs that the rows have.
        """
        return [
            course.factor
            if course is not None and s.schedule == PLATEAU
            else SCHEDULES[s.schedule](epoch, of, s.schedule_factor)
            for s, course, epoch, of in zip(
                self._settings, self._courses, epochs, most, strict=True
            )
        ]

    @property
    def train_losses(self) -> list[float]:
        """The training loss of each stopped row in its last epoch."""
        return [0.0 if course is None else course.train_loss for course in self._courses]

    def observe(self, figures: Sequence[Mapping[str, float]]) -> None:
        """The figures of an epoch count for all that come."""
        followed = [(k, course) for k, course in enumerate(self._courses) if course is not None]
        for k, course in followed:
            course.observe(self._settings[k], figures[k])
        if followed:
            numbers = torch.tensor([astuple(c) for _, c in followed], dtype=torch.float64)
            self._stored[[k for k, _ in followed]] = numbers.to(self._stored.device)
