"""Batch and layer normalization of K networks at once, forward and backward, without autograd.

Both work in place on activations of shape (K, B, C, places): C units of a layer in one place, or
C channels of an image in as many places as it has pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from trials.stacked.network import Gradients

EPSILON = 1e-5
"""Addend to variances, torch's default."""

MOMENTUM = 0.1
"""Weight of a batch in the running statistics, torch's default."""

NORMALIZATIONS = ("none", "batch", "layer")
"""Values of the axis `normalization`."""


class Normalization(Protocol):
    """Numbers get mean 0 and variance 1, then a learnt scale and shift.

    Padded units, whose scale and shift are zero, stay zero.

    Attributes:
        is_blind_to_shifts: A number added to a channel makes no difference, so that the bias of
            the layer below has a gradient of exactly zero.
    """

    is_blind_to_shifts: ClassVar[bool]

    def forward(self, x: Tensor, *, is_training: bool) -> None:
        """Normalises `x`, shape (K, B, C, places), in place."""

    def backward(self, slope: Tensor) -> None:
        """Turns the gradient behind the last `forward` into that before it, in place.

        The gradients of scale and shift are put.
        """


def _of_channels(x: Tensor) -> Tensor:
    """`x`, shape (K, B, C, places), summed over points and places: (K, 1, C, 1)."""
    # places first, then points behind their row: other orders round by the place of a row
    return x.sum(3).contiguous().sum(1, keepdim=True).unsqueeze(3)


class _Affine:
    """Scale and shift of each channel, and where their gradients go.

    Args:
        gradients: Of the stack.
        module: Name of the normalization in the layout.
        n_rows: The first rows, which have it.
    """

    def __init__(self, gradients: Gradients, module: str, n_rows: int) -> None:
        self._values, self._slots = gradients.values, gradients.slots
        self._module, self._n_rows = module, n_rows
        self.scale, self.shift = self.of("weight"), self.of("bias")
        self._scale_slot, self._shift_slot = self.of("weight", True), self.of("bias", True)

    def of(self, name: str, is_slot: bool = False) -> Tensor:
        """A tensor of the module or the slot of its gradient, shape (K, 1, C, 1)."""
        tensors = self._slots if is_slot else self._values
        return tensors[f"{self._module}.{name}"][: self._n_rows].unsqueeze(1).unsqueeze(3)

    def put(self, slope: Tensor, normal: Tensor) -> tuple[Tensor, Tensor]:
        """Fills the slots; the gradients of scale and shift, (K, 1, C, 1)."""
        scale, shift = _of_channels(slope * normal), _of_channels(slope)
        self._scale_slot.copy_(scale)
        self._shift_slot.copy_(shift)
        return scale, shift


class BatchNorm:
    """torch.nn.BatchNorm1d and BatchNorm2d: statistics of each channel over the batch.

    Padded points do not count. Evaluation uses running statistics, which lie among the parameters
    and never have a gradient. A batch of one number per channel, for which torch raises, becomes
    the shift and leaves the running statistics alone.

    Args:
        gradients: Of the stack.
        module: Name of the normalization in the layout.
        n_rows: The first rows, which have it.
        n_points: Points of a batch in training that are not padding; None for all.

    Source: Ioffe and Szegedy, ICML (2015).
    """

    is_blind_to_shifts: ClassVar[bool] = True

    def __init__(
        self, gradients: Gradients, module: str, n_rows: int, n_points: int | None
    ) -> None:
        self._affine = affine = _Affine(gradients, module, n_rows)
        self._n_points = n_points
        names = ("running_mean", "running_var")
        self._mean, self._variance = (affine.of(name) for name in names)
        self._still = [affine.of(name, True) for name in names]
        self._normal = self._inverse = torch.empty(0)

    def forward(self, x: Tensor, *, is_training: bool) -> None:
        """Normalises `x` in place; see `Normalization`."""
        scale, shift = self._affine.scale, self._affine.shift
        if not is_training:
            inverse = (self._variance + EPSILON).rsqrt_().mul_(scale)
            x.sub_(self._mean).mul_(inverse).add_(shift)
            return
        x = x[:, : self._n_points]
        n = x.shape[1] * x.shape[3]
        mean = _of_channels(x).div_(n)
        centred = x - mean
        variance = _of_channels(centred.square()).div_(n)
        if n > 1:
            self._mean.lerp_(mean, MOMENTUM)
            self._variance.lerp_(variance * (n / (n - 1)), MOMENTUM)
        self._inverse = (variance + EPSILON).rsqrt_()
        self._normal = centred.mul_(self._inverse)
        torch.addcmul(shift, self._normal, scale, out=x)

    def backward(self, slope: Tensor) -> None:
        """The gradient before the normalization, in place; see `Normalization`."""
        slope = slope[:, : self._n_points]
        of_scale, of_shift = self._affine.put(slope, self._normal)
        for slot in self._still:
            slot.zero_()
        n = slope.shape[1] * slope.shape[3]
        slope.sub_(of_shift / n).sub_(self._normal * (of_scale / n))
        slope.mul_(self._inverse * self._affine.scale)


