"""Image to image with pairs: edges become images, by a U-net between a judge and the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from search_spaces import Float, Int, Space
from search_spaces.gans import PIX2PIX as SPACE
from trials.contract import Objective, Row
from trials.data import DataError, Dataset
from trials.gans.adversarial import Build, Extent, prefix_of
from trials.gans.autograd_images import NormedJudge, image_discriminators, remembered
from trials.gans.image_players import ImageDiscriminator, Plan, whole_channels
from trials.gans.leaks import leaky_spans
from trials.gans.real import Real
from trials.gans.settings import GAME_AXES, NORM_AXES, STILL_ACTIVATIONS, GameSettings, Shape
from trials.gans.telling import Shown
from trials.gans.trainer import GANTrainer
from trials.gans.training import GameFamily, GameTraining
from trials.gans.translation import VALIDATION_L1, distance
from trials.gans.unet import Unet, UnetPlan
from trials.stacked.batches import table
from trials.stacked.cohort import Vectors
from trials.stacked.layout import LANES, Layout, whole_lanes, width_bucket
from trials.stacked.per_row import per_row
from trials.stacked.settings import settings_of

_MULTIPLE = 4
_LEFT_OUT = ("instance_noise", "instance_noise_end", "latent", "generator_norm", "packing")


@dataclass(frozen=True)
class Settings(GameSettings):
    """The axes of a translation of images.

    Attributes:
        channels: Of the upper maps of both players; the lower ones have twice as many.
        closeness: Weight of the mean absolute difference from the true image.
    """

    learning_rate: float = 5e-4
    latent: int = 4
    channels: int = 16
    closeness: float = 10.0


DOMAIN = Space(
    **{name: axis for name, axis in (GAME_AXES | NORM_AXES).items() if name not in _LEFT_OUT},
    latent=Int(1, 1024),
    channels=Int(1, 1024),
    closeness=Float(0.0, 1e6),
    activation=STILL_ACTIVATIONS,
)
"""What may be asked for. Instance noise would reach the images that outputs are compared with."""


def edges(images: Tensor) -> Tensor:
    """1 where the light changes by half its range within a pixel's neighbourhood, else -1.

    Args:
        images: Shape (N, 1, height, width).
    """
    highest = functional.max_pool2d(images, 3, 1, 1)
    lowest = -functional.max_pool2d(-images, 3, 1, 1)
    range_ = images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True)
    return torch.where(highest - lowest > 0.5 * range_, 1.0, -1.0).to(images.dtype)


class PairReal(Real):
    """Images, each followed by its edges.

    Attributes:
        asked: Edges of validation images, shape (V, pixels).
        answers: Those images in data units, shape (V, pixels).
    """

    def __init__(self, data: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        shape = data.shape if data.kind == "images" else (0,)
        if shape[0] != 1 or any(side % _MULTIPLE for side in shape[1:]):
            raise DataError(
                f"data '{data.name}': must be images of one channel whose sides are multiples of "
                f"{_MULTIPLE} for the trainer pix2pix, got points of shape {data.shape}; choose "
                "digits, a folder of IDX files or arrays (N, height, width)"
            )
        super().__init__(data, device, dtype)
        own = self.points[: self.n_points, : self.n_features]
        told = edges(torch.as_tensor(data.train.x)).flatten(1).to(own)
        self.n_conditions = self.n_features
        self.width = whole_lanes(2 * self.n_features)
        self.points = table(torch.cat([own, told], 1), self.width)
        images = torch.as_tensor(data.validation.x)
        self.asked = edges(images).flatten(1).to(own)
        self.answers = images.flatten(1).to(own)


class Pix2Pix(GANTrainer):
    """Images of their edges: a U-net that a discriminator of pairs and the true image teach.

    The generator minimises its adversarial loss plus `closeness` times the mean absolute
    difference from the true image, standardised. Noise is a vector that joins the lowest maps.
    Weights are those of Conv2d 0 and 2, ConvTranspose2d 4 and 6 and Linear 8 of the generator,
    and of `dcgan`'s discriminator of two channels. All axes but the batch size, channels' bucket,
    steps, the discriminator's norm and whether there is a gradient penalty are numbers per row.
    The generator has no norms, since its passes are written by hand, and packing is not offered:
    edges ask for one image, not for many different ones.

    Source: Isola et al., CVPR (2017), with a smaller network.
    """

    name: ClassVar[str] = "pix2pix"
    default_epochs: ClassVar[int] = 20
    default_data: ClassVar[str] = "digits"
    space = SPACE
    domain = DOMAIN
    reads = PairReal
    real: PairReal

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """How far images of validation edges are from the true ones, and those of every GAN."""
        return (VALIDATION_L1, *super().objectives)

    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials of equal buckets, batch size and discriminator steps share a cohort."""
        settings = settings_of(Settings, params)
        channels = whole_channels(_judge_plan(self.real, settings.channels))
        return settings.shape(channels, width_bucket(settings.latent + self.real.n_conditions))

    def family(self, shape: Shape) -> GameFamily:
        """U-nets and their discriminators of that shape on the data."""
        return _Family(self.real, shape)


