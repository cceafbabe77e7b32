"""The convolutional GAN on images as a trainer: its axes, defaults and players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from search_spaces import Int, Space
from search_spaces.images import DCGAN as SPACE
from trials.contract import Row
from trials.data import DataError, Dataset
from trials.gans.adversarial import Build, Extent, prefix_of
from trials.gans.autograd_images import (
    NormedJudge,
    NormedMaker,
    image_discriminators,
    normed_makers,
    remembered,
)
from trials.gans.image_players import (
    ImageDiscriminator,
    ImageGenerator,
    Plan,
    whole_channels,
)
from trials.gans.leaks import leaky_spans
from trials.gans.real import Real
from trials.gans.settings import GAME_AXES, NORM_AXES, STILL_ACTIVATIONS, GameSettings, Shape
from trials.gans.trainer import GANTrainer
from trials.gans.training import PLAYERS, GameFamily
from trials.stacked.cohort import Vectors
from trials.stacked.layout import LANES, Layout, width_bucket
from trials.stacked.settings import settings_of

_MOST_LAYERS = 2


@dataclass(frozen=True)
class Settings(GameSettings):
    """The axes of a GAN on images; `channels` are next to the image, and double inwards."""

    learning_rate: float = 2e-4
    latent: int = 32
    channels: int = 16


DOMAIN = Space(
    **GAME_AXES,
    **NORM_AXES,
    layers=Int(1, _MOST_LAYERS),
    channels=Int(1, 1024),
    activation=STILL_ACTIVATIONS,
)
"""What may be asked for, far beyond what is worth trying."""


class HalvedReal(Real):
    """Images whose sides can be halved by every layer.

    Raises:
        DataError: They cannot, or the points are no images.
    """

    def __init__(self, data: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        multiple = 2**_MOST_LAYERS
        if data.kind != "images" or any(side % multiple for side in data.shape[1:]):
            raise DataError(
                f"data '{data.name}': must be images whose sides are multiples of {multiple} for "
                f"the trainer dcgan, got points of shape {data.shape}; choose digits, a folder "
                "of IDX files or arrays (N, height, width), or trainer gan"
            )
        super().__init__(data, device, dtype)


class DCGAN(GANTrainer):
    """Generative adversarial network of convolutions, for images.

    Weights have the names of Sequential(Linear, Unflatten, activation, ConvTranspose2d, ...) for
    the generator and Sequential(Conv2d, activation, ..., Flatten, Linear) for the discriminator,
    with BatchNorm2d before an activation where a player is normalised by batches: everywhere but
    behind the discriminator's first layer. Images of a pack are channels of one image. Norms and
    the gradient penalty are found by autograd; without them, both passes are written by hand.

    Source: Radford et al., ICLR (2016).
    """

    name: ClassVar[str] = "dcgan"
    default_epochs: ClassVar[int] = 30
    default_data: ClassVar[str] = "digits"
    space = SPACE
    domain = DOMAIN
    reads = HalvedReal

    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials of equal depth, buckets, batch size and discriminator steps share a cohort.

        Maps of a row are whole vectors, as `trials.networks.cnn.CNN.padded` explains.
        """
        settings = settings_of(Settings, params)
        channels = whole_channels(_plan(self.real, settings.layers, settings.channels, 1, 1))
        return settings.shape(channels, width_bucket(settings.latent, 4))

    def family(self, shape: Shape) -> GameFamily:
        """Convolutional players of that shape on the data."""
        return _Family(self.real, shape)


def _plan(real: Real, n_layers: int, channels: int, latent: int, n_logits: int) -> Plan:
    n_channels, height, width = real.data.shape
    return Plan((n_channels, height, width), n_layers, channels, latent, n_logits)


class _Family(GameFamily):
    """Convolutional players."""

    kind = Settings
    width_axis: ClassVar[str] = "channels"

    @property
    def _padded(self) -> Plan:
        return _plan(self.real, self.shape.layers, self.shape.width, self.shape.latent, LANES)

    def _true(self, row: Row) -> Plan:
        settings = settings_of(Settings, row.params)
        return _plan(self.real, settings.layers, settings.channels, settings.latent, 1)

    def _seen(self, plan: Plan) -> Plan:
        """The same for a discriminator: the images of a pack are channels of one."""
        n_channels, height, width = plan.image
        return replace(plan, image=(n_channels * self.shape.packing, height, width))

    def _layout(self, player: str, plan: Plan) -> Layout:
        is_normed = self.shape.is_normed(player)
        if player == "generator":
            return Layout(tuple(plan.generator(is_normed)))
        return Layout(tuple(self._seen(plan).discriminator(is_normed)))

    def padded_layouts(self) -> Mapping[str, Layout]:
        """Player -> how its tensors are stacked."""
        return {player: self._layout(player, self._padded) for player in PLAYERS}

    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""
        return self._layout(player, self._true(row))

    def padded_buffers(self) -> Mapping[str, Layout]:
        """Running figures of a generator, directions of a discriminator's weights."""
        return {player: remembered(player, self._padded) for player in self.shape.remembering}

    def true_buffers(self, row: Row, player: str) -> Layout:
        """The same for the row's true channels."""
        return remembered(player, self._true(row))

    def generators(
        self, rows: Sequence[Row], stack: Vectors
    ) -> Build[ImageGenerator] | Build[NormedMaker]:
        """What makes the stacked generators of `rows`."""
        if self.shape.needs_autograd("generator"):
            return normed_makers(self, self._padded, rows, stack)
        activations = leaky_spans([self.settings(row) for row in rows])

        def build(
            parameters: Tensor,
            gradient: Tensor,
            extent: Extent,
            use: str,
        ) -> ImageGenerator:
            tensors = self.layouts["generator"], parameters, gradient
            name = prefix_of("generator", use)
            return ImageGenerator(
                self._padded, *tensors, extent.n_rows, activations, self.workspace, name
            )

        return build

    def discriminators(
        self, rows: Sequence[Row], stack: Vectors
    ) -> Build[ImageDiscriminator] | Build[NormedJudge]:
        """What makes the stacked discriminators of `rows`."""
        return image_discriminators(self, self._seen(self._padded), rows, stack)
