"""What a module and a loss compute for one row, as a function of the row's tensors alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn
from torch.func import functional_call

from trials.fused.dropping import Tape
from trials.fused.recipe import Loss

Named: TypeAlias = "Mapping[str, Tensor]"


class RowModel:
    """A module and a loss as functions of the tensors of one row.

    Args:
        module: Its own numbers are never used.
        loss: The user's.
        tape: Of a module whose dropout is handed in; None for one that draws it.
    """

    def __init__(self, module: nn.Module, loss: Loss, tape: Tape | None) -> None:
        self._module, self._loss, self._tape = module, loss, tape

    def training_loss(
        self, parameters: Named, buffers: Named, x: Tensor, y: Tensor, factors: Sequence[Tensor]
    ) -> Tensor:
        """The loss of a batch; running averages among `buffers` change in place.

        Args:
            parameters: By name.
            buffers: By name.
            x: Shape (B, *inputs).
            y: Targets of B points.
            factors: Of each call of a dropout module; empty for none.
        """
        return self.loss(self.training_outputs(parameters, buffers, x, factors), y)

    def training_outputs(
        self, parameters: Named, buffers: Named, x: Tensor, factors: Sequence[Tensor]
    ) -> Tensor:
        """Outputs of a batch, shape (B, ...); see `training_loss`."""
        if self._tape is not None:
            self._tape.hand_in(factors)
        return self._outputs(parameters, buffers, x, is_training=True)

    def prediction(self, parameters: Named, buffers: Named, x: Tensor) -> Tensor:
        """Outputs in evaluation, shape (B, ...)."""
        return self._outputs(parameters, buffers, x, is_training=False)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The user's loss."""
        return self._loss(outputs, y)

    def _outputs(
        self, parameters: Named, buffers: Named, x: Tensor, *, is_training: bool
    ) -> Tensor:
        if self._module.training is not is_training:
            self._module.train(is_training)
        outputs: Tensor = functional_call(self._module, {**parameters, **buffers}, (x,))
        return outputs


@dataclass(frozen=True)
class Findings:
    """What a run of some modules that are built alike showed.

    Attributes:
        model: What one row computes.
        reason: Why rows cannot be stacked, one sentence; None where they are.
        calls: Per call of a dropout module in a pass: its place among those of the module, and
            how many factors it needs for each point. Empty for modules that draw their own.
        output_shape: Of one point.
        n_numbers: Numbers of the largest output of a submodule for one point.
    """

    model: RowModel
    reason: str | None
    calls: tuple[tuple[int, int], ...]
    output_shape: tuple[int, ...]
    n_numbers: int
