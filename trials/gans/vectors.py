"""The GAN on vectors as a trainer: its axes and defaults, and perceptrons as its players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from search_spaces import Categorical, Int, Space
from search_spaces.gans import VECTOR_GAN as SPACE
from trials.contract import Row
from trials.gans.adversarial import Build
from trials.gans.trainer import GANTrainer
from trials.gans.training import GAME_AXES, GameFamily, GameSettings, Shape
from trials.stacked.activations import ACTIVATIONS, spans
from trials.stacked.dropout import padding_masks
from trials.stacked.layout import LANES, Layout, chain, width_bucket
from trials.stacked.perceptron import Perceptron
from trials.stacked.settings import settings_of


@dataclass(frozen=True)
class Settings(GameSettings):
    """The axes of a GAN on vectors; `units` is the width of every hidden layer."""

    units: int = 64


DOMAIN = Space(
    **GAME_AXES,
    units=Int(1, 16384),
    layers=Int(1, 64),
    activation=Categorical(tuple(ACTIVATIONS)),
)
"""What may be asked for, far beyond what is worth trying."""


class VectorGAN(GANTrainer):
    """Generative adversarial network on vectors and points in the plane.

    Weights have the names of Sequential(Linear, activation, ..., Linear) for each player.
    """

    name: ClassVar[str] = "gan"
    default_data: ClassVar[str] = "ring"
    space = SPACE
    domain = DOMAIN

    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials of equal depth, buckets, batch size and discriminator steps share a cohort."""
        settings = settings_of(Settings, params)
        return Shape(
            settings.layers,
            width_bucket(settings.units),
            width_bucket(settings.latent, 4),
            settings.batch_size,
            settings.discriminator_steps,
        )

    def family(self, shape: Shape) -> GameFamily:
        """Perceptrons of that shape on the data."""
        return _Family(self.real, shape)


class _Family(GameFamily):
    """Perceptrons as players."""

    kind = Settings
    width_axis: ClassVar[str] = "units"

    def padded_layouts(self) -> Mapping[str, Layout]:
        """Player -> how its tensors are stacked."""
        shape, width = self.shape, self.real.width
        hidden = (shape.width,) * shape.layers
        return {
            "generator": chain(2, (shape.latent, *hidden, width)),
            "discriminator": chain(2, (width, *hidden, LANES)),
        }

    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""
        settings = settings_of(Settings, row.params)
        hidden = (settings.units,) * settings.layers
        if player == "generator":
            return chain(2, (settings.latent, *hidden, self.real.n_features))
        return chain(2, (self.real.n_features, *hidden, 1))

    def generators(self, rows: Sequence[Row], like: Tensor) -> Build[Perceptron]:
        """What makes the stacked generators of `rows`."""
        return self._perceptrons("generator", rows, like)

    def discriminators(self, rows: Sequence[Row], like: Tensor) -> Build[Perceptron]:
        """What makes the stacked discriminators of `rows`."""
        return self._perceptrons("discriminator", rows, like)

    def _perceptrons(self, player: str, rows: Sequence[Row], like: Tensor) -> Build[Perceptron]:
        settings = [settings_of(Settings, row.params) for row in rows]
        names = [s.activation for s in settings]
        masks = None
        if any(ACTIVATIONS[name].moves_zero for name in names):
            units = [s.units for s in settings]
            masks = padding_masks(units, self.shape.layers, self.shape.width, like)

        def build(parameters: Tensor, gradient: Tensor, n_batch: int, name: str) -> Perceptron:
            return Perceptron(
                self.layouts[player],
                parameters,
                gradient,
                n_batch,
                spans(names),
                masks,
                self.workspace,
                name,
            )

        return build