class LayerNorm:
    """torch.nn.LayerNorm of units, torch.nn.GroupNorm of one group for channels.

    Statistics of each point over its true units, or over all places of its true channels.

    Args:
        gradients: Of the stack.
        module: Name of the normalization in the layout.
        real: One for true and zero for padded channels, shape (K, C); its rows have it.

    Source: Ba, Kiros and Hinton, arXiv:1607.06450 (2016).
    """

    is_blind_to_shifts: ClassVar[bool] = False

    def __init__(self, gradients: Gradients, module: str, real: Tensor) -> None:
        self._affine = _Affine(gradients, module, len(real))
        self._real = real.view(len(real), 1, -1, 1)
        self._share = 1.0 / self._real.sum(2, keepdim=True)
        self._normal = self._inverse = torch.empty(0)

    def _mean(self, x: Tensor) -> Tensor:
        """The mean over the true channels and places of each point, (K, B, 1, 1)."""
        sums = x.sum(3).contiguous().sum(2)
        return sums.unsqueeze(2).unsqueeze(3) * (self._share / x.shape[3])

    def forward(self, x: Tensor, *, is_training: bool) -> None:
        """Normalises `x`, whose padded channels are zero, in place; see `Normalization`."""
        centred = (x - self._mean(x)).mul_(self._real)
        self._inverse = self._mean(centred.square()).add_(EPSILON).rsqrt_()
        self._normal = centred.mul_(self._inverse)
        torch.addcmul(self._affine.shift, self._normal, self._affine.scale, out=x)

    def backward(self, slope: Tensor) -> None:
        """The gradient before the normalization, in place; see `Normalization`."""
        self._affine.put(slope, self._normal)
        slope.mul_(self._affine.scale)
        along = self._mean(slope * self._normal)
        slope.sub_(self._mean(slope)).sub_(self._normal * along)
        slope.mul_(self._inverse).mul_(self._real)


def normalization(
    kind: str, gradients: Gradients, module: str, real: Tensor, n_points: int | None
) -> Normalization:
    """What normalises a layer of the first rows of a stack.

    Args:
        kind: `batch` or `layer`.
        gradients: Of the stack.
        module: Name of the normalization in the layout.
        real: One for true and zero for padded channels of those rows, shape (R, C).
        n_points: Points of a batch in training that are not padding; None for all.
    """
    if kind == "batch":
        return BatchNorm(gradients, module, len(real), n_points)
    return LayerNorm(gradients, module, real)


def of_perceptrons(
    kind: str, gradients: Gradients, modules: int, real: Tensor, n_points: int | None
) -> Callable[[int, int], Normalization] | None:
    """What normalises hidden layers of perceptrons, by number of the layer and of its rows.

    Args:
        kind: `none`, for which there is nothing, `batch` or `layer`.
        gradients: Of the stack.
        modules: Distance of two linear layers in the equivalent `torch.nn.Sequential`.
        real: One for true and zero for padded units of a hidden layer, shape (K, H).
        n_points: Points of a batch in training that are not padding; None for all.
    """
    if kind == "none":
        return None

    def made(site: int, n_rows: int) -> Normalization:
        module = str(site * modules + 1)
        return normalization(kind, gradients, module, real[:n_rows], n_points)

    return made
