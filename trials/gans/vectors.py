"""The GAN on vectors as a trainer: its axes and defaults, and perceptrons as its players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from search_spaces import Categorical, Int, Space
from search_spaces.gans import VECTOR_GAN as SPACE
from trials.contract import Row
from trials.gans.adversarial import EVALUATION, JUDGING, LEARNING, Build, Extent, JudgeNetwork
from trials.gans.leaks import leaky_spans
from trials.gans.normalisation import (
    N_REFERENCE,
    Batch,
    Norm,
    Plain,
    Spectral,
    Virtual,
    direction_parts,
    running_parts,
)
from trials.gans.perceptrons import AutogradPerceptron, Form, normed_chain
from trials.gans.settings import GAME_AXES, NORM_AXES, GameSettings, Shape
from trials.gans.tapes import latent_tape
from trials.gans.trainer import GANTrainer
from trials.gans.training import GameFamily
from trials.gans.views import view_of
from trials.stacked.activations import ACTIVATIONS
from trials.stacked.cohort import Vectors
from trials.stacked.dropout import padding_masks
from trials.stacked.layout import LANES, Layout, whole_lanes, width_bucket
from trials.stacked.noise import generator
from trials.stacked.perceptron import Perceptron
from trials.stacked.runs import runs
from trials.stacked.settings import settings_of


@dataclass(frozen=True)
class Settings(GameSettings):
    """The axes of a GAN on vectors; `units` is the width of every hidden layer."""

    units: int = 64


AXES = {
    **GAME_AXES,
    **NORM_AXES,
    "units": Int(1, 16384),
    "layers": Int(1, 64),
    "activation": Categorical(tuple(ACTIVATIONS)),
}
"""What may be asked of GANs of perceptrons, far beyond what is worth trying."""


class VectorGAN(GANTrainer):
    """Generative adversarial network on vectors and points in the plane.

    Weights have the names of Sequential(Linear, activation, ..., Linear) for each player, with
    BatchNorm1d between Linear and activation where a player is normalised by batches.
    """

    name: ClassVar[str] = "gan"
    default_data: ClassVar[str] = "ring"
    space = SPACE
    domain = Space(**AXES)

    kind: ClassVar[type[Settings]] = Settings

    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials of equal depth, buckets, batch size, steps, packing and norms share a cohort."""
        settings = settings_of(self.kind, params)
        n_inputs = settings.latent + self.n_told(settings)
        return settings.shape(width_bucket(settings.units), width_bucket(n_inputs, 4))

    def n_told(self, settings: Settings) -> int:
        """Inputs of the generator after the latent ones."""
        return 0

    def family(self, shape: Shape) -> GameFamily:
        """Perceptrons of that shape on the data."""
        return VectorFamily(self.real, shape)


