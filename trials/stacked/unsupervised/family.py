"""How rows without answers are made, stored and stacked: some named networks for each row."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from trials.contract import Row, RowState
from trials.data import Part
from trials.stacked.cohort import Training, Vectors, fitted
from trials.stacked.drawing import draw
from trials.stacked.layout import Layout
from trials.stacked.noise import generator
from trials.stacked.optimizers import MOMENTS
from trials.stacked.pace import COURSE, fresh, restored_course, stored_course
from trials.stacked.settings import settings_of
from trials.stacked.stopping import Measurable, StoppingTraining
from trials.stacked.unsupervised.points import Points, Source
from trials.stacked.unsupervised.settings import DescentSettings
from trials.stacked.workspace import Workspace

S = TypeVar("S", bound=DescentSettings)


class Measured(Measurable, Protocol):
    """Training whose rows can be measured on any part of the data."""

    def evaluate(self, points: Points) -> dict[str, Tensor]:
        """The objectives of every row on `points`, each of shape (K,)."""

    def restore(self, points: Points) -> Tensor:
        """What the networks make of `points` as each row sees them, shape (K, N, D) padded."""

    def samples(self) -> Tensor:
        """What every row makes of one fixed batch, in units of the data, shape (K, N, numbers)."""


class DescentFamily(ABC, Generic[S]):
    """Rows of some stacked networks each; a `cohort.Family`.

    A row's vectors are "network.parameters" and the moments of each network, and its course.

    Attributes:
        kind: The dataclass of the settings.
        networks: Names of a row's networks.
    """

    kind: type[S]
    networks: tuple[str, ...]

    def __init__(self, source: Source) -> None:
        self.source = source
        self.workspace = Workspace(source.device, source.dtype)
        self._padded: dict[S, Mapping[str, Layout]] = {}

    @abstractmethod
    def rounded(self, settings: S) -> S:
        """Settings that all rows of one stack share: the separating and the rounded axes."""

    @abstractmethod
    def layouts(self, settings: S, *, is_padded: bool) -> Mapping[str, Layout]:
        """Network -> its tensors; padded for rounded settings, else as they are."""

    @abstractmethod
    def label(self, row: Row) -> str:
        """What separates the row's stack from others, as `axis=value` and `axis<=bound`."""

    @abstractmethod
    def plain_training(self, rows: Sequence[Row], stack: Vectors) -> Measured:
        """Training of `rows` of one block, whether they stopped or not, in place on `stack`."""

    def training(self, rows: Sequence[Row], stack: Vectors) -> Training:
        """Training of `rows`, which share a block, in place on `stack`."""

        def build(places: Sequence[int], vectors: Vectors) -> Measured:
            return self.plain_training([rows[k] for k in places], vectors)

        if any(self.settings(row).early_stopping_patience for row in rows):
            return StoppingTraining(len(rows), stack, build)
        return build(range(len(rows)), stack)

    @property
    def mode(self) -> Callable[[], AbstractContextManager[Any]]:
        """The context in which rows train."""
        return torch.inference_mode

    @property
    def device(self) -> torch.device:
        """Where rows train."""
        return self.source.device

    def settings(self, row: Row) -> S:
        """The row's settings."""
        return settings_of(self.kind, row.params)

    def block(self, row: Row) -> S:
        """Rows that agree in it are stacked."""
        return self.rounded(self.settings(row))

    def padded(self, rounded: S) -> Mapping[str, Layout]:
        """Network -> how its tensors are stacked."""
        if rounded not in self._padded:
            self._padded[rounded] = self.layouts(rounded, is_padded=True)
        return self._padded[rounded]

    def rank(self, row: Row) -> tuple[Any, ...]:
        """Optimizers in the order of `Updates`."""
        return (self.settings(row).rule.rank,)

    def start(self, row: Row, network: str) -> dict[str, Tensor]:
        """The named tensors that a row's network starts with."""
        settings = self.settings(row)
        layout = self.layouts(settings, is_padded=False)[network]
        rng = generator(row.seed, f"{network} weights")
        return draw(layout, settings.initializer, rng, self.source.dtype, settings.initial_scale)

    def begin(self, row: Row) -> Vectors:
        """The padded vectors of a row that starts anew."""
        settings = self.settings(row)
        padded, true = self.padded(self.block(row)), self.layouts(settings, is_padded=False)
        vectors = {COURSE: fresh().to(self.source.device)}
        for network in self.networks:
            parameters = padded[network].pack(self.start(row, network), true[network])
            vectors[f"{network}.parameters"] = parameters.to(self.source.device)
            for moment in MOMENTS:
                vectors[f"{network}.{moment}"] = torch.zeros_like(parameters).to(self.source.device)
        return vectors

    def tensors(self, row: Row, state: RowState, network: str, kind: str) -> dict[str, Tensor]:
        """The named tensors of a state; ValueError when they do not fit the row."""
        shapes = self.layouts(self.settings(row), is_padded=False)[network].shapes
        like = torch.empty(0, device="cpu", dtype=self.source.dtype)
        return fitted(row, state, f"{network}.{kind}", shapes, like)

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The padded vectors of a saved row; ValueError when the state does not fit it."""
        settings = self.settings(row)
        padded, true = self.padded(self.block(row)), self.layouts(settings, is_padded=False)
        vectors = {COURSE: restored_course(row, state, settings).to(self.source.device)}
        for network in self.networks:
            for kind in ("parameters", *MOMENTS):
                tensors = self.tensors(row, state, network, kind)
                packed = padded[network].pack(
                    tensors, true[network], is_parameters=kind == "parameters"
                )
                vectors[f"{network}.{kind}"] = packed.to(self.source.device)
        return vectors

    def n_parameters(self, row: Row) -> int:
        """Numbers that the row learns: no padding, no running statistics."""
        layouts = self.layouts(self.settings(row), is_padded=False).values()
        parts = [part for layout in layouts for part in layout.parts]
        return sum(math.prod(part.shape) for part in parts if not part.is_statistic)

    def prediction(self, row: Row) -> Callable[[], object]:
        """What has the networks of a new row restore eight points, in their padded form."""
        stack = {name: vector.unsqueeze(0) for name, vector in self.begin(row).items()}
        training = self.plain_training([row], stack)
        points = Points(self.source, Part(self.source.data.train.x[:7], None))
        return lambda: training.restore(points)

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Unpadded contiguous copies on the CPU."""
        settings = self.settings(row)
        padded, true = self.padded(self.block(row)), self.layouts(settings, is_padded=False)
        return stored_course(vectors, settings) | {
            f"{network}.{kind}.{part}": tensor
            for network in self.networks
            for kind in ("parameters", *MOMENTS)
            for part, tensor in padded[network]
            .unpack(vectors[f"{network}.{kind}"], true[network])
            .items()
        }
