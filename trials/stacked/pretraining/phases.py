"""Rows of perceptrons in phases: layers learn one after the other, then all of them the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import torch

from trials.contract import Row, RowState
from trials.stacked.architecture import Architecture
from trials.stacked.cohort import Training, Vectors, by_row, fitted
from trials.stacked.layout import Layout
from trials.stacked.optimizers import MOMENTS
from trials.stacked.pace import COURSE, has_stopped
from trials.stacked.pretraining.layers import (
    LayerTraining,
    is_of_layer,
    layer_layout,
    layer_name,
    start_layer_,
)
from trials.stacked.pretraining.settings import PretrainingSettings
from trials.stacked.supervised import Task
from trials.stacked.supervised_family import SupervisedFamily
from trials.stacked.workspace import Workspace

S = TypeVar("S", bound=PretrainingSettings)

Figures = dict[str, float]


class Phase(Protocol):
    """Rows that are in the same phase, on tensors of their own."""

    def epoch(self, epochs: Sequence[int]) -> list[Figures]:
        """Trains every row for one epoch; returns the figures of each."""


class PretrainedFamily(SupervisedFamily[S]):
    """Rows of perceptrons with what the pretraining of each hidden layer needs.

    Args:
        architecture: Of the perceptrons, on the labelled points.
        pool: All training points.
    """

    def __init__(self, architecture: Architecture[S], pool: Task) -> None:
        super().__init__(architecture)
        self._perceptrons, self._pool = architecture, pool
        self._room = Workspace(pool.device, pool.dtype)

    def _layers(self, settings: S) -> range:
        return range(0 if settings.pretraining == "none" else settings.layers)

    def _layout(self, settings: S, layer: int, *, is_padded: bool) -> Layout:
        inputs = self._pool.inputs.padded if is_padded else self._pool.inputs.shape
        return layer_layout(settings, layer, inputs[0])

    def begin(self, row: Row) -> Vectors:
        """The padded vectors of a row that starts anew; layers have the perceptron's weights."""
        vectors, settings = super().begin(row), self.settings(row)
        rounded = self._perceptrons.rounded(settings)
        network = self._perceptrons.padded_layout(rounded).views(vectors["parameters"][None])
        for layer in self._layers(settings):
            layout = self._layout(rounded, layer, is_padded=True)
            true = self._layout(settings, layer, is_padded=False)
            zeros = {
                name: torch.zeros(shape, dtype=self._pool.dtype)
                for name, shape in true.shapes.items()
            }
            parameters = layout.pack(zeros, true).to(self._pool.device)
            start_layer_(layout.views(parameters[None]), network, layer)
            name = layer_name(layer)
            vectors[f"{name}.parameters"] = parameters
            vectors |= {f"{name}.{moment}": torch.zeros_like(parameters) for moment in MOMENTS}
        return vectors

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The padded vectors of a saved row; ValueError when the state does not fit it."""
        vectors, settings = super().restore(row, state), self.settings(row)
        rounded = self._perceptrons.rounded(settings)
        like = torch.empty(0, device="cpu", dtype=self._pool.dtype)
        for layer in self._layers(settings):
            layout = self._layout(rounded, layer, is_padded=True)
            true = self._layout(settings, layer, is_padded=False)
            for kind in ("parameters", *MOMENTS):
                name = f"{layer_name(layer)}.{kind}"
                tensors = fitted(row, state, name, true.shapes, like)
                packed = layout.pack(tensors, true, is_parameters=kind == "parameters")
                vectors[name] = packed.to(self._pool.device)
        return vectors

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Unpadded contiguous copies on the CPU."""
        state, settings = super().store(row, vectors), self.settings(row)
        rounded = self._perceptrons.rounded(settings)
        for layer in self._layers(settings):
            layout = self._layout(rounded, layer, is_padded=True)
            true = self._layout(settings, layer, is_padded=False)
            for kind in ("parameters", *MOMENTS):
                name = f"{layer_name(layer)}.{kind}"
                tensors = layout.unpack(vectors[name], true)
                state |= {f"{name}.{part}": tensor for part, tensor in tensors.items()}
        return state

    def training(self, rows: Sequence[Row], stack: Vectors) -> Training:
        """Training of `rows`, which share a block, in place on `stack`."""
        return PhasedTraining(self, rows, [self.settings(row) for row in rows], stack)

    def phase(self, phase: int, rows: Sequence[Row], vectors: Vectors) -> Phase:
        """Training of rows that are in one phase: a layer, or as many as there are for all."""
        settings = [self.settings(row) for row in rows]
        if phase < settings[0].layers:
            return self._layer_phase(phase, rows, settings, vectors)
        left = [
            replace(row, epochs=row.epochs - s.layers * s.epochs_per_layer(row.epochs))
            for row, s in zip(rows, settings, strict=True)
        ]
        skipped = [row.epochs - rest.epochs for row, rest in zip(rows, left, strict=True)]
        return _Answering(super().training(left, vectors), skipped)

    def _layer_phase(
        self, layer: int, rows: Sequence[Row], settings: Sequence[S], vectors: Vectors
    ) -> Phase:
        rounded = self._perceptrons.rounded(settings[0])
        layouts = (
            self._perceptrons.padded_layout(rounded),
            self._layout(rounded, layer, is_padded=True),
        )
        pool = self._pool.train
        pool.kinds([s.input_scaling for s in settings])
        learner = LayerTraining(
            pool,
            self._pool.inputs.shape[0],
            rows,
            settings,
            rounded,
            layer,
            layouts,
            vectors,
            self._room,
        )
        return _Restoring(learner, self, rows, vectors)

    def measured(self, rows: Sequence[Row], vectors: Vectors) -> list[Figures]:
        """The figures of perceptrons as they are, on the validation part."""
        ranked = sorted(range(len(rows)), key=lambda k: (self.rank(rows[k]), k))
        own = [name for name in vectors if not is_of_layer(name)]
        taken = {name: vectors[name][ranked] for name in own}
        training = self.plain_training([rows[k] for k in ranked], taken)
        figures = by_row(training.evaluate(self._perceptrons.task.validation))
        found: list[Figures] = [{} for _ in rows]
        for k, row_figures in zip(ranked, figures, strict=True):
            found[k] = row_figures
        return found

    def order(self, row: Row) -> tuple[Any, ...]:
        """Rows of one phase are ordered by it: optimizers first, then activations."""
        settings = self.settings(row)
        return settings.descent.rule.rank, settings.activation


