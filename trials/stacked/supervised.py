"""Examples with known answers: tables on the device, and what predictions of them are worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trials.contract import Objective
from trials.data import DataError, Dataset, Part
from trials.data.scaling import ScalingKind, fit_scaling
from trials.stacked.batches import padded_batch
from trials.stacked.layout import whole_lanes
from trials.stacked.losses import LOSSES, Loss

_OBJECTIVES = {
    "classification": (
        Objective("validation_loss", "minimize", "nats"),
        Objective("accuracy", "maximize"),
    ),
    "regression": (
        Objective("validation_loss", "minimize", "squared target units"),
        Objective("rmse", "minimize", "target units"),
        Objective("r2", "maximize"),
    ),
}


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
        targets: One-hot classes or standardised values, shape (n_padded, C).
    """

    def __init__(self, task: Task, part: Part) -> None:
        self._task = task
        self._part = part
        self.n_points = len(part)
        self.n_padded = padded_batch(self.n_points + 1)
        self._kinds: dict[ScalingKind, int] = {}
        self._x: Tensor | None = None
        targets = torch.zeros(self.n_padded, task.n_outputs_padded, dtype=torch.float64)
        answers = torch.as_tensor(part.y)
        if task.name == "classification":
            targets[torch.arange(self.n_points), answers] = 1.0
        else:
            targets[: self.n_points, 0] = (answers.double().flatten() - task.shift) / task.scale
        self.targets = targets.to(device=task.device, dtype=task.dtype)

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
        """Inputs (steps, K, B, *inputs) and targets (steps, K, B, C) of each row's own points.

        Args:
            points: Indices, int64, shape (steps, K, B).
            kinds: The copy that each row sees, shape (K,).
        """
        places = points + (kinds * self.n_padded).unsqueeze(1)
        x = self.x.flatten(0, 1).index_select(0, places.flatten())
        y = self.targets.index_select(0, points.flatten())
        return x.view(*points.shape, *x.shape[1:]), y.view(*points.shape, -1)


@dataclass
class Task:
    """What is to be learnt from a dataset, and where and how precisely it is computed.

    Attributes:
        data: The dataset; its targets are classes or one number per point.
        device: Where tensors live.
        dtype: Precision of training.
        inputs_of: Shape of one point -> how the network wants it.

    Raises:
        DataError: The data has no targets to learn.
    """

    data: Dataset
    device: torch.device
    dtype: torch.dtype
    inputs_of: Callable[[tuple[int, ...]], Inputs] = flat_inputs

    def __post_init__(self) -> None:
        if self.data.task not in _OBJECTIVES or self.data.train.y is None:
            raise DataError(
                f"data '{self.data.name}': must have classes or numbers to predict, "
                f"got task {self.data.task}; choose a trainer for {self.data.kind}, such as gan"
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

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What can be measured on a part."""
        return _OBJECTIVES[self.name]

    def scaled(self, part: Part, kind: ScalingKind) -> Tensor:
        """The inputs of `part`, scaled as fitted on the training part, shape (N, *inputs)."""
        scaling = fit_scaling(kind, self.data.train.x)
        points = torch.as_tensor(scaling.apply(part.x))
        return points.reshape(len(points), *self.inputs.shape)

    def figures(self, examples: Examples, losses: Tensor, hits: Tensor) -> dict[str, Tensor]:
        """The objectives on `examples` by name, one number per row, float64, shape (K,).

        Args:
            examples: What was predicted.
            losses: Reference loss per row and point, shape (K, n_padded).
            hits: Whether the largest output is the right class, shape (K, n_padded).
        """
        n = examples.n_points
        loss = losses[:, :n].double().mean(1)
        if self.name == "classification":
            accuracy = hits[:, :n].double().mean(1)
            return {
                "validation_loss": loss,
                "accuracy": accuracy.where(loss.isfinite(), torch.nan),
            }
        variance = examples.targets[:n, 0].double().var(correction=0).clamp_min(1e-30)
        return {
            "validation_loss": loss * self.scale**2,
            "rmse": loss.sqrt() * self.scale,
            "r2": 1.0 - loss / variance,
        }
