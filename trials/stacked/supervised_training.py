"""The epoch of stacked supervised networks, read from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from trials.contract import Row
from trials.stacked.architecture import Architecture
from trials.stacked.batches import Order, evaluated_at_once, pieces
from trials.stacked.cohort import Vectors, by_row
from trials.stacked.dropconnect import DropConnect, weight_places
from trials.stacked.dropout import Dropout
from trials.stacked.max_norm import MaxNorm
from trials.stacked.measures import Marks
from trials.stacked.network import Network, Stack
from trials.stacked.optimizers import MOMENTS, Updates
from trials.stacked.pace import COURSE, Pace
from trials.stacked.per_row import column
from trials.stacked.runs import runs
from trials.stacked.sending import sent
from trials.stacked.settings import SupervisedSettings
from trials.stacked.signs import Signs
from trials.stacked.supervised import Examples
from trials.stacked.teaching import Teaching
from trials.stacked.workspace import Workspace

S = TypeVar("S", bound=SupervisedSettings)


class Segment:
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
        first, second = (vectors[moment][place] for moment in MOMENTS)
        self._rows = rows
        self._updates = Updates(
            [s.rule for s in settings],
            parameters,
            gradient,
            first,
            second,
            scratch,
            n_weights,
        )

    def begin(self, factors: Sequence[float], epochs: Sequence[int], n_steps: int) -> None:
        """Prepares an epoch of `n_steps`, given all rows' factors of the rate and past epochs."""
        steps_done = [epoch * n_steps for epoch in epochs[self._rows]]
        self._updates.begin(factors[self._rows], steps_done, n_steps)

    def step(self, index: int) -> None:
        """Moves the rows along their gradient."""
        self._updates.step(index)


