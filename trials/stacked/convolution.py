"""Convolutions of K networks at once, forward and backward, without autograd.

Images of all rows share one tensor, shape (B, K * C, height, width). Between padded channels one
grouped convolution does the work of K; at an image's own few channels, patches and products do.
Channels that are multiples of 16 make a row's bits independent of K and of its position:
libraries round otherwise where a row's channels end in the middle of a vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from trials.stacked.layout import whole_lanes
from trials.stacked.workspace import Workspace

# convolution_backward has no public name.
_aten = torch.ops.aten


VECTOR = 64
"""Numbers that an elementwise pass takes at once; a row's maps of one point should be a multiple.

The rest of a vector loop rounds otherwise than its body, and which numbers are left as a rest
would depend on the neighbours.
"""


class Slopes(NamedTuple):
    """Gradients of the parameters of one convolution.

    Attributes:
        weight: In the shape of the weights, contiguous.
        bias: Shape (K, O).
    """

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Window:
    """The square that a unit sees, and how it moves.

    Attributes:
        kernel: Its side.
        stride: Pixels from one unit's window to the next one's.
        padding: Zeros around the image.
    """

    kernel: int
    stride: int = 1
    padding: int = 0

    def outputs(self, size: int) -> int:
        """Units along a side of `size` pixels."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    def inputs(self, n_units: int) -> int:
        """Pixels along a side that a transposed convolution makes of `n_units`."""
        return (n_units - 1) * self.stride + self.kernel - 2 * self.padding


