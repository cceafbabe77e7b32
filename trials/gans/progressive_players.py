"""Players of images that grow: the layers of each phase, K at once, by autograd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trials.gans.autograd_images import ImageNetwork
from trials.gans.autograd_network import Use
from trials.gans.enlarged import SIDES
from trials.gans.halving import WINDOW
from trials.gans.maps import Size, as_maps, as_points, convolved, grown
from trials.gans.perceptrons import Form
from trials.stacked.layout import Part

_TOP = 4
"""Side of the smallest maps."""

_PIECE = 32
"""Points that a generator is asked for at a time: maps of all at once are large."""


@dataclass(frozen=True)
class Growth:
    """The shape of both players.

    Attributes:
        n_colours: Channels of an image.
        n_seen: Channels of what the discriminator looks at: those of a pack of images.
        channels: Of all maps.
        latent: Z.
        n_logits: Outputs of the discriminator with padding.
    """

    n_colours: int
    n_seen: int
    channels: int
    latent: int
    n_logits: int

    def size(self, phase: int) -> Size:
        """Of maps of the phase's side; phase -1 has the smallest."""
        side = SIDES[phase] if phase >= 0 else _TOP
        return Size(self.channels, side, side)

    def generator(self) -> Iterator[Part]:
        """Linear `first`, for each side ConvTranspose2d `grow` and Conv2d `paint` to colours."""
        c, top, k = self.channels, (self.channels, _TOP, _TOP), WINDOW.kernel
        yield Part("first.weight", (*top, self.latent), order=(3, 0, 1, 2), joined=(3, 1))
        yield Part("first.bias", top, joined=(3,), start=0.0)
        for phase in range(len(SIDES)):
            yield Part(f"grow.{phase}.weight", (c, c, k, k))
            yield Part(f"grow.{phase}.bias", (c,), start=0.0)
            yield Part(f"paint.{phase}.weight", (self.n_colours, c, 1, 1))
            yield Part(f"paint.{phase}.bias", (self.n_colours,), start=0.0)

    def discriminator(self) -> Iterator[Part]:
        """For each side Conv2d `read` of colours and Conv2d `shrink`, and Linear `last`."""
        c, k = self.channels, WINDOW.kernel
        for phase in range(len(SIDES)):
            yield Part(f"read.{phase}.weight", (c, self.n_seen, 1, 1))
            yield Part(f"read.{phase}.bias", (c,), start=0.0)
            yield Part(f"shrink.{phase}.weight", (c, c, k, k))
            yield Part(f"shrink.{phase}.bias", (c,), start=0.0)
        shape = (self.n_logits, c, _TOP, _TOP)
        yield Part("last.weight", shape, order=(1, 2, 3, 0), joined=(1, 3))
        yield Part("last.bias", (self.n_logits,), start=0.0)

    def directions(self) -> dict[str, int]:
        """The discriminator's layers and their outputs."""
        names = [f"{kind}.{phase}" for phase in range(len(SIDES)) for kind in ("read", "shrink")]
        return dict.fromkeys(names, self.channels) | {"last": self.n_logits}


@dataclass(frozen=True)
class Phase:
    """How far players have grown.

    Attributes:
        number: Index of the side among `SIDES`.
        fades: What the newest layers count for, (K, 1, 1) in [0, 1), or None for fully.
    """

    number: int
    fades: Tensor | None = None


def doubled(maps: Tensor, size: Size) -> Tensor:
    """Maps (K, C, B * pixels) of twice the sides, every pixel four times."""
    planes = maps.reshape(len(maps), -1, size.height, size.width)
    larger = functional.interpolate(planes, scale_factor=2, mode="nearest")
    return larger.view(*maps.shape[:2], -1)


def halved(maps: Tensor, size: Size) -> Tensor:
    """Maps (K, C, B * pixels) of half the sides, every pixel the mean of four."""
    planes = maps.reshape(len(maps), -1, size.height, size.width)
    return functional.avg_pool2d(planes, 2).view(*maps.shape[:2], -1)


