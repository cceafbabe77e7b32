"""Examples with known answers: tables on the device, and what predictions of them are worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trials.contract import Objective
from trials.data import DataError, Dataset, Part
from trials.data.scaling import MOST_WHITENED, Scaling, ScalingKind, fit_scaling
from trials.stacked.batches import padded_batch
from trials.stacked.layout import whole_lanes
from trials.stacked.losses import LOSSES, SLOPES, Loss, Slope

_FIGURES = {
    "classification": (
        Objective("validation_loss", "minimize", "nats"),
        Objective("validation_accuracy", "maximize"),
    ),
    "regression": (
        Objective("validation_loss", "minimize", "squared target units"),
        Objective("validation_rmse", "minimize", "target units"),
        Objective("validation_r2", "maximize"),
    ),
}
"""What is measured after every epoch."""

_FURTHER = {
    "classification": (
        Objective("validation_macro_f1", "maximize"),
        Objective("validation_auroc", "maximize"),
    ),
    "regression": (Objective("validation_mae", "minimize", "target units"),),
}
"""What is measured where it is wanted."""


@dataclass(frozen=True)
class Inputs:
    """How a network wants one point.

    Attributes:
        shape: True shape; the point's numbers in order are read as it.
        padded: The shape with padding, each dimension at least as long.
    """

    shape: tuple[int, ...]
    padded: tuple[int, ...]


def flat_inputs(shape: tuple[int, ...]) -> Inputs:
    """A point of `shape` as a vector in whole lanes."""
    n_features = math.prod(shape)
    return Inputs((n_features,), (whole_lanes(n_features),))


class Examples:
    """One part of the data, padded, with a copy per kind of scaling in use.

    There is at least one padded point behind the N real ones; inputs and targets are zero there.

    Attributes:
        n_points: N.
        n_padded: Points with padding, a multiple of 8.
        n_answers: Answers of the real points, one each, or one for each of their steps.
        targets: One-hot classes or standardised values of each answer, those of a point one after
            the other, shape (n_padded * answers of a point, C).
        wanted: Names of objectives that are measured here beside those of `Task.figures`.
    """

    def __init__(self, task: Task, part: Part, wanted: Collection[str] = ()) -> None:
        self.wanted = wanted
        self._task = task
        self._part = part
        self.n_points = len(part)
        self.n_padded = padded_batch(self.n_points + 1)
        self.n_answers = self.n_points * task.n_answers
        self._kinds: dict[ScalingKind, int] = {}
        self._x: Tensor | None = None
        n_rows = self.n_padded * task.n_answers
        targets = torch.zeros(n_rows, task.n_outputs_padded, dtype=torch.float64)
        answers = torch.as_tensor(part.y).flatten()
        if task.name == "classification":
            targets[torch.arange(self.n_answers), answers] = 1.0
        else:
            targets[: self.n_answers, 0] = (answers.double() - task.shift) / task.scale
        self.targets = targets.to(device=task.device, dtype=task.dtype)

    @cached_property
    def is_varied(self) -> bool:
        """Whether there are two different answers."""
        return len(np.unique(np.asarray(self._part.y))) > 1

    def kinds(self, scalings: Sequence[ScalingKind]) -> Tensor:
        """The index in `x` of the copy that each row sees, int64, shape (K,)."""
        return torch.tensor([self._kind(scaling) for scaling in scalings], device=self._task.device)

    def _kind(self, scaling: ScalingKind) -> int:
        """The index in `x` of the copy scaled by `scaling`, made on first use."""
        if scaling not in self._kinds:
            self._kinds[scaling] = len(self._kinds)
            points = self._task.scaled(self._part, scaling)
            points = points.to(device=self._task.device, dtype=self._task.dtype)
            behind = [self.n_padded - self.n_points]
            inputs = self._task.inputs
            behind += [n - m for n, m in zip(inputs.padded, inputs.shape, strict=True)]
            widths = [n for length in reversed(behind) for n in (0, length)]
            points = functional.pad(points, widths).unsqueeze(0)
            self._x = points if self._x is None else torch.cat([self._x, points])
        return self._kinds[scaling]

    @property
    def x(self) -> Tensor:
        """Inputs per kind of scaling, shape (kinds, n_padded, *inputs)."""
        assert self._x is not None
        return self._x

    def chosen(self, points: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (steps, K, B, *inputs) and targets of each row's own points.

        Args:
            points: Indices, int64, shape (steps, K, B).
            kinds: The copy that each row sees, shape (K,).

        Returns:
            Targets have the shape (steps, K, B * answers of a point, C).
        """
        places = points + (kinds * self.n_padded).unsqueeze(1)
        x = self.x.flatten(0, 1).index_select(0, places.flatten())
        n_answers = len(self.targets) // self.n_padded
        y = self.targets.view(self.n_padded, -1).index_select(0, points.flatten())
        y = y.view(*points.shape[:-1], points.shape[-1] * n_answers, -1)
        return x.view(*points.shape, *x.shape[1:]), y


