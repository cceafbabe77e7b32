"""Maps of K rows as autograd sees them: (K, C, B * pixels), the pixels of a point together.

Products take them as they are; a convolution moves the batch to the front and back.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from trials.gans.halving import WINDOW, doubled_maps, halved_maps


class Size(NamedTuple):
    """Channels, height and width of a map or an image."""

    channels: int
    height: int
    width: int

    @property
    def n_pixels(self) -> int:
        """Of one channel."""
        return self.height * self.width


def as_maps(points: Tensor, size: Size) -> Tensor:
    """Points (K, B, C * pixels) as maps."""
    planes = points.reshape(*points.shape[:2], size.channels, size.n_pixels)
    return planes.transpose(1, 2).reshape(len(points), size.channels, -1).contiguous()


def as_points(maps: Tensor, size: Size) -> Tensor:
    """Maps as points (K, B, C * pixels)."""
    planes = maps.reshape(len(maps), size.channels, -1, size.n_pixels)
    return planes.transpose(1, 2).flatten(2)


def cut(images: Tensor, size: Size) -> Tensor:
    """The windows of images with few channels.

    Args:
        images: Shape (K, B, C * pixels).
        size: Of an image.

    Returns:
        Shape (K, C * 16, B * units).
    """
    n_rows, n_batch = images.shape[:2]
    kernel, stride, edge = WINDOW.kernel, WINDOW.stride, WINDOW.padding
    planes = images.reshape(n_rows * n_batch, *size)
    windows = functional.unfold(planes, kernel, padding=edge, stride=stride)
    windows = windows.view(n_rows, n_batch, *windows.shape[1:])
    return windows.transpose(1, 2).flatten(2)


def mended(patches: Tensor, n_batch: int, size: Size) -> Tensor:
    """Images in which every pixel is the sum of its places in windows: the adjoint of `cut`.

    Args:
        patches: Shape (K, C * 16, B * units).
        n_batch: B.
        size: Of an image.

    Returns:
        Maps of the images.
    """
    n_rows, n_taps = patches.shape[:2]
    kernel, stride, edge = WINDOW.kernel, WINDOW.stride, WINDOW.padding
    planes = patches.view(n_rows, n_taps, n_batch, -1).transpose(1, 2).flatten(0, 1)
    images = functional.fold(planes, size[1:], kernel, padding=edge, stride=stride)
    return as_maps(images.view(n_rows, n_batch, math.prod(size)), size)


def convolved(maps: Tensor, weight: Tensor, size: Size) -> Tensor:
    """Maps of half the sides.

    Args:
        maps: Shape (K, C, B * pixels), C a multiple of 16.
        weight: Shape (K, O, C, 4, 4), O a multiple of 16.
        size: Of a map.
    """
    n_rows = len(maps)
    return _apart(halved_maps(_joined(maps, size), weight.flatten(0, 1), n_rows), n_rows)


def grown(maps: Tensor, weight: Tensor, size: Size) -> Tensor:
    """Maps of twice the sides, by a transposed convolution.

    Args:
        maps: Shape (K, C, B * pixels), C a multiple of 16.
        weight: Shape (K, C, O, 4, 4), O a multiple of 16.
        size: Of a map.
    """
    n_rows = len(maps)
    return _apart(doubled_maps(_joined(maps, size), weight.flatten(0, 1), n_rows), n_rows)


def _joined(maps: Tensor, size: Size) -> Tensor:
    """Maps with the batch first, shape (B, K * C, height, width).

    Contiguous, also where a row is alone and other strides would do: results have the layout of
    the inputs, and a sum over another layout rounds otherwise.
    """
    n_rows = len(maps)
    planes = maps.reshape(n_rows, size.channels, -1, size.n_pixels).permute(2, 0, 1, 3)
    joined = planes.reshape(planes.shape[0], n_rows * size.channels, size.height, size.width)
    return joined.contiguous()


def _apart(maps: Tensor, n_rows: int) -> Tensor:
    """Maps again, from shape (B, K * O, height, width)."""
    planes = maps.view(len(maps), n_rows, maps.shape[1] // n_rows, -1).permute(1, 2, 0, 3)
    return planes.flatten(2).contiguous()