def _mixed(maps: Tensor, weight: Tensor) -> Tensor:
    """The channels of each pixel, (K, C, N), mixed by `weight`, (K, O, C); C or O is small.

    By sums, since a product with few columns rounds otherwise for a row that is alone.
    """
    if weight.shape[2] <= weight.shape[1]:
        parts = [weight[:, :, c : c + 1] * own for c, own in enumerate(torch.split(maps, 1, 1))]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]
    made = [(own.unsqueeze(2) * maps).sum(1) for own in weight.unbind(1)]
    return torch.stack(made, 1)


class _Growing(ImageNetwork):
    """What both players have in common.

    Args:
        growth: The padded shape.
        phase: How far they have grown.
        form: What they are; `layout` from `growth`.
        parameters: (K, P).
        gradient: (K, P).
        use: What they are for.
    """

    def __init__(
        self,
        growth: Growth,
        phase: Phase,
        form: Form,
        parameters: Tensor,
        gradient: Tensor,
        use: Use,
    ) -> None:
        super().__init__(form, parameters, gradient, use)
        self._growth, self._phase = growth, phase


class GrowingMaker(_Growing):
    """K generators of images of one phase's side."""

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """Images for `x`, shape (K, B, Z), in `out`; a few at a time where none learns of them."""
        if not self.use.is_asked:
            return super().forward(x, masks, out)
        for few, into in zip(torch.split(x, _PIECE, 1), torch.split(out, _PIECE, 1), strict=True):
            into.copy_(self.computed(few, remembers=False))
        return out

    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """Images for latent points `x`, shape (K, B, Z)."""
        growth, phase = self._growth, self._phase
        weight, bias = self.leaves["first.weight"].flatten(2), self.leaves["first.bias"]
        sums = torch.baddbmm(bias.flatten(1).unsqueeze(1), x, weight)
        maps = below = self.form.activate(as_maps(sums, growth.size(-1)))
        for i in range(phase.number + 1):
            below, weight = maps, self.leaves[f"grow.{i}.weight"]
            sums = grown(maps, weight, growth.size(i - 1)) + self.bias(f"grow.{i}")
            maps = self.form.activate(sums)
        images = self._painted(maps, phase.number)
        if phase.fades is not None:
            size = growth.size(phase.number - 1)
            before = doubled(self._painted(below, phase.number - 1), size)
            images = (1.0 - phase.fades) * before + phase.fades * images
        return as_points(images, growth.size(phase.number)._replace(channels=growth.n_colours))

    def _painted(self, maps: Tensor, i: int) -> Tensor:
        return _mixed(maps, self.leaves[f"paint.{i}.weight"].flatten(2)) + self.bias(f"paint.{i}")


class GrowingJudge(_Growing):
    """K discriminators of images of one phase's side."""

    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """Logits for images `x`, shape (K, B, pixels)."""
        growth, phase, norm = self._growth, self._phase, self.begun(remembers=remembers)

        def read(images: Tensor, i: int) -> Tensor:
            weight = self.weight(norm, f"read.{i}").flatten(2)
            return self.form.activate(_mixed(images, weight) + self.bias(f"read.{i}"))

        def shrunk(maps: Tensor, i: int) -> Tensor:
            weight = self.weight(norm, f"shrink.{i}")
            sums = convolved(maps, weight, growth.size(i)) + self.bias(f"shrink.{i}")
            return self.form.activate(sums)

        newest = phase.number
        size = growth.size(newest)._replace(channels=growth.n_seen)
        images = as_maps(x, size)
        maps = shrunk(read(images, newest), newest)
        if phase.fades is not None:
            before = read(halved(images, size), newest - 1)
            maps = (1.0 - phase.fades) * before + phase.fades * maps
        for i in reversed(range(newest)):
            maps = shrunk(maps, i)
        whole = norm.weight("last", self.leaves["last.weight"].flatten(1, 3))
        bias = self.leaves["last.bias"].unsqueeze(1)
        return torch.baddbmm(bias, as_points(maps, growth.size(-1)), whole)
