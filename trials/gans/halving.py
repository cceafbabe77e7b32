"""Convolutions that halve the sides of K rows' maps, and their adjoints, as autograd knows them.

A convolution, its adjoint and the gradient of their weights are linear in each argument, and the
derivatives of each of the three are the other two. So second derivatives, which a gradient penalty
asks for, cost no more than first ones; those that come with torch go through the rows one by one.
Its gradient at the inputs also rounds otherwise for one row than for several, where a
convolution makes as many channels as it is given; the adjoint does not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trials.stacked.convolution import Window

WINDOW = Window(kernel=4, stride=2, padding=1)
"""What a unit sees, as in Radford et al., ICLR (2016); it halves an even side."""

# convolution_backward has no public name.
_aten = torch.ops.aten


def halved_maps(large: Tensor, weight: Tensor, n_rows: int) -> Tensor:
    """The convolution.

    Args:
        large: Shape (B, K * C, height, width).
        weight: Shape (K * O, C, 4, 4).
        n_rows: K.

    Returns:
        Shape (B, K * O, height / 2, width / 2).
    """
    y: Tensor = _Resizing.apply(large, weight, n_rows, False)  # type: ignore[no-untyped-call]
    return y


def doubled_maps(small: Tensor, weight: Tensor, n_rows: int) -> Tensor:
    """Its adjoint, a transposed convolution.

    Args:
        small: Shape (B, K * O, height, width).
        weight: Shape (K * O, C, 4, 4).
        n_rows: K.

    Returns:
        Shape (B, K * C, 2 * height, 2 * width).
    """
    y: Tensor = _Resizing.apply(small, weight, n_rows, True)  # type: ignore[no-untyped-call]
    return y


def _weight_slope(large: Tensor, small: Tensor, n_rows: int) -> Tensor:
    """The gradient of either's weight, from one's inputs and that at its outputs."""
    slope: Tensor = _Weighing.apply(large, small, n_rows)  # type: ignore[no-untyped-call]
    return slope


class _Resizing(torch.autograd.Function):
    """Maps of half the sides, or of twice; each is the other's slope."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, n_rows: int, doubles: bool) -> Tensor:
        ctx.save_for_backward(maps, weight)
        ctx.n_rows, ctx.doubles = n_rows, doubles
        maps, weight = maps.contiguous(), weight.contiguous()
        step = WINDOW.stride, WINDOW.padding
        if doubles:
            return functional.conv_transpose2d(maps, weight, None, *step, 0, n_rows)
        return functional.conv2d(maps, weight, None, *step, 1, n_rows)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        (maps, weight), (slope,) = ctx.saved_tensors, slopes
        below = own = None
        if ctx.needs_input_grad[0]:
            below = (halved_maps if ctx.doubles else doubled_maps)(slope, weight, ctx.n_rows)
        if ctx.needs_input_grad[1]:
            large, small = (slope, maps) if ctx.doubles else (maps, slope)
            own = _weight_slope(large, small, ctx.n_rows)
        return below, own, None, None


class _Weighing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, large: Tensor, small: Tensor, n_rows: int) -> Tensor:
        ctx.save_for_backward(large, small)
        ctx.n_rows = n_rows
        kernel = WINDOW.kernel
        shape = small.shape[1], large.shape[1] // n_rows, kernel, kernel
        pair = [WINDOW.stride] * 2, [WINDOW.padding] * 2, [1, 1]
        _, slope, _ = _aten.convolution_backward(
            small.contiguous(),
            large.contiguous(),
            large.new_empty(shape),
            None,
            *pair,
            False,
            [0, 0],
            n_rows,
            [False, True, False],
        )
        return slope  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        (large, small), (slope,) = ctx.saved_tensors, slopes
        to_large = doubled_maps(small, slope, ctx.n_rows) if ctx.needs_input_grad[0] else None
        to_small = halved_maps(large, slope, ctx.n_rows) if ctx.needs_input_grad[1] else None
        return to_large, to_small, None