class SupervisedTraining(Generic[S]):
    """Rows of one block in a fixed order, ready to train; a `cohort.Training`.

    Args:
        architecture: Of the networks.
        rows: In the order of `SupervisedFamily.rank`.
        settings: Of the rows.
        vectors: "parameters" and the `MOMENTS`, (K, P) each, and what `Pace`
            remembers; changed in place.
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
        self._segments = self._made_segments(vectors)
        self._dropout = Dropout(
            [architecture.sites(s) for s in settings],
            [site.shape for site in architecture.sites(rounded)],
            [row.seed for row in rows],
            parameters,
        )
        self._dropconnect = self._connections()
        limits = [s.max_norm for s in settings]
        self._limits = MaxNorm(limits, self._stack.layout, parameters) if any(limits) else None
        self._pace = Pace(settings, vectors[COURSE])
        self._l2 = column([s.l2 - s.decay for s in settings], parameters)
        self._teaching = Teaching(self._task, settings, workspace)
        hidden = [architecture.hidden_units(s) for s in settings]
        shown = [units for units in hidden if units is not None]
        self._signs = Signs(shown, parameters) if len(shown) == len(rows) else None
        self._counts_points = any(map(architecture.counts_points, settings))
        self._networks: dict[tuple[int, int | None], Network] = {}

    def _made_segments(self, vectors: Vectors) -> list[Segment]:
        """What moves the rows."""
        columns = [self._architecture.columns(s) for s in self._settings]
        return [
            Segment(rows, places, self._settings[rows], self._stack, vectors)
            for places, rows in runs((c.start, c.stop) for c in columns)
        ]

    def _connections(self) -> DropConnect | None:
        """What leaves weights out; None where no row wants it."""
        stack, rates = self._stack, [s.dropconnect for s in self._settings]
        if not any(rates):
            return None
        true = [self._architecture.true_layout(s) for s in self._settings]
        n_weights = stack.layout.n_weights
        return DropConnect(
            rates,
            [weight_places(stack.layout, layout) for layout in true],
            [row.seed for row in self._rows],
            stack.parameters[:, :n_weights],
            stack.gradient[:, :n_weights],
            stack.workspace,
        )

    def _network(self, n_batch: int, n_points: int | None = None) -> Network:
        """The networks for batches of that size, of which so many points are not padding."""
        if not self._counts_points:
            n_points = None
        key = n_batch, n_points
        if key not in self._networks:
            stack = self._stack if n_points is None else replace(self._stack, n_points=n_points)
            self._networks[key] = self._architecture.network(stack, n_batch)
        return self._networks[key]

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch and measures it on the validation part."""
        train, loss, n_rows = self._task.train, self._task.loss, len(self._rows)
        n_points, width = train.n_points, self._task.n_outputs_padded
        n_answers = self._task.n_answers
        batch_size = min(self._rounded.batch_size, n_points)
        n_steps = -(-n_points // batch_size)
        kinds = train.kinds([s.input_scaling for s in self._settings])
        order = Order([row.seed for row in self._rows], epochs, n_points)
        self._dropout.begin(epochs)
        connections = self._dropconnect
        factors = self._pace.factors(epochs, [row.epochs for row in self._rows])
        for segment in self._segments:
            segment.begin(factors, epochs, n_steps)
        numbers = n_rows * (train.x[0, 0].numel() + 3 * width * n_answers + self._dropout.n_numbers)
        if connections is not None:
            connections.begin(epochs)
            numbers += connections.n_numbers // batch_size
        losses = []
        for piece in pieces(n_points, batch_size, numbers):
            x, y = train.chosen(sent(order.take(piece), self._task.device), kinds)
            answers = piece.answers(n_answers)
            outputs = self._take("outputs", piece.n_steps, n_rows, answers.n_batch, width)
            slope = self._take("slope", n_rows, answers.n_batch, width)
            network = self._network(piece.n_batch, piece.n_points)
            masks = self._dropout.masks(piece)
            self._teaching.begin(answers, y)
            if connections is not None:
                connections.prepare(piece)
            for step in range(piece.n_steps):
                if connections is not None:
                    connections.drop(step)
                network.forward(x[step], masks[step], outputs[step])
                self._teaching.slope(step, outputs[step], slope)
                network.backward(slope, self._l2 if connections is None else None)
                if connections is not None:
                    connections.restore(step, self._l2)
                if self._signs is not None and piece.first + step == 0:
                    self._signs.see_gradients(network)
                self._move(piece.first + step)
            seen = loss.values(outputs, y)[:, :, : answers.n_points]
            losses.append(seen.transpose(0, 1).reshape(n_rows, -1))
        figures = self.evaluate(self._task.validation, self._signs)
        figures["train_loss"] = torch.cat(losses, 1).double().mean(1) * self._task.scale**2
        found = by_row(figures)
        self._pace.observe(found)
        return found

    def measured(self) -> list[dict[str, float]]:
        """What stopped rows show: the figures of their last epoch, nan for those of gradients."""
        found = by_row(self.evaluate(self._task.validation, self._signs))
        for figures, loss in zip(found, self._pace.train_losses, strict=True):
            figures["train_loss"] = loss
        return found

    def _move(self, step: int) -> None:
        """Every row follows its gradient, within its limits."""
        for segment in self._segments:
            segment.step(step)
        if self._limits is not None:
            self._limits.apply()

    def evaluate(self, examples: Examples, signs: Signs | None = None) -> dict[str, Tensor]:
        """The objectives of every row on `examples`, and its `signs`, each of shape (K,)."""
        n_answers, width = self._task.n_answers, self._task.n_outputs_padded
        numbers = self._architecture.numbers(self._rounded)
        most = min(examples.n_padded, evaluated_at_once(numbers))
        kinds = examples.kinds([s.input_scaling for s in self._settings])
        marks, shown = Marks(self._task, examples), dict[str, Tensor]()
        for start in range(0, examples.n_padded, most):
            part = slice(start, min(start + most, examples.n_padded))
            x = examples.x[:, part].index_select(0, kinds)
            outputs = self._take("evaluated", len(x), x.shape[1] * n_answers, width)
            network = self._network(x.shape[1])
            network.forward(x, None, outputs, is_training=False)
            if signs is not None and start == 0:
                shown = signs.figures(network, min(examples.n_points, most))
            marks.add(outputs, examples.targets[start * n_answers : part.stop * n_answers])
        return marks.figures() | shown
