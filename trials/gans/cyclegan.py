"""Image to image without pairs: two styles of digits, and translators there and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from search_spaces import Constant, Float, Int, Space
from search_spaces.gans import CYCLEGAN as SPACE
from trials.contract import Objective, Row
from trials.data import DataError, Dataset, Part
from trials.gans.adversarial import Build, Extent
from trials.gans.autograd_network import Use
from trials.gans.real import Real
from trials.gans.settings import GAME_AXES, STILL_ACTIVATIONS, GameSettings, Shape
from trials.gans.telling import Shown
from trials.gans.trainer import GANTrainer
from trials.gans.training import PLAYERS, GameFamily, GameTraining
from trials.gans.translation import VALIDATION_L1, distance
from trials.gans.twins import (
    JUDGES,
    TRANSLATORS,
    Translators,
    TwinForm,
    TwinJudges,
    twin_layout,
)
from trials.stacked.cohort import Vectors
from trials.stacked.layout import LANES, Layout, width_bucket
from trials.stacked.per_row import per_row
from trials.stacked.runs import runs
from trials.stacked.settings import settings_of


@dataclasses.dataclass(frozen=True)
class Settings(GameSettings):
    """The axes of translators without pairs.

    Attributes:
        units: Of every hidden layer.
        cycle: Weight of the mean absolute difference of an image that goes there and back.
    """

    latent: int = 0
    units: int = 64
    cycle: float = 10.0


DOMAIN = Space(
    **{name: axis for name, axis in GAME_AXES.items() if name != "latent"},
    latent=Constant(0),
    units=Int(1, 16384),
    layers=Int(1, 64),
    cycle=Float(0.0, 1e6),
    activation=STILL_ACTIVATIONS,
)
"""What may be asked for, far beyond what is worth trying."""


def bold(images: Tensor) -> Tensor:
    """The second style of `images`, (N, 1, height, width): strokes grow by a pixel each way."""
    return functional.max_pool2d(images, 3, 1, 1)


def _unpaired(part: Part) -> tuple[Part, Part]:
    """Points of an image of style a and another digit in style b; and those translated.

    Images at even places are shown in style a, those at odd places in style b.
    """
    images = torch.as_tensor(part.x)
    n, styled = len(images) // 2, bold(images)
    shown = torch.cat([images[0 : 2 * n : 2].flatten(1), styled[1 : 2 * n : 2].flatten(1)], 1)
    truth = torch.cat([images[1 : 2 * n : 2].flatten(1), styled[0 : 2 * n : 2].flatten(1)], 1)
    return Part(np.asarray(shown), None), Part(np.asarray(truth), None)


class UnpairedReal(Real):
    """Points of one image of each style.

    Attributes:
        asked: Validation points as the players see them, shape (V, 2 * pixels).
        truth: Translations of the validation points, in data units, shape (V, 2 * pixels).

    Raises:
        DataError: The points are no images of one channel, or not of whole lanes.
    """

    def __init__(self, data: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        shape = data.shape if data.kind == "images" else (0,)
        if shape[0] != 1 or int(np.prod(shape)) % LANES:
            raise DataError(
                f"data '{data.name}': must be images of one channel and a multiple of {LANES} "
                f"pixels for the trainer cyclegan, got points of shape {data.shape}; choose "
                "digits, a folder of IDX files or arrays (N, height, width)"
            )
        (train, _), (validation, truth), (test, _) = map(
            _unpaired, (data.train, data.validation, data.test)
        )
        unpaired = dataclasses.replace(
            data, kind="points", task="density", train=train, validation=validation, test=test
        )
        super().__init__(unpaired, device, dtype)
        points, self.truth = (
            torch.as_tensor(part.x).to(self.points) for part in (validation, truth)
        )
        self.asked = (points - self.shift) / self.scale


class CycleGAN(GANTrainer):
    """Translators between images as they are and bold ones of others, without pairs.

    A point is one image of each style, of two different digits. The generator is two perceptrons,
    each of which minimises its adversarial loss plus `cycle` times the mean absolute difference
    of images that go there and back; the discriminator is two, one for each style. Since the
    second style is computed of the first, the true translation of each validation image is known,
    and `validation_l1` says how far off the translations are, though nobody learns from it.

    A translator adds what Sequential(Linear, activation, ..., Linear) gives to the image itself,
    both standardised by the pixels of their style. Weights have the names of the Sequential under
    `generator.to_a`, `generator.to_b`, `discriminator.of_a` and `discriminator.of_b`. Activations
    that move zero, norms, packing and the gradient penalty are not offered: both networks of a
    player share one pass, which has no room for them.

    Source: Zhu et al., ICCV (2017), with perceptrons.
    """

    name: ClassVar[str] = "cyclegan"
    default_data: ClassVar[str] = "digits"
    space = SPACE
    domain = DOMAIN
    reads = UnpairedReal
    real: UnpairedReal

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """How far translations are from the true ones, and those of every GAN."""
        return (VALIDATION_L1, *super().objectives)

    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials of equal depth, bucket, batch size and discriminator steps share a cohort."""
        settings = settings_of(Settings, params)
        return settings.shape(width_bucket(settings.units), self.real.n_features)

    def family(self, shape: Shape) -> GameFamily:
        """Translators and their judges of that shape on the data."""
        return _Family(self.real, shape)


