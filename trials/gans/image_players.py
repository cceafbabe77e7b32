"""Generators and discriminators of images, K at once, forward and backward, without autograd.

The discriminator halves an image with each convolution; the generator doubles it with each
transposed one. Both are without normalisation over the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trials.gans.adversarial import Build, Extent, prefix_of
from trials.gans.halving import WINDOW
from trials.stacked.activations import Spans
from trials.stacked.convolution import (
    VECTOR,
    GroupedConvolution,
    PatchConvolution,
    Patches,
    PatchMaking,
)
from trials.stacked.layout import Layout, Part, width_bucket
from trials.stacked.network import Gradients
from trials.stacked.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """The shape of both players.

    Attributes:
        image: Channels, height and width; the sides are multiples of 2**n_layers.
        n_layers: Convolutions of the discriminator, transposed ones of the generator.
        channels: Next to the image; twice as many with each further layer.
        latent: Z.
        n_logits: Outputs of the discriminator with padding.
    """

    image: tuple[int, int, int]
    n_layers: int
    channels: int
    latent: int
    n_logits: int

    @property
    def stages(self) -> list[tuple[int, int, int]]:
        """Channels, height and width from the image to the smallest maps."""
        _, height, width = self.image
        inner = [
            (self.channels * 2**i, height >> (i + 1), width >> (i + 1))
            for i in range(self.n_layers)
        ]
        return [self.image, *inner]

    def judging(self, is_normed: bool = False) -> list[tuple[str, str]]:
        """Names of the discriminator's layers, and of their norms: '' for none.

        The first convolution has none, nor has the linear layer, which comes last.
        """
        names, place = [], 0
        for i in range(self.n_layers):
            norm = str(place + 1) if is_normed and i else ""
            names.append((str(place), norm))
            place += 3 if norm else 2
        return [*names, (str(place + 1), "")]

    def making(self, is_normed: bool = False) -> list[tuple[str, str]]:
        """Names of the generator's layers, and of their norms; the last has none."""
        names = [("0", "2" if is_normed else "")]
        place = 4 if is_normed else 3
        for i in range(self.n_layers):
            norm = str(place + 1) if is_normed and i < self.n_layers - 1 else ""
            names.append((str(place), norm))
            place += 3 if norm else 2
        return names

    def discriminator(self, is_normed: bool = False) -> Iterator[Part]:
        """Parts of Sequential(Conv2d, [BatchNorm2d], activation, ..., Flatten, Linear)."""
        *convolutions, (last, _) = self.judging(is_normed)
        for i, (name, norm) in enumerate(convolutions):
            n_in, n_out = self.stages[i][0], self.stages[i + 1][0]
            yield Part(f"{name}.weight", (n_out, n_in, WINDOW.kernel, WINDOW.kernel))
            yield Part(f"{name}.bias", (n_out,), start=0.0)
            yield from _norm(norm, n_out)
        shape = (self.n_logits, *self.stages[-1])
        yield Part(f"{last}.weight", shape, order=(1, 2, 3, 0), joined=(1, 3))
        yield Part(f"{last}.bias", (self.n_logits,), start=0.0)

    def generator(self, is_normed: bool = False) -> Iterator[Part]:
        """Parts of Sequential(Linear, Unflatten, [norm], activation, ConvTranspose2d, ...)."""
        top = self.stages[-1]
        (first, norm), *convolutions = self.making(is_normed)
        yield Part(f"{first}.weight", (*top, self.latent), order=(3, 0, 1, 2), joined=(3, 1))
        yield Part(f"{first}.bias", top, joined=(3,), start=0.0)
        yield from _norm(norm, top[0])
        for i, (name, norm) in enumerate(convolutions):
            n_in, n_out = self.stages[-1 - i][0], self.stages[-2 - i][0]
            yield Part(f"{name}.weight", (n_in, n_out, WINDOW.kernel, WINDOW.kernel))
            yield Part(f"{name}.bias", (n_out,), start=0.0)
            yield from _norm(norm, n_out)


def _norm(name: str, n_channels: int) -> Iterator[Part]:
    """Scale and shift of the norm of that name, if there is one."""
    if name:
        yield Part(f"{name}.weight", (n_channels,), start=1.0)
        yield Part(f"{name}.bias", (n_channels,), start=0.0)


