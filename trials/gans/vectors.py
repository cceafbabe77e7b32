"""The GAN on vectors as a trainer: its axes and defaults, and perceptrons as its players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from search_spaces import Categorical, Int, Space
from search_spaces.gans import VECTOR_GAN as SPACE
from trials.contract import Row
from trials.gans.adversarial import Build, Extent, JudgeNetwork, prefix_of
from trials.gans.autograd_network import Use
from trials.gans.leaks import leaky_spans
from trials.gans.normalisation import direction_parts, running_parts
from trials.gans.norming import form_of
from trials.gans.perceptrons import AutogradPerceptron, normed_chain
from trials.gans.settings import GAME_AXES, NORM_AXES, GameSettings, Shape
from trials.gans.trainer import GANTrainer
from trials.gans.training import PLAYERS, GameFamily
from trials.stacked.activations import ACTIVATIONS
from trials.stacked.cohort import Vectors
from trials.stacked.dropout import padding_masks
from trials.stacked.layout import LANES, Layout, whole_lanes, width_bucket
from trials.stacked.perceptron import Perceptron
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
            player: normed_chain(self._padded_widths(player), self.shape.norm(player))
            for player in PLAYERS
        }

    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""
        return normed_chain(self._true_widths(row, player), self.shape.norm(player))

    def padded_buffers(self) -> Mapping[str, Layout]:
        """Running figures of a generator, directions of a discriminator's weights."""
        return {
            player: self._remembered(player, self._padded_widths(player))
            for player in self.shape.remembering
        }

    def true_buffers(self, row: Row, player: str) -> Layout:
        """The same for the row's true widths."""
        return self._remembered(player, self._true_widths(row, player))

    def _remembered(self, player: str, widths: tuple[int, ...]) -> Layout:
        if player == "generator":
            return running_parts({f"{3 * i + 1}": width for i, width in enumerate(widths[1:-1])})
        return direction_parts({f"{2 * i}": width for i, width in enumerate(widths[1:])})

    def generators(
        self, rows: Sequence[Row], stack: Vectors
    ) -> Build[Perceptron | AutogradPerceptron]:
        """What makes the stacked generators of `rows`."""
        return self._perceptrons("generator", rows, stack)

    def discriminators(self, rows: Sequence[Row], stack: Vectors) -> Build[JudgeNetwork]:
        """What makes the stacked discriminators of `rows`."""
        return self._perceptrons("discriminator", rows, stack)

    def masks(self, settings: Sequence[Settings], like: Tensor) -> list[Tensor] | None:
        """One for real and zero for padded units, by layer; None where nothing moves zero."""
        names, units = [s.activation for s in settings], [s.units for s in settings]
        return padding_masks(names, units, self.shape.layers, self.shape.width, like)

    def _perceptrons(
        self, player: str, rows: Sequence[Row], stack: Vectors
    ) -> Build[Perceptron | AutogradPerceptron]:
        settings = [self.own(row) for row in rows]
        masks = self.masks(settings, stack[f"{player}.parameters"])
        if self.shape.needs_autograd(player):
            return self._by_autograd(player, rows, stack, None if masks is None else masks[0])

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> Perceptron:
            name = prefix_of(player, use)
            tensors = self.layouts[player], parameters, gradient
            spans = leaky_spans(settings)
            return Perceptron(*tensors, extent.n_rows, spans, masks, self.workspace, name)

        return build

    def _by_autograd(
        self, player: str, rows: Sequence[Row], stack: Vectors, masks: Tensor | None
    ) -> Build[AutogradPerceptron]:
        form = form_of(self, player, rows, stack, masks)

        def build(
            parameters: Tensor, gradient: Tensor, extent: Extent, use: str
        ) -> AutogradPerceptron:
            return AutogradPerceptron(form, parameters, gradient, Use.of(player, extent, use))

        return build