class _Family(GameFamily):
    """Translators and their judges."""

    kind = Settings
    width_axis: ClassVar[str] = "units"
    n_verdicts: ClassVar[int] = 2
    real: UnpairedReal

    @property
    def mode(self) -> Callable[[], AbstractContextManager[Any]]:
        """Autograd finds the gradients."""
        return torch.no_grad

    def _layout(self, player: str, width: int, n_logits: int) -> Layout:
        n_pixels, hidden = self.real.n_features // 2, (width,) * self.shape.layers
        if player == "generator":
            return twin_layout(TRANSLATORS, (n_pixels, *hidden, n_pixels))
        return twin_layout(JUDGES, (n_pixels, *hidden, n_logits))

    def padded_layouts(self) -> Mapping[str, Layout]:
        """Player -> how its tensors are stacked."""
        return {player: self._layout(player, self.shape.width, LANES) for player in PLAYERS}

    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""
        return self._layout(player, settings_of(Settings, row.params).units, 1)

    def telling(self, rows: Sequence[Row]) -> Shown:
        """The images that are translated."""
        return Shown(slice(self.real.n_features), self.real.asked, len(rows))

    def _form(self, player: str, rows: Sequence[Row]) -> TwinForm:
        settings = [self.settings(row) for row in rows]
        return TwinForm(
            self.layouts[player],
            self.shape.layers + 1,
            runs(s.activation for s in settings),
            per_row([s.leak for s in settings], self.real.points),
            self.real.n_features // 2,
        )

    def generators(self, rows: Sequence[Row], stack: Vectors) -> Build[Translators]:
        """What makes the stacked translators of `rows`."""
        form = self._form("generator", rows)
        weights = [settings_of(Settings, row.params).cycle for row in rows]
        cycle = per_row(weights, self.real.points)

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> Translators:
            kind = Use.of("generator", extent, use)
            return Translators(form, parameters, gradient, kind, cycle)

        return build

    def discriminators(self, rows: Sequence[Row], stack: Vectors) -> Build[TwinJudges]:
        """What makes the stacked discriminators of `rows`."""
        form = self._form("discriminator", rows)

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> TwinJudges:
            return TwinJudges(form, parameters, gradient, Use.of("discriminator", extent, use))

        return build

    def figures(self, training: GameTraining, made: Tensor) -> dict[str, Tensor]:
        """The mean absolute difference from the true translations, in data units."""
        return {VALIDATION_L1.name: distance(self.real, made, self.real.truth)}
