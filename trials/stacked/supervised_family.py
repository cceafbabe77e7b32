"""How rows of a supervised network are made, stored and stacked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

import torch

from trials.contract import Row, RowState
from trials.stacked.architecture import Architecture
from trials.stacked.cohort import Training, Vectors, fitted
from trials.stacked.drawing import draw
from trials.stacked.network import Stack
from trials.stacked.noise import generator
from trials.stacked.optimizers import MOMENTS
from trials.stacked.optimizers.second_order import WHOLE
from trials.stacked.pace import COURSE, fresh, restored_course, stored_course
from trials.stacked.settings import SupervisedSettings, settings_of
from trials.stacked.stopping import StoppingTraining
from trials.stacked.supervised_training import SupervisedTraining
from trials.stacked.whole_training import WholeTraining
from trials.stacked.workspace import Workspace

S = TypeVar("S", bound=SupervisedSettings)


def _alone(settings: SupervisedSettings) -> str:
    """The optimizer, where its rows are stacked with none of others; empty for most."""
    return settings.optimizer if settings.optimizer in WHOLE else ""


class SupervisedFamily(Generic[S]):
    """Rows of one architecture; a `cohort.Family` whose blocks are batch size and rounded axes."""

    def __init__(self, architecture: Architecture[S]) -> None:
        self._architecture = architecture
        self._task = architecture.task
        self._workspace = Workspace(self._task.device, self._task.dtype)

    @property
    def mode(self) -> Callable[[], AbstractContextManager[Any]]:
        """The context in which rows train."""
        return torch.no_grad if self._architecture.needs_autograd else torch.inference_mode

    @property
    def device(self) -> torch.device:
        """Where rows train."""
        return self._task.device

    def settings(self, row: Row) -> S:
        """The row's settings."""
        return settings_of(self._architecture.kind, row.params)

    def block(self, row: Row) -> tuple[S, str]:
        """Rows that agree in it are stacked."""
        settings = self.settings(row)
        return self._architecture.rounded(settings), _alone(settings)

    def label(self, row: Row) -> str:
        """What separates the row's block from others, as `axis=value` and `axis<=bound`."""
        settings = self.settings(row)
        bounds = self._architecture.padded(settings).items()
        words = [f"batch_size={settings.batch_size}", *(f"{axis}<={n}" for axis, n in bounds)]
        alone = _alone(settings)
        return " ".join([*words, f"optimizer={alone}"] if alone else words)

    def begin(self, row: Row) -> Vectors:
        """The padded vectors of a row that starts anew."""
        settings = self.settings(row)
        layout = self._architecture.true_layout(settings)
        rng = generator(row.seed, "weights")
        tensors = draw(layout, settings.initializer, rng, self._task.dtype, settings.initial_scale)
        vectors = {"parameters": self._packed(settings, tensors)}
        vectors[COURSE] = fresh().to(self._task.device)
        return vectors | {name: torch.zeros_like(vectors["parameters"]) for name in MOMENTS}

    def _packed(self, settings: S, tensors: RowState, name: str = "parameters") -> torch.Tensor:
        padded = self._architecture.padded_layout(self._architecture.rounded(settings))
        true = self._architecture.true_layout(settings)
        row = padded.pack(tensors, true, is_parameters=name == "parameters")
        return row.to(self._task.device)

    def tensors(self, row: Row, state: RowState, prefix: str) -> RowState:
        """The named tensors of a state; ValueError when they do not fit the row."""
        shapes = self._architecture.true_layout(self.settings(row)).shapes
        like = torch.empty(0, device="cpu", dtype=self._task.dtype)
        return fitted(row, state, prefix, shapes, like)

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The padded vectors of a saved row; ValueError when the state does not fit it."""
        vectors = {
            name: self._packed(self.settings(row), self.tensors(row, state, name), name)
            for name in ("parameters", *MOMENTS)
        }
        course = restored_course(row, state, self.settings(row))
        return vectors | {COURSE: course.to(self._task.device)}

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Unpadded contiguous copies on the CPU."""
        settings = self.settings(row)
        true = self._architecture.true_layout(settings)
        padded = self._architecture.padded_layout(self._architecture.rounded(settings))
        return stored_course(vectors, settings) | {
            f"{name}.{part}": tensor
            for name in ("parameters", *MOMENTS)
            for part, tensor in padded.unpack(vectors[name], true).items()
        }

    def n_parameters(self, row: Row) -> int:
        """Numbers that the row learns: no padding, no running statistics."""
        parts = self._architecture.true_layout(self.settings(row)).parts
        return sum(math.prod(part.shape) for part in parts if not part.is_statistic)

    def prediction(self, row: Row) -> Callable[[], object]:
        """What has the network of a new row answer to eight points, in its padded form."""
        architecture, task, n_batch = self._architecture, self._task, 8
        settings = self.settings(row)
        rounded = architecture.rounded(settings)
        parameters = self.begin(row)["parameters"].unsqueeze(0)
        stack = Stack(
            [settings],
            rounded,
            architecture.padded_layout(rounded),
            parameters,
            torch.zeros_like(parameters),
            self._workspace,
        )
        network = architecture.network(stack, n_batch)
        x = parameters.new_zeros(1, n_batch, *task.inputs.padded)
        out = parameters.new_empty(1, n_batch * task.n_answers, task.n_outputs_padded)
        return lambda: network.forward(x, None, out, is_training=False)

    def rank(self, row: Row) -> tuple[Any, ...]:
        """Long rows come first; then optimizers in the order of `Updates`, then as it is liked."""
        settings = self.settings(row)
        columns = self._architecture.columns(settings)
        length = columns.stop - columns.start
        return -length, settings.rule.rank, *self._architecture.rank(settings)

    def training(self, rows: Sequence[Row], stack: Vectors) -> Training:
        """Training of `rows`, which share a block, in place on `stack`."""

        def build(places: Sequence[int], vectors: Vectors) -> SupervisedTraining[S]:
            return self.plain_training([rows[k] for k in places], vectors)

        if any(self.settings(row).early_stopping_patience for row in rows):
            return StoppingTraining(len(rows), stack, build)
        return build(range(len(rows)), stack)

    def plain_training(self, rows: Sequence[Row], stack: Vectors) -> SupervisedTraining[S]:
        """Training of `rows` whether they stopped or not."""
        settings = [self.settings(row) for row in rows]
        kind = WholeTraining if _alone(settings[0]) else SupervisedTraining
        return kind(self._architecture, rows, settings, stack, self._workspace)
