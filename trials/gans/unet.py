"""Generators that translate images: small U-nets, K at once, forward and backward by hand.

Each goes down two convolutions and up two transposed ones; the upper one sees the maps of the
first convolution beside those from below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from trials.gans.halving import WINDOW
from trials.gans.image_players import Dense, Maps
from trials.stacked.activations import Spans
from trials.stacked.convolution import GroupedConvolution, PatchConvolution, Patches, PatchMaking
from trials.stacked.layout import Layout, Part
from trials.stacked.workspace import Workspace


@dataclass(frozen=True)
class UnetPlan:
    """The shape of a U-net.

    Attributes:
        height: Of the image, a multiple of 4.
        width: Of the image, a multiple of 4.
        channels: Of the upper maps; the lower ones have twice as many.
        latent: Z, noise that joins the lowest maps.
        n_inputs: Inputs with padding: the latent ones, then the image that is translated.
    """

    height: int
    width: int
    channels: int
    latent: int
    n_inputs: int

    @property
    def upper(self) -> tuple[int, int, int]:
        """Channels, height and width after the first convolution."""
        return self.channels, self.height // 2, self.width // 2

    @property
    def lower(self) -> tuple[int, int, int]:
        """Channels, height and width after the second convolution."""
        return 2 * self.channels, self.height // 4, self.width // 4

    def parts(self) -> Iterator[Part]:
        """Convolutions 0 and 2, transposed ones 4 and 6, and the linear layer 8 of the noise."""
        c, k = self.channels, WINDOW.kernel
        # the last one's inputs are the upper maps and the first one's, each padded by itself
        shapes = ((c, 1, k, k), (2 * c, c, k, k), (2 * c, c, k, k), (2, c, 1, k, k))
        for place, (shape, n_out) in enumerate(zip(shapes, (c, 2 * c, c, 1), strict=True)):
            joined = (2, 1, 1, 1) if len(shape) == 5 else ()
            yield Part(f"{2 * place}.weight", shape, joined=joined)
            yield Part(f"{2 * place}.bias", (n_out,), start=0.0)
        top = self.lower
        yield Part("8.weight", (*top, self.latent), order=(3, 0, 1, 2), joined=(3, 1))
        yield Part("8.bias", top, joined=(3,), start=0.0)


class Unet:
    """K U-nets over batches of one size; an `adversarial.PlayerNetwork`.

    Args:
        plan: The padded shape.
        latents: Latent features of each row; where its image begins among the inputs.
        layout: Of `plan.parts`.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        n_batch: B.
        spans: Contiguous rows of one activation; none of them moves zero.
        workspace: Where buffers come from.
        name: Prefix of the buffers; networks that share it must not be in use together.
    """

    def __init__(
        self,
        plan: UnetPlan,
        latents: list[int],
        layout: Layout,
        parameters: Tensor,
        gradient: Tensor,
        n_batch: int,
        spans: Spans,
        workspace: Workspace,
        name: str,
    ) -> None:
        n_rows, c = len(parameters), plan.channels
        self._plan, self._latents, self._take = plan, latents, workspace.take
        self._name = name
        self._maps = Maps(layout, parameters, gradient, spans, 0)
        patches = Patches(1, (plan.height, plan.width), WINDOW)
        self._first = PatchConvolution(n_rows, c, n_batch, patches, workspace, f"{name}.first")
        self._down = GroupedConvolution(n_rows, c, 2 * c, WINDOW, workspace, f"{name}.down")
        self._noise = Dense(
            layout, "8", parameters, self._maps.into, n_batch, workspace, f"{name}.noise"
        )
        self._up = GroupedConvolution(
            n_rows, 2 * c, c, WINDOW, workspace, f"{name}.up", is_transposed=True
        )
        self._last = PatchMaking(n_rows, 2 * c, n_batch, patches, workspace, f"{name}.last")
        self._outputs: list[Tensor] = []

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """Images for inputs `x`, shape (K, B, inputs), in `out`, shape (K, B, columns).

        Columns of `out` after the image's are not written.
        """
        plan, maps = self._plan, self._maps
        n_rows, n_batch = x.shape[:2]
        latent, image = self._split(x)
        upper = self._first.forward(image, *maps.parameters(0, patches=True))
        upper = maps.activate(upper, plan.channels)
        lower = self._down.forward(upper, *maps.parameters(1, patches=False))
        joining = self._take(f"{self._name}.joining", n_rows, n_batch, lower[0].numel() // n_rows)
        self._noise.forward(latent, joining)
        lower = lower + joining.view(n_rows, n_batch, *plan.lower).transpose(0, 1).reshape_as(lower)
        lower = maps.activate(lower, 2 * plan.channels)
        grown = self._up.forward(lower, *maps.parameters(2, patches=False))
        grown = maps.activate(grown, plan.channels)
        self._outputs = [upper, lower, grown]
        sides = [side.view(n_batch, n_rows, *plan.upper) for side in (grown, upper)]
        weight, bias = maps.parameters(3, patches=False)
        weight = weight.reshape(n_rows, 2 * plan.channels, -1)
        images = self._last.forward(torch.cat(sides, 2).flatten(1, 2), weight, bias)
        n_pixels = plan.height * plan.width
        out[:, :, :n_pixels] = images.transpose(0, 1).flatten(2)
        return out

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latent inputs (K, B, Z), zero beyond a row's own, and images (B, K, 1, height, width)."""
        plan, (n_rows, n_batch) = self._plan, x.shape[:2]
        n_pixels = plan.height * plan.width
        latent = self._take(f"{self._name}.latent", n_rows, n_batch, plan.latent).zero_()
        image = self._take(f"{self._name}.image", n_batch, n_rows, n_pixels)
        for k, n in enumerate(self._latents):
            latent[k, :, :n] = x[k, :, :n]
            image[:, k] = x[k, :, n : n + n_pixels]
        return latent, image.view(n_batch, n_rows, 1, plan.height, plan.width)

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for what the last `forward` computed, from that at its outputs."""
        plan, maps = self._plan, self._maps
        upper, lower, grown = self._outputs
        n_rows, n_batch = slope.shape[:2]
        n_pixels = plan.height * plan.width
        images = slope[:, :, :n_pixels].reshape(n_rows, n_batch, 1, plan.height, plan.width)
        maps.put(3, *self._last.backward(images.transpose(0, 1).contiguous()))
        sides = self._last.through().view(n_batch, n_rows, 2, *plan.upper)
        below, across = (side.flatten(1, 2).contiguous() for side in sides.unbind(2))
        below = maps.passed(below, grown, plan.channels)
        maps.put(2, *self._up.backward(below))
        below = maps.passed(self._up.through(below), lower, 2 * plan.channels)
        joined = below.view(n_batch, n_rows, -1).transpose(0, 1).contiguous()
        self._noise.backward(joined)
        maps.put(1, *self._down.backward(below))
        below = maps.passed(self._down.through(below) + across, upper, plan.channels)
        maps.put(0, *self._first.backward(below))
