"""The epoch of rows of ordinary modules, read from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trials.contract import Row
from trials.fused.company import Company
from trials.fused.mapping import OneByOne, Together
from trials.fused.model import Findings
from trials.fused.task import FusedTask
from trials.fused.tensors import Tensors
from trials.stacked.batches import MOST_EVALUATED, Order, Piece, pieces
from trials.stacked.cohort import Vectors, by_row
from trials.stacked.dropout import Dropout
from trials.stacked.network import Gradients, Site
from trials.stacked.noise import generator
from trials.stacked.optimizers import MOMENTS, Updates
from trials.stacked.per_row import column
from trials.stacked.schedules import SCHEDULES
from trials.stacked.sending import sent
from trials.stacked.settings import SupervisedSettings
from trials.stacked.supervised import Examples


class FusedTraining:
    """Rows of one block in a fixed order, ready to train; a `cohort.Training`.

    Batches are never padded, since the loss and the module may mean the whole batch.

    Args:
        findings: Of their modules.
        tensors: Where their tensors lie.
        task: What is learnt.
        rows: In the order of `FusedFamily.rank`.
        settings: Of the rows; batch sizes are equal.
        rates: Of the dropout modules of each row.
        vectors: (K, n) each, changed in place.
    """

    def __init__(
        self,
        findings: Findings,
        tensors: Tensors,
        task: FusedTask,
        rows: Sequence[Row],
        settings: Sequence[SupervisedSettings],
        rates: Sequence[Sequence[float]],
        vectors: Vectors,
    ) -> None:
        self._findings, self._task, self._rows, self._settings = findings, task, rows, settings
        self._model, layout = findings.model, tensors.parameters
        self._seeds = [row.seed for row in rows]
        self._map = Together(task.device) if findings.reason is None else OneByOne(task.device)
        self._company = Company(tensors, vectors, self._map, self._sizes())
        self._parameters = self._company.parameters
        self._gradient = torch.zeros_like(self._parameters)
        self._gradients = Gradients(layout, self._parameters, self._gradient)
        first, second = (vectors[moment] for moment in MOMENTS)
        self._updates = Updates(
            [s.rule for s in settings],
            self._parameters,
            self._gradient,
            first,
            second,
            torch.empty_like(self._gradient),
            layout.n_weights,
        )
        self._dropout = Dropout(
            [[Site(own[site], (n,)) for site, n in findings.calls] for own in rates],
            [(n,) for _, n in findings.calls],
            self._seeds,
            self._parameters,
        )
        self._l2 = column([s.l2 - s.decay for s in settings], self._parameters)

    def _sizes(self) -> list[int]:
        """Points of the batches, and of the pieces in which the validation part is measured."""
        n_points, n_measured = self._task.train.n_points, self._task.validation.n_points
        batch_size = min(self._settings[0].batch_size, n_points)
        sizes = [batch_size, n_points % batch_size, *self._measured(n_measured)]
        return [size for size in sizes if size]

    def _measured(self, n_points: int) -> list[int]:
        """Points of the pieces in which `n_points` are measured."""
        most = max(8, MOST_EVALUATED // max(self._findings.n_numbers, 1))
        full, rest = divmod(n_points, most)
        return [most] * full + [rest] * (rest > 0)

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch and measures it on the validation part."""
        n_points = self._task.train.n_points
        batch_size = min(self._settings[0].batch_size, n_points)
        n_steps = -(-n_points // batch_size)
        kinds = self._task.train.kinds([s.input_scaling for s in self._settings])
        order = Order(self._seeds, epochs, n_points)
        self._dropout.begin(epochs)
        self._updates.begin(self._factors(epochs), [e * n_steps for e in epochs], n_steps)
        numbers = self._task.train.x[0, 0].numel() + self._dropout.n_numbers
        seen = torch.zeros(len(self._rows), dtype=torch.float64, device=self._task.device)
        for piece in pieces(n_points, batch_size, len(self._rows) * numbers):
            places = self._company.places(piece.n_points)
            points = sent(order.take(piece)[:, :, : piece.n_points], self._task.device)
            x, answers = self._task.train.chosen(points[:, places], kinds[places])
            y = self._task.targets(answers.squeeze(-1), self._findings.output_shape)
            factors = self._factors_of_units(piece, places)
            for step in range(piece.n_steps):
                self._draw_from(epochs, piece.first + step)
                losses = self._slope(x[step], y[step], factors[step])
                seen += losses.double() * piece.n_points
                self._updates.step(piece.first + step)
        self._company.give_back()
        figures = self.evaluate(self._task.validation)
        figures["train_loss"] = seen / n_points
        return by_row(figures)

    def _factors(self, epochs: Sequence[int]) -> list[float]:
        """Each row's factor of the learning rate."""
        return [
            SCHEDULES[s.schedule](epoch, row.epochs)
            for s, row, epoch in zip(self._settings, self._rows, epochs, strict=True)
        ]

    def _factors_of_units(self, piece: Piece, places: Tensor) -> list[Sequence[Tensor]]:
        """Dropout's factors for each step of the piece: one tensor (rows, B * n) per call."""
        return [
            ()
            if masks is None
            else [mask[:, : piece.n_points].flatten(1).index_select(0, places) for mask in masks]
            for masks in self._dropout.masks(piece)
        ]

    def _draw_from(self, epochs: Sequence[int], step: int) -> None:
        """Modules that draw their own random numbers have a generator for each row and step."""
        if isinstance(self._map, OneByOne):
            self._map.seeds = [
                generator(seed, f"draws of step {step}", epoch).initial_seed()
                for seed, epoch in zip(self._seeds, epochs, strict=True)
            ]

    def _slope(self, x: Tensor, y: Tensor, factors: Sequence[Tensor]) -> Tensor:
        """The loss of each row, shape (K,); its gradient and that of the L2 penalty are filled."""
        parameters, buffers = self._company.tensors(len(x))
        with torch.enable_grad():
            losses = self._map(self._model.training_loss, parameters, buffers, x, y, factors)
            gradients = torch.autograd.grad(
                losses.sum(), list(parameters.values()), materialize_grads=True
            )
        n_rows = len(self._rows)
        for name, gradient in zip(parameters, gradients, strict=True):
            self._gradients.put(name, gradient[:n_rows].contiguous(), self._l2)
        return losses.detach()[:n_rows]

    def evaluate(self, examples: Examples) -> dict[str, Tensor]:
        """The objectives of every row on `examples`, each of shape (K,)."""
        n_points, n_rows = examples.n_points, len(self._rows)
        sizes = self._measured(n_points)
        places = self._company.places(min(sizes))
        parameters, buffers = self._company.tensors(len(places))
        kinds = examples.kinds([s.input_scaling for s in self._settings])[places]
        outputs = []
        for points in torch.split(examples.x[:, :n_points], sizes, 1):
            x = points.index_select(0, kinds)
            outputs.append(self._map(self._model.prediction, parameters, buffers, x))
        together = torch.cat(outputs, 1)
        answers = examples.targets[:n_points]
        y = self._task.targets(answers, self._findings.output_shape)
        losses = self._map(self._model.loss, together, y.expand(len(places), *y.shape))
        figures = {"validation_loss": losses[:n_rows].double()}
        if self._task.name == "classification":
            accuracy = self._task.accuracy(together[:n_rows], answers)
            figures["validation_accuracy"] = accuracy.where(losses[:n_rows].isfinite(), torch.nan)
        return figures