class _Answering:
    """The phase in which all layers learn the answers."""

    def __init__(self, training: Training, skipped: Sequence[int]) -> None:
        self._training, self._skipped = training, skipped

    def epoch(self, epochs: Sequence[int]) -> list[Figures]:
        """Trains every row; its schedule begins with this phase."""
        own = [epoch - n for epoch, n in zip(epochs, self._skipped, strict=True)]
        return self._training.epoch(own)


class _Restoring:
    """The phase of one layer; the figures are those of the perceptrons as they are."""

    def __init__(
        self,
        learner: LayerTraining,
        family: PretrainedFamily[Any],
        rows: Sequence[Row],
        vectors: Vectors,
    ) -> None:
        self._learner, self._family, self._rows, self._vectors = learner, family, rows, vectors

    def epoch(self, epochs: Sequence[int]) -> list[Figures]:
        """Trains the layer and measures the perceptrons."""
        self._learner.epoch(epochs)
        return self._family.measured(self._rows, self._vectors)


class PhasedTraining:
    """Rows of one block whose phases differ; a `cohort.Training` and `cohort.EarlyEnding`.

    Rows of one phase are put together in tensors of their own, which are written back after each
    epoch; where all rows are at their last phase nothing is copied.

    Args:
        family: Of the rows.
        rows: In the order of the family's rank.
        settings: Of the rows.
        vectors: All rows, (K, n) each, changed in place.
    """

    def __init__(
        self,
        family: PretrainedFamily[S],
        rows: Sequence[Row],
        settings: Sequence[S],
        vectors: Vectors,
    ) -> None:
        self._family, self._rows, self._settings = family, rows, settings
        self._vectors = vectors
        self._phases: list[int] = []
        self._groups: list[tuple[list[int], Vectors, Phase]] = []

    def epoch(self, epochs: Sequence[int]) -> list[Figures]:
        """Trains every row for one epoch of its phase; returns the figures of each."""
        phases = [
            s.phase(epoch, row.epochs)
            for s, epoch, row in zip(self._settings, epochs, self._rows, strict=True)
        ]
        if phases != self._phases:
            self._phases = phases
            self._groups = [self._group(phase) for phase in sorted(set(phases))]
        found: list[Figures] = [{} for _ in phases]
        for places, vectors, phase in self._groups:
            figures = phase.epoch([epochs[k] for k in places])
            for k, row_figures in zip(places, figures, strict=True):
                found[k] = row_figures
            self._write_back(places, vectors)
        return found

    @property
    def ended(self) -> Sequence[bool]:
        """Whether each row has stopped."""
        if not any(s.early_stopping_patience for s in self._settings):
            return [False] * len(self._settings)
        return has_stopped(self._vectors[COURSE])

    def _group(self, phase: int) -> tuple[list[int], Vectors, Phase]:
        """Places, tensors and training of the rows that are in this phase."""
        places = [k for k, own in enumerate(self._phases) if own == phase]
        is_last = phase == self._settings[0].layers
        if not is_last:
            places.sort(key=lambda k: (self._family.order(self._rows[k]), k))
        vectors = self._vectors
        if not is_last or len(places) < len(self._rows):
            vectors = {name: tensor[places] for name, tensor in self._vectors.items()}
        rows = [self._rows[k] for k in places]
        return places, vectors, self._family.phase(phase, rows, vectors)

    def _write_back(self, places: Sequence[int], vectors: Vectors) -> None:
        if vectors is not self._vectors:
            for name, tensor in self._vectors.items():
                index = torch.tensor(places, device=tensor.device)
                tensor.index_copy_(0, index, vectors[name])