class GroupedConvolution:
    """K convolutions between padded channels as one with K groups.

    Its transposed form is the one whose gradient at the inputs is that convolution: it makes
    larger images of smaller ones.

    Args:
        n_rows: K.
        n_in: C, padded channels of the inputs.
        n_out: O, padded channels of the outputs.
        window: What a unit sees.
        workspace: Where the buffer of the weights comes from.
        name: Of the buffer; convolutions that share it must not be in use together.
        is_transposed: Weights then have shape (C, O, kernel, kernel) per row, as torch.nn has it.
    """

    def __init__(
        self,
        n_rows: int,
        n_in: int,
        n_out: int,
        window: Window,
        workspace: Workspace,
        name: str,
        is_transposed: bool = False,
    ) -> None:
        self._n_rows, self._n_out = n_rows, n_out
        first, second = (n_in, n_out) if is_transposed else (n_out, n_in)
        shape = (n_rows * first, second, window.kernel, window.kernel)
        self._weight = workspace.take(f"{name}.weight", *shape)
        self._x = torch.empty(0)
        pair = [window.stride] * 2, [window.padding] * 2, [1, 1]
        self._how = (*pair, is_transposed, [0, 0], n_rows)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Sums into the units, shape (B, K * O, height, width).

        Args:
            x: Shape (B, K * C, height, width); read again by `backward`.
            weight: Shape (K, O, C, kernel, kernel), transposed (K, C, O, kernel, kernel).
            bias: Shape (K, O).
        """
        self._x = x
        self._weight.view(weight.shape).copy_(weight)
        y: Tensor = _aten.convolution(x, self._weight, bias.flatten(), *self._how)
        return y

    def backward(self, slope: Tensor) -> Slopes:
        """Gradients of the parameters for the last `forward`, from that at its outputs."""
        _, weight, bias = self._slopes(slope, [False, True, True])
        n = self._n_rows
        return Slopes(weight.view(n, -1, *weight.shape[1:]), bias.view(n, -1))

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the inputs, from that at the outputs."""
        below: Tensor = self._slopes(slope, [True, False, False])[0]
        return below

    def _slopes(self, slope: Tensor, wanted: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
        biases = [self._n_rows * self._n_out]
        slopes: tuple[Tensor, Tensor, Tensor] = _aten.convolution_backward(
            slope, self._x, self._weight, biases, *self._how, wanted
        )
        return slopes


class Patches:
    """The windows of images with few channels, laid out for products.

    Args:
        n_channels: C, not padded.
        size: Height and width of the images.
        window: How patches are cut.
    """

    def __init__(self, n_channels: int, size: tuple[int, int], window: Window) -> None:
        self.n_channels, self.size, self.window = n_channels, size, window
        self.n_taps = n_channels * window.kernel**2
        self.fan = whole_lanes(self.n_taps)
        self.units = (window.outputs(size[0]), window.outputs(size[1]))

    @property
    def n_units(self) -> int:
        """Patches of one image."""
        return self.units[0] * self.units[1]

    def cut(self, images: Tensor, out: Tensor) -> None:
        """`out` holds the patches, and zeros beyond their taps.

        Args:
            images: Shape (B, K, C, height, width).
            out: Contiguous, shape (B, K, fan, units).
        """
        kernel, stride, edge = self.window.kernel, self.window.stride, self.window.padding
        if edge:
            images = functional.pad(images, (edge,) * 4)
        windows = images.unfold(3, kernel, stride).unfold(4, kernel, stride)
        windows = windows.permute(0, 1, 2, 5, 6, 3, 4)
        out[:, :, : self.n_taps].view(windows.shape).copy_(windows)
        out[:, :, self.n_taps :] = 0.0

    def mend(self, patches: Tensor) -> Tensor:
        """Images in which every pixel is the sum of its places in the patches.

        Args:
            patches: Shape (B, K, fan, units).

        Returns:
            Shape (B, K, C, height, width).
        """
        (height, width), (down, across) = self.size, self.units
        kernel, stride, edge = self.window.kernel, self.window.stride, self.window.padding
        planes = *patches.shape[:2], self.n_channels
        taps = patches[:, :, : self.n_taps].view(*planes, kernel, kernel, down, across)
        images = patches.new_zeros(*planes, height + 2 * edge, width + 2 * edge)
        for i in range(kernel):
            for j in range(kernel):
                rows = slice(i, i + stride * down, stride)
                columns = slice(j, j + stride * across, stride)
                images[..., rows, columns] += taps[..., i, j, :, :]
        return images[..., edge : edge + height, edge : edge + width]


class PatchConvolution:
    """K convolutions of images with few channels as products of patches.

    A grouped convolution with one input channel a row takes up to three times as long (28 x 28,
    16 units, batch 64, 8 rows: 4.5 against 1.4 ms a row on one AVX-512 core, 2026-11), and its
    bits depend on K.

    Args:
        n_rows: K.
        n_out: O, padded channels of the outputs.
        n_batch: B.
        patches: Images and windows.
        workspace: Where buffers come from.
        name: Of the buffers; convolutions that share it must not be in use together.
    """

    def __init__(
        self,
        n_rows: int,
        n_out: int,
        n_batch: int,
        patches: Patches,
        workspace: Workspace,
        name: str,
    ) -> None:
        def take(use: str, *shape: int) -> Tensor:
            return workspace.take(f"{name}.{use}", n_batch, n_rows, *shape)

        self._patches = patches
        self._cut = take("patches", patches.fan, patches.n_units)
        self._sums = take("sums", n_out, patches.n_units)
        self._weight = take("weight", n_out, patches.fan)
        self._bias = take("bias", n_out, 1)
        self._product = take("product", n_out, patches.fan)

    def forward(self, images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Sums into the units, shape (B, K * O, height, width).

        Args:
            images: Shape (B, K, C, height, width).
            weight: Shape (K, O, taps).
            bias: Shape (K, O).
        """
        n_taps, (n_batch, n_rows, n_out, n_units) = self._patches.n_taps, self._sums.shape
        self._patches.cut(images, self._cut)
        self._weight[..., :n_taps].copy_(weight)
        self._weight[..., n_taps:] = 0.0
        self._bias.copy_(bias.unsqueeze(-1))
        torch.baddbmm(
            self._bias.flatten(0, 1),
            self._weight.flatten(0, 1),
            self._cut.flatten(0, 1),
            out=self._sums.view(n_batch * n_rows, n_out, n_units),
        )
        return self._sums.view(n_batch, n_rows * n_out, *self._patches.units)

    def backward(self, slope: Tensor) -> Slopes:
        """Gradients of the parameters for the last `forward`, from that at its outputs."""
        products = slope.reshape(self._sums.flatten(0, 1).shape)
        patches = self._cut.flatten(0, 1).transpose(1, 2)
        torch.bmm(products, patches, out=self._product.flatten(0, 1))
        return Slopes(
            self._product.sum(0)[..., : self._patches.n_taps].contiguous(),
            _sum_of_points(products.sum(2).view(self._sums.shape[:3])),
        )

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the images, shape (B, K, C, height, width); `backward` comes first."""
        products = slope.reshape(self._sums.flatten(0, 1).shape)
        weight, cut = self._weight.flatten(0, 1), self._cut.flatten(0, 1)
        torch.bmm(weight.transpose(1, 2), products, out=cut)
        return self._patches.mend(self._cut)


class PatchMaking:
    """K transposed convolutions that make images with few channels: a sum of patches.

    It is `PatchConvolution` the other way round: forward is that one's `through`.

    Args:
        n_rows: K.
        n_in: C, padded channels of the inputs.
        n_batch: B.
        patches: The images that are made, and windows.
        workspace: Where buffers come from.
        name: Of the buffers; convolutions that share it must not be in use together.
    """

    def __init__(
        self,
        n_rows: int,
        n_in: int,
        n_batch: int,
        patches: Patches,
        workspace: Workspace,
        name: str,
    ) -> None:
        def take(use: str, *shape: int) -> Tensor:
            return workspace.take(f"{name}.{use}", n_batch, n_rows, *shape)

        self._patches = patches
        self._cut = take("patches", patches.fan, patches.n_units)
        self._below = take("below", n_in, patches.n_units)
        self._weight = take("weight", n_in, patches.fan)
        self._product = take("product", n_in, patches.fan)
        self._x = torch.empty(0)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Images, shape (B, K, channels, height, width).

        Args:
            x: Shape (B, K * C, height, width) of units; read again by `backward`.
            weight: Shape (K, C, taps).
            bias: Shape (K, channels).
        """
        n_taps = self._patches.n_taps
        self._x = x.reshape(self._below.flatten(0, 1).shape)
        self._weight[..., :n_taps].copy_(weight)
        self._weight[..., n_taps:] = 0.0
        cut, transposed = self._cut.flatten(0, 1), self._weight.flatten(0, 1).transpose(1, 2)
        torch.bmm(transposed, self._x, out=cut)
        return self._patches.mend(self._cut) + bias[..., None, None]

    def backward(self, slope: Tensor) -> Slopes:
        """Gradients of the parameters for the last `forward`.

        Args:
            slope: Gradient at the images, shape (B, K, channels, height, width).
        """
        self._patches.cut(slope, self._cut)
        patches = self._cut.flatten(0, 1).transpose(1, 2)
        torch.bmm(self._x, patches, out=self._product.flatten(0, 1))
        return Slopes(
            self._product.sum(0)[..., : self._patches.n_taps].contiguous(),
            _sum_of_points(slope.flatten(3).contiguous().sum(3)),
        )

    def through(self) -> Tensor:
        """The gradient at the inputs, (B, K * C, height, width); `backward` must come first."""
        below = self._below.flatten(0, 1)
        torch.bmm(self._weight.flatten(0, 1), self._cut.flatten(0, 1), out=below)
        n_batch, n_rows, n_in, _ = self._below.shape
        return self._below.view(n_batch, n_rows * n_in, *self._patches.units)


def _sum_of_points(values: Tensor) -> Tensor:
    """`values`, shape (B, K, C), summed over the points."""
    # the row first: a sum over the first dimension rounds by the place of a column
    return values.transpose(0, 1).contiguous().sum(1)