class Dense:
    """K linear layers for batches of one size.

    Args:
        layout: The padded shape.
        name: Of the module.
        parameters: (K, P).
        into: Slots of the gradient.
        n_batch: B.
        workspace: Where buffers come from.
        prefix: Of the buffers.
    """

    def __init__(
        self,
        layout: Layout,
        name: str,
        parameters: Tensor,
        into: Gradients,
        n_batch: int,
        workspace: Workspace,
        prefix: str,
    ) -> None:
        values = layout.views(parameters)
        weight, bias = values[f"{name}.weight"], values[f"{name}.bias"].flatten(1)
        n_rows, n_out = len(parameters), bias.shape[1]
        self._weight = weight.reshape(n_rows, -1, n_out)
        self._bias = bias.unsqueeze(1)
        self._name, self._into, self._slot = name, into, into.slots[f"{name}.weight"]
        self._below = workspace.take(f"{prefix}.below", n_rows, n_batch, self._weight.shape[1])
        self._product = workspace.take(f"{prefix}.product", *self._weight.shape)
        self._x = torch.empty(0)

    def forward(self, x: Tensor, out: Tensor) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs), in `out`."""
        self._x = x
        return torch.baddbmm(self._bias, x, self._weight, out=out)

    def backward(self, slope: Tensor) -> None:
        """Fills the gradients of weight and bias."""
        torch.bmm(self._x.transpose(1, 2), slope, out=self._product)
        self._slot.copy_(self._product.view_as(self._slot))
        bias = self._into.slots[f"{self._name}.bias"]
        bias.copy_(slope.sum(1).view_as(bias))

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the inputs, shape (K, B, inputs)."""
        return torch.bmm(slope, self._weight.transpose(1, 2), out=self._below)


class Maps:
    """What both players have: names and views of their convolutions, and activated maps."""

    def __init__(
        self, layout: Layout, parameters: Tensor, gradient: Tensor, spans: Spans, first: int
    ) -> None:
        self.into = Gradients(layout, parameters, gradient)
        self._values = layout.views(parameters)
        self._spans = spans
        self._first = first

    def parameters(self, layer: int, patches: bool) -> tuple[Tensor, Tensor]:
        """Weight and bias of a convolution, counted from 0."""
        name = self._first + 2 * layer
        weight, bias = self._values[f"{name}.weight"], self._values[f"{name}.bias"]
        return (weight.flatten(2) if patches else weight), bias

    def put(self, layer: int, weight: Tensor, bias: Tensor) -> None:
        """The slots of a convolution hold its gradients."""
        name = self._first + 2 * layer
        slot = self.into.slots[f"{name}.weight"]
        slot.copy_(weight.view_as(slot))
        self.into.slots[f"{name}.bias"].copy_(bias)

    def activate(self, maps: Tensor, n_channels: int) -> Tensor:
        """`maps`, shape (B, K * channels, height, width), activated in place."""
        for rows, activation in self._spans:
            activation.apply_(maps[:, rows.start * n_channels : rows.stop * n_channels])
        return maps

    def passed(self, slope: Tensor, maps: Tensor, n_channels: int) -> Tensor:
        """The gradient at the activation's inputs, in place, from that at its outputs `maps`."""
        for rows, activation in self._spans:
            columns = slice(rows.start * n_channels, rows.stop * n_channels)
            activation.backward_(slope[:, columns], maps[:, columns])
        return slope


class ImageDiscriminator:
    """K discriminators of images over batches of one size.

    Args:
        plan: The padded shape.
        layout: Of `Plan.discriminator`.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        n_batch: B.
        spans: Contiguous rows of one activation; none of them moves zero.
        workspace: Where buffers come from.
        name: Prefix of the buffers; networks that share it must not be in use together.
    """

    def __init__(
        self,
        plan: Plan,
        layout: Layout,
        parameters: Tensor,
        gradient: Tensor,
        n_batch: int,
        spans: Spans,
        workspace: Workspace,
        name: str,
    ) -> None:
        n_rows, self._stages = len(parameters), plan.stages
        self._maps = Maps(layout, parameters, gradient, spans, 0)
        patches = Patches(plan.image[0], plan.image[1:], WINDOW)
        self._first = PatchConvolution(
            n_rows, plan.channels, n_batch, patches, workspace, f"{name}.first"
        )
        self._inner = [
            GroupedConvolution(n_rows, below[0], above[0], WINDOW, workspace, f"{name}.{i}")
            for i, (below, above) in enumerate(
                zip(self._stages[1:], self._stages[2:], strict=False)
            )
        ]
        last = str(2 * plan.n_layers + 1)
        self._last = Dense(
            layout, last, parameters, self._maps.into, n_batch, workspace, f"{name}.last"
        )
        self._features = workspace.take(f"{name}.features", n_rows, n_batch, *self._stages[-1])
        self._outputs: list[Tensor] = []

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """Logits for images `x`, shape (K, B, pixels), in `out`, shape (K, B, logits)."""
        maps = x.view(*x.shape[:2], *self._stages[0]).transpose(0, 1)
        self._outputs = []
        for layer in range(len(self._stages) - 1):
            weight, bias = self._maps.parameters(layer, patches=layer == 0)
            maps = self._convolution(layer).forward(maps, weight, bias)
            self._outputs.append(self._maps.activate(maps, self._stages[layer + 1][0]))
        joined = maps.view(len(maps), *self._features.shape[:1], *self._stages[-1])
        self._features.copy_(joined.transpose(0, 1))
        return self._last.forward(self._features.flatten(2), out)

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for what the last `forward` computed, from that at its outputs."""
        self._last.backward(slope)
        slope = self._below_last(slope)
        for layer in reversed(range(len(self._outputs))):
            slope = self._maps.passed(slope, self._outputs[layer], self._stages[layer + 1][0])
            self._maps.put(layer, *self._convolution(layer).backward(slope))
            if layer:
                slope = self._convolution(layer).through(slope)

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the images, shape (K, B, pixels), from that at the outputs."""
        slope = self._below_last(slope)
        for layer in reversed(range(len(self._outputs))):
            slope = self._maps.passed(slope, self._outputs[layer], self._stages[layer + 1][0])
            slope = self._convolution(layer).through(slope)
        return slope.transpose(0, 1).flatten(2)

    def _convolution(self, layer: int) -> PatchConvolution | GroupedConvolution:
        return self._inner[layer - 1] if layer else self._first

    def _below_last(self, slope: Tensor) -> Tensor:
        """The gradient at the last maps, shape (B, K * channels, height, width)."""
        below = self._last.through(slope).view_as(self._features)
        return below.transpose(0, 1).flatten(1, 2)


