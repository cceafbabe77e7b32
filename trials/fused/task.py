"""What a fused module learns: targets as an ordinary loss wants them, and figures from it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trials.contract import Objective
from trials.data import Dataset
from trials.fused.recipe import DataShape, TargetScaling
from trials.stacked.supervised import Examples, Inputs, Task

_LOSS = Objective("validation_loss", "minimize")
_ACCURACY = Objective("validation_accuracy", "maximize")


@dataclass
class FusedTask(Task):
    """A `Task` whose points keep their shape and whose targets are one number per point.

    Targets are classes as int64, or the numbers of a regression: in their own unit, unless
    `target_scaling` is `standardize`.
    """

    target_scaling: TargetScaling = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target_scaling == "none":
            self.shift, self.scale = 0.0, 1.0
        self.train, self.validation = self.examples("train"), self.examples("validation")

    @property
    def shape(self) -> DataShape:
        """What a model must know."""
        return DataShape(self.inputs.shape, self.n_outputs)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The user's loss on the validation part, and for classes the accuracy."""
        return (_LOSS, _ACCURACY) if self.name == "classification" else (_LOSS,)

    def examples(self, part: str) -> Examples:
        """The points and targets of a part of the data."""
        examples = Examples(self, getattr(self.data, part))
        is_classes = self.name == "classification"
        one_hot = examples.targets
        examples.targets = one_hot.argmax(-1) if is_classes else one_hot[:, 0].contiguous()
        return examples

    def output_problem(self, shape: tuple[int, ...], n_points: int) -> str | None:
        """Why outputs of that shape answer nothing, or None."""
        if self.name != "classification":
            return None if shape[:1] == (n_points,) else f"one output per point, got shape {shape}"
        wanted: list[tuple[int, ...]] = [(n_points, self.n_outputs)]
        if self.n_outputs == 2:
            wanted += [(n_points,), (n_points, 1)]
        if shape in wanted:
            return None
        return f"outputs of shape {' or '.join(map(str, wanted))}, got {shape}"

    def targets(self, answers: Tensor, output_shape: tuple[int, ...]) -> Tensor:
        """Targets as the loss wants them.

        Args:
            answers: Classes or numbers, shape (..., B).
            output_shape: Of one point. Where it is one number, as for
                `binary_cross_entropy_with_logits`, targets have its shape and kind.
        """
        if self.name == "classification" and self._has_classes(output_shape):
            return answers
        answers = answers.to(self.dtype)
        return answers.unsqueeze(-1) if output_shape == (1,) else answers

    def accuracy(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """The share of right classes per row, float64, shape (K,).

        Args:
            outputs: Shape (K, N, C), (K, N, 1) or (K, N).
            answers: Classes, shape (N,).
        """
        if self._has_classes(outputs.shape[2:]):
            chosen = outputs.argmax(-1)
        else:
            chosen = (outputs.flatten(1) > 0).long()
        return (chosen == answers).double().mean(1)

    @staticmethod
    def _has_classes(output_shape: tuple[int, ...]) -> bool:
        """Whether there is an output for each class."""
        return len(output_shape) == 1 and output_shape[0] > 1


def task_of(
    data: Dataset, device: torch.device, dtype: torch.dtype, scaling: TargetScaling
) -> FusedTask:
    """What is learnt from `data`; DataError where it has no answers."""
    return FusedTask(data, device, dtype, lambda shape: Inputs(shape, shape), scaling)
