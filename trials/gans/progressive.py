"""The progressive GAN as a trainer: players whose images grow from 8 to 32 pixels a side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from search_spaces import Categorical, Float, Int, Space
from search_spaces.gans import PROGRESSIVE_GAN as SPACE
from trials.contract import Row, RowState
from trials.gans.adversarial import Build, Extent
from trials.gans.autograd_network import Use
from trials.gans.enlarged import SIDES, EnlargedReal
from trials.gans.maps import Size
from trials.gans.normalisation import direction_parts
from trials.gans.norming import form_of
from trials.gans.progressive_players import (
    GrowingJudge,
    GrowingMaker,
    Growth,
    Phase,
    doubled,
    halved,
)
from trials.gans.settings import (
    GAME_AXES,
    NORM_AXES,
    STILL_ACTIVATIONS,
    GameSettings,
    Shape,
)
from trials.gans.trainer import GANTrainer
from trials.gans.training import PLAYERS, GameFamily, GameTraining
from trials.stacked.batches import Order, Piece
from trials.stacked.cohort import Vectors, alone
from trials.stacked.layout import LANES, Layout, width_bucket
from trials.stacked.optimizers import MOMENTS
from trials.stacked.per_row import per_row
from trials.stacked.settings import settings_of

_LAST = len(SIDES) - 1
_LEFT_OUT = ("generator_norm", "discriminator_norm", "input_scaling")


@dataclass(frozen=True)
class Settings(GameSettings):
    """The axes of a GAN that grows.

    Attributes:
        channels: Of all maps.
        phase_epochs: Epochs of each phase but the last, which goes on to the end.
        fade: Share of a phase's epochs in which its new layers count for less than fully.
    """

    latent: int = 16
    channels: int = 16
    phase_epochs: int = 4
    fade: float = 0.5

    def phase(self, epoch: int) -> int:
        """Index among `SIDES` in `epoch`, counted from 0."""
        return min(epoch // self.phase_epochs, _LAST)

    def begins_phase(self, epoch: int) -> bool:
        """Whether new layers come in with the epoch."""
        return epoch > 0 and self.phase(epoch) > self.phase(epoch - 1)

    def share(self, epoch: int) -> float:
        """What the newest layers count for in `epoch`: rises evenly by epochs to 1."""
        phase, n_fading = self.phase(epoch), self.fade * self.phase_epochs
        age = epoch - phase * self.phase_epochs + 0.5
        return 1.0 if phase == 0 or age >= n_fading else age / n_fading

    def moved(self, player: str, epoch: int) -> int:
        """In how many epochs the optimizer has moved the player since it began anew."""
        start = self.phase(epoch) * self.phase_epochs
        return epoch - start - self.frozen(player, epoch) + self.frozen(player, start)


DOMAIN = Space(
    **{n: a for n, a in (GAME_AXES | NORM_AXES).items() if n not in _LEFT_OUT},
    discriminator_norm=Categorical(("none", "spectral")),
    channels=Int(1, 1024),
    phase_epochs=Int(1, 2**20),
    fade=Float(0.0, 1.0),
    activation=STILL_ACTIVATIONS,
)
"""What may be asked for, far beyond what is worth trying."""


class ProgressiveGAN(GANTrainer):
    """GAN on images that learns small ones first and grows: 8, 16 and 32 pixels a side.

    Images of other sides are enlarged to 32 and samples brought back, so that figures compare
    with those of other trainers. A phase adds a transposed convolution to the generator and a
    convolution to the discriminator. While they fade in, an image is a mixture of what the new
    layer and the one before it make, and real images are as sharp as that. Optimizers begin anew
    with each phase, as in the paper's code. Weights are those of Linear `first`, ConvTranspose2d
    `grow` and Conv2d `paint` of the generator, Conv2d `read` and `shrink` and Linear `last` of the
    discriminator, numbered by phase; those of phases to come are as they were drawn.

    Learning rates, `phase_epochs` and `fade` are numbers per row: rows of one cohort may be in
    different phases. Batch and virtual batch normalisation are not offered: what they remember or
    refer to is of one side alone. `layers` has no meaning here.

    Source: Karras et al., ICLR (2018), with strided convolutions and few channels.
    """

    name: ClassVar[str] = "progressive_gan"
    default_epochs: ClassVar[int] = 12
    default_data: ClassVar[str] = "digits"
    space = SPACE
    domain = DOMAIN
    reads = EnlargedReal
    real: EnlargedReal

    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials of equal buckets, batch size, steps, packing and norm share a cohort."""
        settings = settings_of(Settings, params)
        return settings.shape(width_bucket(settings.channels), width_bucket(settings.latent, 4))

    def family(self, shape: Shape) -> GameFamily:
        """Players of that shape on the data."""
        return _Family(self.real, shape)

    def samples(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """What the generator makes of one fixed latent batch, (N, C, 32, 32), in data units."""
        with torch.inference_mode():
            return self._grown(state, params).images()[0].cpu()

    def _made(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """Samples of the row as if it were alone, shape (1, N, D)."""
        return self._grown(state, params).samples()

    def _grown(self, state: RowState, params: Mapping[str, Any]) -> _Phased:
        """The row in the phase of its last epoch."""
        row = Row(0, params, 0, 1)
        family = _Family(self.real, self.structure(params))
        epoch = max(0, int(state["epoch"]) - 1)
        return family.grown([row], alone(family, row, state), [epoch])


class _Family(GameFamily):
    """Players that grow.

    Args:
        enlarged: The images.
        shape: Of the players.
        phase: How far they have grown; None for fully.
    """

    kind = Settings
    width_axis: ClassVar[str] = "channels"

    def __init__(self, enlarged: EnlargedReal, shape: Shape, phase: Phase | None = None) -> None:
        self._enlarged, self.phase = enlarged, phase or Phase(_LAST)
        super().__init__(enlarged.phases[self.phase.number], shape)

    def own(self, row: Row) -> Settings:
        """The row's settings."""
        return settings_of(Settings, row.params)

    @property
    def mode(self) -> Callable[[], AbstractContextManager[Any]]:
        """Autograd finds the gradients."""
        return torch.no_grad

    def _growth(self, channels: int, latent: int, n_logits: int) -> Growth:
        n_colours = self._enlarged.n_channels
        return Growth(n_colours, n_colours * self.shape.packing, channels, latent, n_logits)

    @property
    def _padded(self) -> Growth:
        return self._growth(self.shape.width, self.shape.latent, LANES)

    def _true(self, row: Row) -> Growth:
        settings = self.own(row)
        return self._growth(settings.channels, settings.latent, 1)

    def padded_layouts(self) -> Mapping[str, Layout]:
        """Player -> how its tensors are stacked."""
        return {player: _layout(player, self._padded) for player in PLAYERS}

    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""
        return _layout(player, self._true(row))

    def padded_buffers(self) -> Mapping[str, Layout]:
        """Directions of a discriminator's weights."""
        return {p: direction_parts(self._padded.directions()) for p in self.shape.remembering}

    def true_buffers(self, row: Row, player: str) -> Layout:
        """The same for the row's true channels."""
        return direction_parts(self._true(row).directions())

    def generators(self, rows: Sequence[Row], stack: Vectors) -> Build[GrowingMaker]:
        """What makes the stacked generators of `rows`."""
        form = form_of(self, "generator", rows, stack, None)

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> GrowingMaker:
            kind = Use.of("generator", extent, use)
            return GrowingMaker(self._padded, self.phase, form, parameters, gradient, kind)

        return build

    def discriminators(self, rows: Sequence[Row], stack: Vectors) -> Build[GrowingJudge]:
        """What makes the stacked discriminators of `rows`."""
        form = form_of(self, "discriminator", rows, stack, None)

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> GrowingJudge:
            kind = Use.of("discriminator", extent, use)
            return GrowingJudge(self._padded, self.phase, form, parameters, gradient, kind)

        return build

    def training(self, rows: Sequence[Row], stack: Vectors) -> GameTraining:
        """Training of `rows`, in place on `stack`."""
        return _Growing(self, rows, stack)

    def grown(self, rows: Sequence[Row], stack: Vectors, epochs: Sequence[int]) -> _Phased:
        """Rows that are in one phase in their `epochs`, and all fade or none does."""
        settings = [self.own(row) for row in rows]
        (number,) = {s.phase(epoch) for s, epoch in zip(settings, epochs, strict=True)}
        shares = [s.share(epoch) for s, epoch in zip(settings, epochs, strict=True)]
        fades = None
        if min(shares) < 1.0:
            fades = per_row(shares, self.real.points)
        family = _Family(self._enlarged, self.shape, Phase(number, fades))
        family.workspace = self.workspace
        return _Phased(family, rows, stack)


def _layout(player: str, growth: Growth) -> Layout:
    parts = growth.generator() if player == "generator" else growth.discriminator()
    return Layout(tuple(parts))


class _Growing(GameTraining):
    """Rows that may be in different phases; each epoch is played by groups of one phase."""

    def __init__(self, family: _Family, rows: Sequence[Row], stack: Vectors) -> None:
        super().__init__(family, rows, stack)
        self._players, self._stack = family, stack

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """One pass of every discriminator over the training points; measures the samples."""
        groups: defaultdict[tuple[int, bool], list[int]] = defaultdict(list)
        for k, (row, epoch) in enumerate(zip(self.rows, epochs, strict=True)):
            settings = self._players.own(row)
            groups[settings.phase(epoch), settings.share(epoch) < 1.0].append(k)
        found: dict[int, dict[str, float]] = {}
        for places in groups.values():
            found |= zip(places, self._played(places, epochs), strict=True)
        return [found[k] for k in range(len(self.rows))]

    def _played(self, places: list[int], epochs: Sequence[int]) -> list[dict[str, float]]:
        """An epoch of the rows at `places`, which are in one phase."""
        rows, own_epochs = [self.rows[k] for k in places], [epochs[k] for k in places]
        index = torch.tensor(places, device=self._stack["generator.parameters"].device)
        own = {name: tensor.index_select(0, index) for name, tensor in self._stack.items()}
        for k, (row, epoch) in enumerate(zip(rows, own_epochs, strict=True)):
            if self._players.own(row).begins_phase(epoch):
                for player in PLAYERS:
                    for moment in MOMENTS:
                        own[f"{player}.{moment}"][k] = 0.0
        figures = self._players.grown(rows, own, own_epochs).epoch(own_epochs)
        for name, tensor in own.items():
            self._stack[name].index_copy_(0, index, tensor)
        return figures


class _Phased(GameTraining):
    """Rows of one phase; real images are as sharp as their newest layers count for."""

    def __init__(self, family: _Family, rows: Sequence[Row], stack: Vectors) -> None:
        super().__init__(family, rows, stack)
        self._phase = family.phase

    def images(self) -> Tensor:
        """What each row makes of its fixed latent batch, (K, N, C, 32, 32), in data units."""
        n, side = self._real.n_features, SIDES[self._phase.number]
        made = self._evaluated()[:, :, :n]
        planes = made.reshape(*made.shape[:2], n // side**2, side, side)
        times = SIDES[-1] // side
        larger = planes.repeat_interleave(times, 3).repeat_interleave(times, 4)
        return larger * self._real.scale + self._real.shift

    def _pairs(self, order: Order, piece: Piece) -> Tensor:
        """Real points of each step in the first half of (steps, K, 2 B, D)."""
        pairs = super()._pairs(order, piece)
        if self._phase.fades is not None:
            n, side = self._real.n_features, SIDES[self._phase.number]
            size = Size(n // side**2, side, side)
            half = Size(size.channels, side // 2, side // 2)
            real = pairs[:, :, : piece.n_batch, :n]
            planes = real.flatten(0, 1).reshape(-1, piece.n_batch * size.channels, side**2)
            blurred = doubled(halved(planes, size), half).view(real.shape)
            real.copy_((1.0 - self._phase.fades) * blurred + self._phase.fades * real)
        return pairs
