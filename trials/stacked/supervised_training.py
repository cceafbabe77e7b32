"""The epoch of stacked supervised networks, read from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from trials.contract import Row
from trials.stacked.architecture import Architecture
from trials.stacked.batches import Order, pieces
from trials.stacked.cohort import Vectors, by_row
from trials.stacked.dropout import Dropout
from trials.stacked.losses import smoothed
from trials.stacked.network import Network, Stack
from trials.stacked.optimizers import Updates
from trials.stacked.runs import runs
from trials.stacked.schedules import SCHEDULES
from trials.stacked.settings import SupervisedSettings
from trials.stacked.supervised import Examples
from trials.stacked.workspace import Workspace

S = TypeVar("S", bound=SupervisedSettings)

_MOST_EVALUATED = 2**18
"""Numbers of one layer that one row may hold while it is evaluated; sets the piece of points."""


def _column(values: Sequence[float], like: Tensor) -> Tensor | None:
    """One coefficient per row, shape (K, 1); None where all are 0."""
    if not any(values):
        return None
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1).to(like)


class _Segment:
    """Neighbouring rows of one length, and how their parameters follow the gradient.

    Args:
        rows: Which of all rows they are.
        columns: Start and stop of their numbers in a row of the stack.
        settings: Of the rows.
        stack: All rows.
        vectors: The moments, (K, P) each.
    """

    def __init__(
        self,
        rows: slice,
        columns: tuple[int, int],
        settings: Sequence[SupervisedSettings],
        stack: Stack[SupervisedSettings],
        vectors: Vectors,
    ) -> None:
        place = (rows, slice(*columns))
        parameters, gradient = stack.parameters[place], stack.gradient[place]
        scratch = stack.workspace.take("scratch", *parameters.shape)
        n_weights = stack.layout.n_weights - columns[0]
        self._rows = rows
        self._updates = Updates(
            [s.rule for s in settings],
            parameters,
            gradient,
            vectors["first_moment"][place],
            vectors["second_moment"][place],
            scratch,
            n_weights,
        )
        self._l1 = _column([s.l1 for s in settings], parameters)
        self._weights, self._slopes, self._signs = (
            tensor[:, :n_weights] for tensor in (parameters, gradient, scratch)
        )

    def begin(self, factors: Sequence[float], epochs: Sequence[int], n_steps: int) -> None:
        """Prepares an epoch of `n_steps`, given all rows' factors of the rate and past epochs."""
        steps_done = [epoch * n_steps for epoch in epochs[self._rows]]
        self._updates.begin(factors[self._rows], steps_done, n_steps)

    def step(self, index: int) -> None:
        """Adds l1 * sign(w) to the gradient of the weights and moves the rows along it."""
        if self._l1 is not None:
            signs = torch.sign(self._weights, out=self._signs)
            self._slopes.addcmul_(signs, self._l1)
        self._updates.step(index)


