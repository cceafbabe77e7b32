"""The restricted Boltzmann machine as a trainer: its axes and defaults, its tensors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from search_spaces import Categorical, Float, Int, Space
from search_spaces.unsupervised import RATINGS as RATINGS_SPACE
from search_spaces.unsupervised import RBM as SPACE
from trials.contract import Objective, Row, RowState
from trials.data import Dataset
from trials.stacked.cohort import Vectors, fitted
from trials.stacked.layout import Layout, unit_bucket
from trials.stacked.noise import generator
from trials.stacked.settings import settings_of
from trials.stacked.unsupervised.contrast import (
    VISIBLE_BIAS,
    machine_parts,
    uniform_tape,
)
from trials.stacked.unsupervised.family import DescentFamily
from trials.stacked.unsupervised.machine_training import CHAIN, MachineSettings, MachineTraining
from trials.stacked.unsupervised.points import BINARIZATIONS, Source
from trials.stacked.unsupervised.rating_training import RatingSource, RatingTraining
from trials.stacked.unsupervised.readout import Answers, readout_parts
from trials.stacked.unsupervised.settings import DESCENT_AXES
from trials.stacked.unsupervised.trainer import DescentTrainer
from trials.stacked.unsupervised.visible import VISIBLE

DOMAIN = Space(
    **DESCENT_AXES,
    visible=Categorical(("binary", "gaussian")),
    binarize=Categorical(BINARIZATIONS),
    units=Int(1, 16384),
    k=Int(1, 100),
    persistent=Categorical((False, True)),
    sparsity=Float(0.001, 0.999),
    sparsity_weight=Float(0.0, 1e6),
    classifier_rate=Float(1e-12, 1e3),
)
"""What may be asked for, far beyond what is worth trying."""


_WITHOUT_RATINGS = ("visible", "binarize", "persistent", "classifier_rate", "input_scaling")
RATINGS_DOMAIN = Space(
    **{name: axis for name, axis in DOMAIN.items() if name not in _WITHOUT_RATINGS},
    visible=Categorical(("softmax",)),
)
"""What may be asked for where the points are ratings."""


class RBM(DescentTrainer[MachineSettings]):
    """Restricted Boltzmann machine for tables, images and ratings, by contrastive divergence.

    Weights are those of `machine.hidden`, a Linear whose sigmoid gives the features, its rows the
    filters; `machine.visible.bias`; and with classes `classifier`, a Linear on the features.
    Rows of one `visible` and `k` are stacked.
    """

    name: ClassVar[str] = "rbm"
    kind = MachineSettings
    separating: ClassVar[tuple[str, ...]] = ("visible",)
    space = SPACE
    domain = DOMAIN

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._is_of_ratings = data.kind == "ratings"
        if self._is_of_ratings:
            self.source = RatingSource(data, torch.device(device), dtype)
            self.space, self.domain = RATINGS_SPACE, RATINGS_DOMAIN
        else:
            super().__init__(data, device, dtype)
        self._answers: Answers | None = None
        if data.task == "classification":
            self._answers = Answers(data, self.source.device, dtype)

    @property
    def figures(self) -> tuple[Objective, ...]:
        """The error of restored points, how likely they are, and what features tell of classes."""
        if self._is_of_ratings:
            return (
                Objective("validation_loss", "minimize", "squared stars"),
                Objective("validation_rmse", "minimize", "stars"),
                Objective("validation_energy_gap", "minimize", "nats"),
            )
        found = (
            Objective("validation_loss", "minimize", "squared data units"),
            Objective("validation_pseudo_likelihood", "maximize", "nats"),
            Objective("validation_energy_gap", "minimize", "nats"),
        )
        if self._answers is None:
            return found
        return (*found, Objective("validation_accuracy", "maximize"))

    def structure(self, params: Mapping[str, Any]) -> Hashable:
        """Trials of one kind of visible units can share a cohort.

        Raises:
            ValueError: An axis that there is not, or units or chains that ratings cannot have.
        """
        settings = settings_of(MachineSettings, params)
        if (settings.visible == "softmax") != self._is_of_ratings:
            raise ValueError(
                f"visible: must be softmax for ratings and for nothing else, got "
                f"{settings.visible!r} for '{self.source.data.name}'"
            )
        if self._is_of_ratings and settings.persistent:
            raise ValueError("persistent: must be false for ratings, whose gaps differ")
        return super().structure(params)

    def family(self) -> DescentFamily[MachineSettings]:
        """The rows on this data."""
        return _Family(self.source, self._answers)


class _Family(DescentFamily[MachineSettings]):
    """Machines, with a classifier where there are classes."""

    kind = MachineSettings

    def __init__(self, source: Source, answers: Answers | None) -> None:
        super().__init__(source)
        self._answers = answers
        self.networks = ("machine",) if answers is None else ("machine", "classifier")

    def rounded(self, settings: MachineSettings) -> MachineSettings:
        """Kind of units, batch size and steps of the chains; hidden units in buckets."""
        return MachineSettings(
            visible=settings.visible,
            batch_size=settings.batch_size,
            k=settings.k,
            units=unit_bucket(settings.units),
        )

    def label(self, row: Row) -> str:
        """What separates the row's stack from others."""
        bound = self.block(row)
        return (
            f"batch_size={bound.batch_size} visible={bound.visible} k={bound.k} "
            f"units<={bound.units}"
        )

    def layouts(self, settings: MachineSettings, *, is_padded: bool) -> Mapping[str, Layout]:
        """The machine, and the classifier on its hidden units."""
        width = self.source.width if is_padded else self.source.n_features
        parts = machine_parts(width, settings.units, VISIBLE[settings.visible])
        found = {"machine": Layout(tuple(parts))}
        if self._answers is not None:
            n_classes = self._answers.width if is_padded else self._answers.n_classes
            found["classifier"] = Layout(tuple(readout_parts(settings.units, n_classes)))
        return found

    def start(self, row: Row, network: str) -> dict[str, Tensor]:
        """Drawn weights, and visible units at their base rates."""
        tensors = super().start(row, network)
        if network == "machine":
            settings = self.settings(row)
            mean = self.source.mean(settings.view)
            tensors[VISIBLE_BIAS] = VISIBLE[settings.visible].bias(mean).to(self.source.dtype)
        return tensors

    def begin(self, row: Row) -> Vectors:
        """Networks, and chains that begin at the visible units' base rates."""
        vectors, settings = super().begin(row), self.settings(row)
        chain = torch.zeros(self._n_chains(settings), self.source.n_features)
        if settings.persistent:
            units = VISIBLE[settings.visible]
            rng = generator(row.seed, "first chains")
            shape = tuple(chain.shape)
            tape = (
                torch.randn(shape, generator=rng)
                if units.is_normal
                else uniform_tape(rng, 1, shape)[0]
            )
            bias = units.bias(self.source.mean(settings.view)).expand(shape)
            chain = units.draw(bias.contiguous(), tape.to(bias))
        return vectors | {CHAIN: self._flat(chain)}

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The padded vectors of a saved row; ValueError when the state does not fit it."""
        vectors, settings = super().restore(row, state), self.settings(row)
        shape = (self._n_chains(settings), self.source.n_features)
        like = torch.empty(0, device="cpu", dtype=self.source.dtype)
        chain = torch.zeros(shape)
        if settings.persistent:
            chain = fitted(row, state, CHAIN, {"points": shape}, like)["points"]
        return vectors | {CHAIN: self._flat(chain)}

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Unpadded contiguous copies on the CPU."""
        state, settings = super().store(row, vectors), self.settings(row)
        if settings.persistent:
            chain = vectors[CHAIN].cpu().view(self._n_chains(settings), -1)
            state[f"{CHAIN}.points"] = chain[:, : self.source.n_features].contiguous()
        return state

    def _n_chains(self, settings: MachineSettings) -> int:
        return min(settings.batch_size, self.source.train.n_points)

    def _flat(self, chain: Tensor) -> Tensor:
        """Chains as one vector of padded points."""
        room = (0, self.source.width - self.source.n_features)
        padded = torch.nn.functional.pad(chain, room).flatten()
        return padded.to(device=self.source.device, dtype=self.source.dtype)

    def plain_training(self, rows: Sequence[Row], stack: Vectors) -> MachineTraining:
        """Training of `rows` of one block, whether they stopped or not, in place on `stack`."""
        settings = [self.settings(row) for row in rows]
        rounded = self.block(rows[0])
        kind = RatingTraining if settings[0].visible == "softmax" else MachineTraining
        return kind(
            self.source,
            self._answers,
            rows,
            settings,
            rounded,
            self.padded(rounded),
            stack,
            self.workspace,
        )