@dataclass
class Task:
    """What is to be learnt from a dataset, and where and how precisely it is computed.

    Attributes:
        data: The dataset; its targets are classes or one number per point, or per step.
        device: Where tensors live.
        dtype: Precision of training.
        inputs_of: Shape of one point -> how the network wants it.
        may_answer_steps: The network has an answer for each step of a point.
        n_answers: Answers of one point: 1, or its steps.

    Raises:
        DataError: The data has no targets to learn, or not of the kind that the network gives.
    """

    data: Dataset
    device: torch.device
    dtype: torch.dtype
    inputs_of: Callable[[tuple[int, ...]], Inputs] = flat_inputs
    may_answer_steps: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.data.task not in _FIGURES or self.data.train.y is None:
            raise DataError(
                f"data '{self.data.name}': must have classes or numbers to predict, "
                f"got task {self.data.task}; choose a trainer for {self.data.kind}, such as gan"
            )
        self.n_answers = math.prod(self.data.train.y.shape[1:])
        if self.n_answers > 1 and not self.may_answer_steps:
            raise DataError(
                f"data '{self.data.name}': must have one answer for each point, "
                f"got {self.n_answers}, one for each step; choose trainer rnn"
            )
        self.name = str(self.data.task)
        self.inputs = self.inputs_of(self.data.shape)
        self.shift, self.scale = 0.0, 1.0
        if self.name == "classification":
            self.n_outputs = self.data.n_classes
        else:
            self.n_outputs = 1
            answers = torch.as_tensor(self.data.train.y).double()
            self.shift = float(answers.mean())
            self.scale = float(answers.std(correction=0)) or 1.0
        self.n_outputs_padded = whole_lanes(self.n_outputs)
        self.train = Examples(self, self.data.train)
        self.validation = Examples(self, self.data.validation)

    @property
    def loss(self) -> Loss:
        """The reference loss, on standardised targets for regression."""
        return LOSSES[self.name]

    @cached_property
    def losses(self) -> tuple[str, ...]:
        """What rows may learn by, the reference loss first.

        Without the loss of logarithms where a target is negative, and without that of shares
        where one is zero.
        """
        unfit = set()
        if self.name == "regression":
            parts = (self.data.train, self.data.validation, self.data.test)
            answers = np.concatenate([np.ravel(part.y) for part in parts if part.y is not None])
            unfit |= {"msle"} if answers.min() < 0 else set()
            unfit |= {"mape"} if not answers.all() else set()
        return tuple(name for name in SLOPES[self.name] if name not in unfit)

    @property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """Axis -> its values that these data can have, where they cannot have all."""
        is_classes, is_small = self.name == "classification", self._n_numbers <= MOST_WHITENED
        kinds = tuple(kind for kind in get_args(ScalingKind) if is_small or kind != "zca")
        return {
            "loss": self.losses,
            "class_weights": ("none", "balanced") if is_classes else ("none",),
            "input_scaling": kinds,
        }

    @property
    def idle_axes(self) -> frozenset[str]:
        """Axes that change nothing where answers are numbers."""
        return frozenset({"label_smoothing"} if self.name == "regression" else ())

    @property
    def _n_numbers(self) -> int:
        """Numbers of one point."""
        return math.prod(self.data.shape)

    def slope(self, loss: str | None) -> Slope:
        """The gradient of a loss; None stands for the reference loss.

        Raises:
            ValueError: The task does not have it.
        """
        name = self.losses[0] if loss is None else loss
        if name not in self.losses:
            raise ValueError(f"loss: must be among {', '.join(self.losses)}, got {name!r}")
        return SLOPES[self.name][name]

    @property
    def constant_loss(self) -> float:
        """The reference loss of the best constant prediction on the training part, above 0."""
        if self.name != "classification":
            return self.scale**2
        shares = np.bincount(np.asarray(self.data.train.y).ravel()) / self.train.n_answers
        entropy = -float(np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
        return entropy or 1.0

    @cached_property
    def balance(self) -> list[float]:
        """Weight of each class, rarer ones more: points / (classes * points of the class).

        Counted on the training part, over the classes that it has; 0 for padded ones.
        """
        counts = np.bincount(np.asarray(self.data.train.y).ravel(), minlength=self.n_outputs_padded)
        return [n and counts.sum() / ((counts > 0).sum() * n) for n in counts.tolist()]

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What can be measured on a part."""
        return _FIGURES[self.name] + _FURTHER[self.name]

    def scaled(self, part: Part, kind: ScalingKind) -> Tensor:
        """The inputs of `part`, scaled as fitted on the training part, shape (N, *inputs)."""
        if kind not in self._scalings:
            self._scalings[kind] = fit_scaling(kind, self.data.train.x)
        points = torch.as_tensor(self._scalings[kind].apply(part.x))
        return points.reshape(len(points), *self.inputs.shape)

    @cached_property
    def _scalings(self) -> dict[ScalingKind, Scaling]:
        """Those that were asked for; whitening is dear to fit."""
        return {}

    def figures(self, examples: Examples, losses: Tensor, hits: Tensor) -> dict[str, Tensor]:
        """What is always measured on `examples`, one number per row, float64, shape (K,).

        Args:
            examples: What was predicted.
            losses: Reference loss per row and answer, shape (K, answers with padding).
            hits: Whether the largest output is the right class, of the same shape.
        """
        n = examples.n_answers
        loss = losses[:, :n].double().mean(1)
        if self.name == "classification":
            accuracy = hits[:, :n].double().mean(1)
            return {
                "validation_loss": loss,
                "validation_accuracy": accuracy.where(loss.isfinite(), torch.nan),
            }
        variance = examples.targets[:n, 0].double().var(correction=0).clamp_min(1e-30)
        return {
            "validation_loss": loss * self.scale**2,
            "validation_rmse": loss.sqrt() * self.scale,
            "validation_r2": 1.0 - loss / variance,
        }