class VectorFamily(GameFamily):
    """Perceptrons as players."""

    kind: ClassVar[type[Settings]] = Settings
    width_axis: ClassVar[str] = "units"

    def own(self, row: Row) -> Settings:
        """The row's settings."""
        return settings_of(self.kind, row.params)

    def n_told(self, settings: Settings) -> int:
        """Inputs of the generator after the latent ones."""
        return 0

    def n_logits(self, settings: Settings) -> int:
        """Outputs of the discriminator."""
        return 1

    @property
    def n_judged(self) -> int:
        """Inputs of the discriminator."""
        n_features = self.real.n_features + self.real.n_conditions
        return n_features * self.shape.packing

    def _norm(self, player: str) -> str:
        return self.shape.norms[0] if player == "generator" else self.shape.norms[1]

    def _padded_widths(self, player: str) -> tuple[int, ...]:
        shape = self.shape
        hidden = (shape.width,) * shape.layers
        if player == "generator":
            return (shape.latent, *hidden, self.real.width)
        return (whole_lanes(self.n_judged), *hidden, LANES)

    def _true_widths(self, row: Row, player: str) -> tuple[int, ...]:
        settings = self.own(row)
        hidden = (settings.units,) * settings.layers
        if player == "generator":
            n_inputs = settings.latent + self.n_told(settings)
            return (n_inputs, *hidden, self.real.n_features)
        return (self.n_judged, *hidden, self.n_logits(settings))

    def padded_layouts(self) -> Mapping[str, Layout]:
        """Player -> how its tensors are stacked."""
        return {
            player: normed_chain(self._padded_widths(player), self._norm(player))
            for player in ("generator", "discriminator")
        }

    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""
        return normed_chain(self._true_widths(row, player), self._norm(player))

    def padded_buffers(self) -> Mapping[str, Layout]:
        """Running figures of a generator, directions of a discriminator's weights."""
        buffers = {}
        if self.shape.generator_norm == "batch":
            buffers["generator"] = running_parts(self._padded_widths("generator"))
        if self.shape.discriminator_norm == "spectral":
            buffers["discriminator"] = direction_parts(self._padded_widths("discriminator"))
        return buffers

    def true_buffers(self, row: Row, player: str) -> Layout:
        """The same for the row's true widths."""
        widths = self._true_widths(row, player)
        return running_parts(widths) if player == "generator" else direction_parts(widths)

    def generators(
        self, rows: Sequence[Row], stack: Vectors
    ) -> Build[Perceptron | AutogradPerceptron]:
        """What makes the stacked generators of `rows`."""
        return self._perceptrons("generator", rows, stack)

    def discriminators(self, rows: Sequence[Row], stack: Vectors) -> Build[JudgeNetwork]:
        """What makes the stacked discriminators of `rows`."""
        return self._perceptrons("discriminator", rows, stack)

    def _perceptrons(
        self, player: str, rows: Sequence[Row], stack: Vectors
    ) -> Build[Perceptron | AutogradPerceptron]:
        settings = [self.own(row) for row in rows]
        masks, like = None, stack[f"{player}.parameters"]
        if any(ACTIVATIONS[s.activation].moves_zero for s in settings):
            units = [s.units for s in settings]
            masks = padding_masks(units, self.shape.layers, self.shape.width, like)
        is_penalised = player == "discriminator" and self.shape.is_penalised
        if self._norm(player) != "none" or is_penalised:
            return self._by_autograd(player, rows, stack, None if masks is None else masks[0])

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> Perceptron:
            name = player + (JUDGING if use == JUDGING else LEARNING)
            tensors = self.layouts[player], parameters, gradient
            spans = leaky_spans(settings)
            return Perceptron(*tensors, extent.n_rows, spans, masks, self.workspace, name)

        return build

    def _by_autograd(
        self, player: str, rows: Sequence[Row], stack: Vectors, masks: Tensor | None
    ) -> Build[AutogradPerceptron]:
        settings = [self.own(row) for row in rows]
        like = stack[f"{player}.parameters"]
        leak = torch.tensor([s.leak for s in settings], dtype=torch.float64).view(-1, 1, 1)
        names = runs(s.activation for s in settings)
        norm = self._normalisation(player, rows, stack)
        form = Form(self.layouts[player], norm, names, leak.to(like), masks)

        def build(
            parameters: Tensor, gradient: Tensor, extent: Extent, use: str
        ) -> AutogradPerceptron:
            return AutogradPerceptron(
                form,
                parameters,
                gradient,
                extent,
                learns=use == LEARNING,
                is_asked=use == EVALUATION,
                by_batch=use != EVALUATION or player == "discriminator",
            )

        return build

    def _normalisation(self, player: str, rows: Sequence[Row], stack: Vectors) -> Norm:
        """What normalises the rows' players."""
        norm = self._norm(player)
        if norm == "virtual":
            return Virtual(self._reference(player, rows))
        buffers = {}
        if player in self.buffers:
            buffers = self.buffers[player].views(stack[f"{player}.buffers"])
        if norm == "batch":
            return Batch(buffers)
        return Spectral(buffers) if norm == "spectral" else Plain()

    def _reference(self, player: str, rows: Sequence[Row]) -> Tensor:
        """The batch that stays the same: inputs of each row's player, (K, R, D)."""
        real, shape = self.real, self.shape
        if player == "discriminator":
            n_points = N_REFERENCE * shape.packing
            rngs = [generator(row.seed, "reference points") for row in rows]
            chosen = [torch.randint(real.n_points, (n_points,), generator=rng) for rng in rngs]
            points = real.points[torch.stack(chosen).to(real.device)]
            n_features = real.n_features + real.n_conditions
            packed = view_of(n_features, shape.packing, real.width, self.workspace)
            return packed.see(points, "reference").clone()
        latent = torch.zeros(len(rows), N_REFERENCE, shape.latent)
        for k, row in enumerate(rows):
            settings, rng = self.own(row), generator(row.seed, "reference latent")
            size = (N_REFERENCE, settings.latent)
            drawn = latent_tape(rng, settings.latent_distribution, 1, size)
            latent[k, :, : settings.latent] = drawn[0]
        return self.telling(rows).join(latent.to(real.points), [self.own(r).latent for r in rows])
