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
from trials.gans.adversarial import EVALUATION, LEARNING, Build, Extent
from trials.gans.real import Real
from trials.gans.settings import GAME_AXES, STILL_ACTIVATIONS, GameSettings, Shape
from trials.gans.telling import Telling
from trials.gans.trainer import GANTrainer
from trials.gans.training import GameFamily, GameTraining
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
    **{name: axis for name, axis in GAME_AXES.items() if name not in ("latent",)},
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

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        shape = data.shape if data.kind == "images" else (0,)
        if shape[0] != 1 or int(np.prod(shape)) % LANES:
            raise DataError(
                f"data '{data.name}': must be images of one channel and a multiple of {LANES} "
                f"pixels for the trainer cyclegan, got points of shape {data.shape}; choose "
                "digits, a folder of IDX files or arrays (N, height, width)"
            )
        names = ("train", "validation", "test")
        shown = {name: _unpaired(getattr(data, name)) for name in names}
        unpaired = dataclasses.replace(
            data,
            kind="points",
            task="density",
            train=shown["train"][0],
            validation=shown["validation"][0],
            test=shown["test"][0],
        )
        self.real = Real(unpaired, torch.device(device), dtype)
        self._truth = torch.as_tensor(shown["validation"][1].x).to(self.real.points)

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
        return _Family(self.real, shape, self._truth)


class Images(Telling):
    """The images that are translated: those of the step's real points.

    Args:
        real: The points.
        n_rows: K.
    """

    def __init__(self, real: Real, n_rows: int) -> None:
        self._real, self._n_rows = real, n_rows
        points = torch.as_tensor(real.data.validation.x).to(real.points)
        self._asked = (points - real.shift) / real.scale

    def begin(self, epochs: Sequence[int]) -> None:
        """Nothing is drawn."""

    def n_told(self, k: int) -> int:
        """How many inputs row k has."""
        return self._real.n_features

    def told(self, player: str, n_steps: int, points: Tensor) -> Tensor:
        """The images of the step's real points, shape (steps, K, B, 2 * pixels)."""
        return points[..., : self._real.n_features]

    def evaluated(self, n_samples: int) -> Tensor:
        """Validation images in turn, shape (K, n_samples, 2 * pixels)."""
        turns = torch.arange(n_samples, device=self._asked.device) % len(self._asked)
        return self._asked[turns].expand(self._n_rows, -1, -1)


class _Family(GameFamily):
    """Translators and their judges.

    Args:
        real: Points of one image of each style.
        shape: Their structure.
        truth: Translations of the validation points, in data units.
    """

    kind = Settings
    width_axis: ClassVar[str] = "units"
    n_verdicts: ClassVar[int] = 2

    def __init__(self, real: Real, shape: Shape, truth: Tensor) -> None:
        self._truth = truth
        super().__init__(real, shape)

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
        players = ("generator", "discriminator")
        return {player: self._layout(player, self.shape.width, LANES) for player in players}

    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""
        return self._layout(player, settings_of(Settings, row.params).units, 1)

    def telling(self, rows: Sequence[Row]) -> Images:
        """The images."""
        return Images(self.real, len(rows))

    def _form(self, player: str, rows: Sequence[Row]) -> TwinForm:
        settings = [self.settings(row) for row in rows]
        leak = torch.tensor([s.leak for s in settings], dtype=torch.float64).view(-1, 1, 1)
        return TwinForm(
            self.layouts[player],
            self.shape.layers + 1,
            runs(s.activation for s in settings),
            leak.to(self.real.points),
            self.real.n_features // 2,
        )

    def generators(self, rows: Sequence[Row], stack: Vectors) -> Build[Translators]:
        """What makes the stacked translators of `rows`."""
        form = self._form("generator", rows)
        weights = [settings_of(Settings, row.params).cycle for row in rows]
        cycle = torch.tensor(weights, dtype=torch.float64).view(-1, 1, 1).to(self.real.points)

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> Translators:
            is_asked = use == EVALUATION
            return Translators(form, parameters, gradient, extent, cycle, is_asked=is_asked)

        return build

    def discriminators(self, rows: Sequence[Row], stack: Vectors) -> Build[TwinJudges]:
        """What makes the stacked discriminators of `rows`."""
        form = self._form("discriminator", rows)

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> TwinJudges:
            learns, is_asked = use == LEARNING, use == EVALUATION
            return TwinJudges(form, parameters, gradient, extent, learns=learns, is_asked=is_asked)

        return build

    def figures(self, training: GameTraining, made: Tensor) -> dict[str, Tensor]:
        """The mean absolute difference from the true translations, in data units."""
        return {VALIDATION_L1.name: distance(self.real, made, self._truth)}
