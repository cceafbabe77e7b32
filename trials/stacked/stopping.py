"""Rows that stopped early say so, and rest in their places for as long as they are left there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from trials.stacked.cohort import Training, Vectors
from trials.stacked.pace import COURSE, has_stopped

Figures = dict[str, float]


class Measurable(Training, Protocol):
    """Rows that can also be measured without training."""

    def measured(self) -> list[Figures]:
        """What stopped rows show: the figures of their last epoch, nan for those of gradients."""


class StoppingTraining:
    """Training in which a stopped row costs nothing; a `cohort.Training` and `cohort.EarlyEnding`.

    Its tensors change no more, and what it then shows is told again every epoch. The rows that go
    on are put together in tensors of their own, which are written back after each epoch.

    Args:
        n_rows: K.
        vectors: All rows, (K, n) each, changed in place.
        build: Makes the training of the rows at some places, on tensors of their own.
    """

    def __init__(
        self, n_rows: int, vectors: Vectors, build: Callable[[Sequence[int], Vectors], Measurable]
    ) -> None:
        self._vectors, self._build = vectors, build
        self._active = list(range(n_rows))
        self._part: Vectors = {}
        self._training: Measurable | None = None
        self._resting: dict[int, Figures] = {}

    def epoch(self, epochs: Sequence[int]) -> list[Figures]:
        """Trains the rows that have not stopped for one epoch; returns the figures of all."""
        stopped = has_stopped(self._vectors[COURSE])
        if self._training is None or any(stopped[k] for k in self._active):
            self._regroup(stopped)
        figures = dict(self._resting)
        if self._training is not None:
            found = self._training.epoch([epochs[k] for k in self._active])
            figures |= dict(zip(self._active, found, strict=True))
            self._write_back()
        return [figures[k] for k in range(len(epochs))]

    @property
    def ended(self) -> Sequence[bool]:
        """Whether each row has stopped."""
        return has_stopped(self._vectors[COURSE])

    def _regroup(self, stopped: Sequence[bool]) -> None:
        """Stopped rows have their figures; the others are ready to train."""
        unknown = [k for k, rests in enumerate(stopped) if rests and k not in self._resting]
        if unknown:
            measured = self._build(unknown, self._taken(unknown)).measured()
            self._resting |= dict(zip(unknown, measured, strict=True))
        self._active = [k for k, rests in enumerate(stopped) if not rests]
        self._training = None
        if self._active:
            is_whole = len(self._active) == len(stopped)
            self._part = self._vectors if is_whole else self._taken(self._active)
            self._training = self._build(self._active, self._part)

    def _taken(self, places: Sequence[int]) -> Vectors:
        """Copies of the rows at these places."""
        return {name: tensor[list(places)] for name, tensor in self._vectors.items()}

    def _write_back(self) -> None:
        if self._part is not self._vectors:
            places = torch.tensor(self._active)
            for name, tensor in self._vectors.items():
                tensor.index_copy_(0, places.to(tensor.device), self._part[name])