class ImageGenerator:
    """K generators of images over batches of one size; arguments as for `ImageDiscriminator`."""

    def __init__(
        self,
        plan: Plan,
        layout: Layout,
        parameters: Tensor,
        gradient: Tensor,
        n_batch: int,
        spans: Spans,
        workspace: Workspace,
        name: str,
    ) -> None:
        n_rows, self._stages = len(parameters), plan.stages[::-1]
        self._maps = Maps(layout, parameters, gradient, spans, 3)
        self._first = Dense(
            layout, "0", parameters, self._maps.into, n_batch, workspace, f"{name}.first"
        )
        self._grown = workspace.take(f"{name}.grown", n_rows, n_batch, *self._stages[0])
        self._inner = [
            GroupedConvolution(
                n_rows, below[0], above[0], WINDOW, workspace, f"{name}.{i}", is_transposed=True
            )
            for i, (below, above) in enumerate(
                zip(self._stages[:-2], self._stages[1:-1], strict=True)
            )
        ]
        patches = Patches(plan.image[0], plan.image[1:], WINDOW)
        self._last = PatchMaking(n_rows, plan.channels, n_batch, patches, workspace, f"{name}.last")
        self._outputs: list[Tensor] = []

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """Images for latent points `x`, shape (K, B, Z), in `out`, shape (K, B, pixels)."""
        self._first.forward(x, self._grown.flatten(2))
        maps = self._grown.transpose(0, 1).flatten(1, 2)
        self._outputs = [self._maps.activate(maps, self._stages[0][0])]
        for layer, convolution in enumerate(self._inner):
            weight, bias = self._maps.parameters(layer, patches=False)
            maps = convolution.forward(maps, weight, bias)
            self._outputs.append(self._maps.activate(maps, self._stages[layer + 1][0]))
        weight, bias = self._maps.parameters(len(self._inner), patches=True)
        images = self._last.forward(maps, weight, bias)
        return out.copy_(images.transpose(0, 1).flatten(2))

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for what the last `forward` computed, from that at its outputs."""
        images = slope.view(*slope.shape[:2], *self._stages[-1]).transpose(0, 1)
        self._maps.put(len(self._inner), *self._last.backward(images))
        slope = self._last.through()
        for layer in reversed(range(len(self._outputs))):
            slope = self._maps.passed(slope, self._outputs[layer], self._stages[layer][0])
            if layer:
                convolution = self._inner[layer - 1]
                self._maps.put(layer - 1, *convolution.backward(slope))
                slope = convolution.through(slope)
        n_batch, n_rows = len(slope), len(self._grown)
        grown = slope.view(n_batch, n_rows, -1).transpose(0, 1).contiguous()
        self._first.backward(grown)


def whole_channels(plan: Plan) -> int:
    """The fewest channels of a bucket, at least the plan's, whose maps are whole vectors.

    The bits of a row would depend on the others else, as `trials.networks.cnn.CNN.padded` explains.
    """
    channels = width_bucket(plan.channels)
    while any(math.prod(stage) % VECTOR for stage in replace(plan, channels=channels).stages[1:]):
        channels *= 2
    return channels


def image_judges(
    plan: Plan, layout: Layout, spans: Spans, workspace: Workspace
) -> Build[ImageDiscriminator]:
    """What makes stacked discriminators of images; see `ImageDiscriminator` for the arguments."""

    def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> ImageDiscriminator:
        name = prefix_of("discriminator", use)
        return ImageDiscriminator(
            plan, layout, parameters, gradient, extent.n_rows, spans, workspace, name
        )

    return build