def _judge_plan(real: Real, channels: int, n_logits: int = 1) -> Plan:
    """The discriminator's shape: image and edges are its two channels."""
    _, height, width = real.data.shape
    return Plan((2, height, width), 2, channels, 1, n_logits)


class _Family(GameFamily):
    """U-nets and convolutional discriminators."""

    kind = Settings
    width_axis: ClassVar[str] = "channels"
    real: PairReal

    def _plan(self, channels: int, latent: int) -> UnetPlan:
        _, height, width = self.real.data.shape
        return UnetPlan(height, width, channels, latent, self.shape.latent)

    @property
    def _padded(self) -> UnetPlan:
        n_latent = self.shape.latent - self.real.n_conditions // LANES * LANES
        return self._plan(self.shape.width, n_latent)

    def padded_layouts(self) -> Mapping[str, Layout]:
        """Player -> how its tensors are stacked."""
        judge = _judge_plan(self.real, self.shape.width, LANES)
        return {
            "generator": Layout(tuple(self._padded.parts())),
            "discriminator": self._judge_layout(judge),
        }

    def _judge_layout(self, plan: Plan) -> Layout:
        return Layout(tuple(plan.discriminator(self.shape.is_normed("discriminator"))))

    def padded_buffers(self) -> Mapping[str, Layout]:
        """Directions of a discriminator's weights."""
        plan = _judge_plan(self.real, self.shape.width, LANES)
        return {player: remembered(player, plan) for player in self.shape.remembering}

    def true_buffers(self, row: Row, player: str) -> Layout:
        """The same for the row's true channels."""
        settings = settings_of(Settings, row.params)
        return remembered(player, _judge_plan(self.real, settings.channels))

    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""
        settings = settings_of(Settings, row.params)
        if player == "generator":
            return Layout(tuple(self._plan(settings.channels, settings.latent).parts()))
        return self._judge_layout(_judge_plan(self.real, settings.channels))

    def telling(self, rows: Sequence[Row]) -> Shown:
        """The edges of real images, told for generated ones."""
        n = self.real.n_features
        return Shown(slice(n, 2 * n), self.real.asked, len(rows))

    def closeness(self, rows: Sequence[Row]) -> Tensor | None:
        """Weight of the distance from the true images over their pixels, (K, 1, 1)."""
        n_pixels = self.real.n_features
        weights = [settings_of(Settings, row.params).closeness / n_pixels for row in rows]
        return per_row(weights, self.real.points)

    def generators(self, rows: Sequence[Row], stack: Vectors) -> Build[Unet]:
        """What makes the stacked generators of `rows`."""
        settings = [self.settings(row) for row in rows]
        activations, latents = leaky_spans(settings), [s.latent for s in settings]

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> Unet:
            tensors = self.layouts["generator"], parameters, gradient
            name = prefix_of("generator", use)
            plan, n_batch = self._padded, extent.n_rows
            return Unet(plan, latents, *tensors, n_batch, activations, self.workspace, name)

        return build

    def discriminators(
        self, rows: Sequence[Row], stack: Vectors
    ) -> Build[ImageDiscriminator] | Build[NormedJudge]:
        """What makes the stacked discriminators of `rows`."""
        plan = _judge_plan(self.real, self.shape.width, LANES)
        return image_discriminators(self, plan, rows, stack)

    def figures(self, training: GameTraining, made: Tensor) -> dict[str, Tensor]:
        """The mean absolute difference from the true validation images, in data units."""
        return {VALIDATION_L1.name: distance(self.real, made, self.real.answers)}