class SupervisedTraining(Generic[S]):
    """Rows of one block in a fixed order, ready to train; a `cohort.Training`.

    Args:
        architecture: Of the networks.
        rows: In the order of `SupervisedFamily.rank`.
        settings: Of the rows.
        vectors: "parameters", "first_moment" and "second_moment", (K, P) each, changed in place.
        workspace: Where buffers come from.
    """

    def __init__(
        self,
        architecture: Architecture[S],
        rows: Sequence[Row],
        settings: Sequence[S],
        vectors: Vectors,
        workspace: Workspace,
    ) -> None:
        self._architecture, self._rows, self._settings = architecture, rows, settings
        self._task, self._take = architecture.task, workspace.take
        self._rounded = rounded = architecture.rounded(settings[0])
        self._parameters = parameters = vectors["parameters"]
        self._stack = Stack(
            settings,
            rounded,
            architecture.padded_layout(rounded),
            parameters,
            workspace.take("gradient", *parameters.shape),
            workspace,
        )
        columns = [architecture.columns(s) for s in settings]
        self._segments = [
            _Segment(rows, places, settings[rows], self._stack, vectors)
            for places, rows in runs((c.start, c.stop) for c in columns)
        ]
        self._dropout = Dropout(
            [architecture.sites(s) for s in settings],
            [site.shape for site in architecture.sites(rounded)],
            [row.seed for row in rows],
            parameters,
        )
        self._l2 = _column([s.l2 - s.decay for s in settings], parameters)
        is_smoothed = self._task.name == "classification"
        smoothing = [s.label_smoothing * is_smoothed for s in settings]
        self._smoothing = _column(smoothing, parameters)
        self._networks: dict[int, Network] = {}

    def _network(self, n_batch: int) -> Network:
        """The networks for batches of that size."""
        if n_batch not in self._networks:
            self._networks[n_batch] = self._architecture.network(self._stack, n_batch)
        return self._networks[n_batch]

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch and measures it on the validation part."""
        train, loss, n_rows = self._task.train, self._task.loss, len(self._rows)
        n_points, width = train.n_points, self._task.n_outputs_padded
        batch_size = min(self._rounded.batch_size, n_points)
        n_steps = -(-n_points // batch_size)
        kinds = train.kinds([s.input_scaling for s in self._settings])
        order = Order([row.seed for row in self._rows], epochs, n_points)
        self._dropout.begin(epochs)
        factors = self._factors(epochs)
        for segment in self._segments:
            segment.begin(factors, epochs, n_steps)
        numbers = n_rows * (train.x[0, 0].numel() + 3 * width + self._dropout.n_numbers)
        losses = []
        for piece in pieces(n_points, batch_size, numbers):
            x, y = train.chosen(order.take(piece).to(self._task.device), kinds)
            outputs = self._take("outputs", piece.n_steps, n_rows, piece.n_batch, width)
            slope = self._take("slope", n_rows, piece.n_batch, width)
            weight = piece.weight(width, self._task.n_outputs, self._parameters)
            network = self._network(piece.n_batch)
            masks, taught = self._dropout.masks(piece), self._taught(y)
            for step in range(piece.n_steps):
                network.forward(x[step], masks[step], outputs[step])
                loss.gradient(outputs[step], taught[step], slope).mul_(weight)
                network.backward(slope, self._l2)
                for segment in self._segments:
                    segment.step(piece.first + step)
            seen = loss.values(outputs, y)[:, :, : piece.n_points]
            losses.append(seen.transpose(0, 1).reshape(n_rows, -1))
        figures = self.evaluate(self._task.validation)
        figures["train_loss"] = torch.cat(losses, 1).double().mean(1) * self._task.scale**2
        return by_row(figures)

    def _taught(self, y: Tensor) -> Tensor:
        """What the networks are to say: the targets `y`, smoothed where rows want it."""
        if self._smoothing is None:
            return y
        out = self._take("taught", *y.shape)
        return smoothed(y, self._smoothing.unsqueeze(2), self._task.n_outputs, out)

    def _factors(self, epochs: Sequence[int]) -> list[float]:
        """Each row's factor of the learning rate."""
        return [
            SCHEDULES[s.schedule](epoch, row.epochs)
            for s, row, epoch in zip(self._settings, self._rows, epochs, strict=True)
        ]

    def evaluate(self, examples: Examples) -> dict[str, Tensor]:
        """The objectives of every row on `examples`, each of shape (K,)."""
        numbers = self._architecture.numbers(self._rounded)
        most = min(examples.n_padded, max(8, _MOST_EVALUATED // numbers // 8 * 8))
        kinds = examples.kinds([s.input_scaling for s in self._settings])
        losses, hits = [], []
        for start in range(0, examples.n_padded, most):
            part = slice(start, min(start + most, examples.n_padded))
            x = examples.x[:, part].index_select(0, kinds)
            outputs = self._take("evaluated", *x.shape[:2], self._task.n_outputs_padded)
            self._network(x.shape[1]).forward(x, None, outputs, is_training=False)
            targets = examples.targets[part]
            losses.append(self._task.loss.values(outputs, targets))
            hits.append(outputs.argmax(-1) == targets.argmax(-1))
        return self._task.figures(examples, torch.cat(losses, 1), torch.cat(hits, 1))
