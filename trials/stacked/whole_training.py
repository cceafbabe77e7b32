"""The epoch of rows whose optimizer sees the whole training part at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from trials.stacked.batches import Piece, padded_batch
from trials.stacked.cohort import Vectors, by_row
from trials.stacked.network import Network, Stack
from trials.stacked.optimizers.second_order import WHOLE
from trials.stacked.per_row import column, per_row
from trials.stacked.settings import SupervisedSettings
from trials.stacked.supervised_training import Segment, SupervisedTraining
from trials.stacked.teaching import Teaching

S = TypeVar("S", bound=SupervisedSettings)


class _Whole:
    """The mean loss of each row on all points, with its penalties; a `second_order.Objective`.

    Args:
        stack: The rows.
        network: For a batch of all points.
        x: All points, (K, B, *inputs).
        teaching: Has the targets of all points as step 0.
        outputs: Memory, (K, B, C).
        real: Which numbers of a row are its parameters, (K, P).
    """

    def __init__(
        self,
        stack: Stack[SupervisedSettings],
        network: Network,
        x: Tensor,
        teaching: Teaching,
        outputs: Tensor,
        real: Tensor,
    ) -> None:
        self.parameters = stack.parameters
        self._gradient, self._n_weights = stack.gradient, stack.layout.n_weights
        self._network, self._x, self._teaching = network, x, teaching
        self._outputs, self._real = outputs, real
        self._slope = torch.empty_like(outputs)
        self._l2 = column([s.l2 for s in stack.settings], self.parameters)
        self._l1 = column([s.l1 for s in stack.settings], self.parameters)

    def _slopes(self) -> Tensor:
        """The gradient at the outputs, for the parameters as they are."""
        self._network.forward(self._x, None, self._outputs)
        return self._teaching.slope(0, self._outputs, self._slope)

    def _back(self, slope: Tensor, decay: Tensor | None) -> Tensor:
        self._network.backward(slope, decay)
        return torch.where(self._real, self._gradient, 0.0)

    def gradient(self) -> Tensor:
        """The gradient of loss and penalties; see `Objective`."""
        found = self._back(self._slopes(), self._l2)
        if self._l1 is not None:
            n = self._n_weights
            found[:, :n].addcmul_(self.parameters[:, :n].sign(), self._l1)
        return found

    def bend(self, direction: Tensor) -> Tensor:
        """See `Objective`: outputs and their slopes by central differences, the rest exactly.

        The change of the slopes along the direction is the curvature of the loss times the change
        of the outputs; back through the network it is the Gauss-Newton product.
        """
        start = self.parameters.clone()
        size = torch.where(self._real, start, 0.0).norm(dim=1, keepdim=True) + 1.0
        length = direction.norm(dim=1, keepdim=True)
        small = torch.finfo(start.dtype).eps ** (1 / 3) * size
        small = torch.where(length > 0, small / length, 1.0)
        torch.addcmul(start, direction, small, out=self.parameters)
        change = self._slopes().clone()
        torch.addcmul(start, direction, small, value=-1.0, out=self.parameters)
        change -= self._slopes()
        self.parameters.copy_(start)
        self._slopes()
        found = self._back(change.div_(2.0 * small.unsqueeze(2)), None)
        if self._l2 is not None:
            n = self._n_weights
            found[:, :n].addcmul_(direction[:, :n], self._l2)
        return found


class WholeTraining(SupervisedTraining[S]):
    """Rows of one block and one second-order optimizer; a `cohort.Training`.

    An epoch is one call of the updater. Dropout and DropConnect, which change the objective from
    step to step, and the batch size make no difference; the limit of max-norm acts after the
    epoch. For small problems: all points of all rows are in memory at once.
    """

    def _made_segments(self, vectors: Vectors) -> list[Segment]:
        return []

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch and measures it on the validation part."""
        train, n_rows = self._task.train, len(self._rows)
        n_points = train.n_points
        piece = Piece(0, 1, n_points, padded_batch(n_points))
        points = torch.arange(n_points, device=self._task.device)
        points = functional.pad(points, (0, piece.n_batch - n_points), value=n_points)
        kinds = train.kinds([s.input_scaling for s in self._settings])
        x, y = train.chosen(points.expand(1, n_rows, -1), kinds)
        self._teaching.begin(piece.answers(self._task.n_answers), y)
        network = self._network(piece.n_batch, piece.n_points)
        outputs = self._take("outputs", *y.shape[1:])
        whole = _Whole(self._stack, network, x[0], self._teaching, outputs, self._real())
        factors = self._pace.factors(epochs, [row.epochs for row in self._rows])
        rates = [s.learning_rate * f for s, f in zip(self._settings, factors, strict=True)]
        WHOLE[self._settings[0].optimizer](whole, per_row(rates, self._parameters, 2))
        if self._limits is not None:
            self._limits.apply()
        network.forward(x[0], None, outputs)
        losses = self._task.loss.values(outputs, y[0])[:, : train.n_answers]
        return self._measured_after(losses, network)

    def _measured_after(self, losses: Tensor, network: Network) -> list[dict[str, float]]:
        """The figures of the epoch, of which the training losses (K, N) are known."""
        if self._signs is not None:
            self._signs.see_gradients(network)
        figures = self.evaluate(self._task.validation, self._signs)
        figures["train_loss"] = losses.double().mean(1) * self._task.scale**2
        found = by_row(figures)
        self._pace.observe(found)
        return found

    def _real(self) -> Tensor:
        """Which numbers of each padded row are parameters, bool, (K, P)."""
        layout, rows = self._stack.layout, []
        for settings in self._settings:
            true = self._architecture.true_layout(settings)
            ones = {name: torch.ones(shape) for name, shape in true.shapes.items()}
            rows.append(layout.pack(ones, true, is_parameters=False) > 0)
        return torch.stack(rows).to(self._task.device)
