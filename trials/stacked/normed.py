"""Normalization within networks under autograd, by the passes that are written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trials.stacked.dropout import real_units
from trials.stacked.network import Gradients, Stack
from trials.stacked.normalization import normalization


class Normed:
    """What normalises the sums of one layer of K networks.

    Args:
        kind: `none`, `batch` or `layer`.
        stack: The rows.
        module: Name of the normalization in the layout.
        counts: True units or channels of each row.
        width: Units or channels with padding.
    """

    def __init__(
        self, kind: str, stack: Stack[Any], module: str, counts: Sequence[int], width: int
    ) -> None:
        self._names = [f"{module}.{name}" for name in ("weight", "bias")]
        self._norm = None
        if kind != "none":
            # running statistics move between the passes; autograd, which watches all parameters
            # as one, would take that for a change of the weights
            gradients = Gradients(stack.layout, stack.parameters.data, stack.gradient)
            real = real_units(counts, width, stack.parameters)
            self._norm = normalization(kind, gradients, module, real, stack.n_points)
            self._slots = [gradients.slots[name] for name in self._names]

    @property
    def moves_zero(self) -> bool:
        """Whether sums that are all zero need not stay so."""
        return self._norm is not None

    def __call__(self, tensors: Mapping[str, Tensor], sums: Tensor, is_training: bool) -> Tensor:
        """The sums, (K, T, B, C), normalised; the places T of a channel share its statistics.

        Args:
            tensors: All of the rows' parameters, as autograd follows them.
            sums: Of the layer; zero where channels are padded.
            is_training: A call of autograd follows, before this one is called again.
        """
        if self._norm is None:
            return sums
        if is_training:
            scale, shift = (tensors[name] for name in self._names)
            found: Tensor = _Passes.apply(sums, scale, shift, self)  # type: ignore[no-untyped-call]
            return found
        return self.forward(sums, is_training=False)

    def forward(self, sums: Tensor, *, is_training: bool) -> Tensor:
        """The sums normalised, by values alone."""
        assert self._norm is not None
        normal = _as_images(sums)
        self._norm.forward(normal, is_training=is_training)
        return normal.permute(0, 3, 1, 2)

    def backward(self, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients at the sums of the last `forward`, at the scales and at the shifts."""
        assert self._norm is not None
        below = _as_images(slope)
        self._norm.backward(below)
        scale, shift = (slot.clone() for slot in self._slots)
        return below.permute(0, 3, 1, 2), scale, shift


def _as_images(x: Tensor) -> Tensor:
    """A contiguous copy of `x`, (K, T, B, C), as (K, B, C, T)."""
    return x.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)


class _Passes(torch.autograd.Function):
    """A normalization and the way back through it."""

    @staticmethod
    def forward(ctx: Any, sums: Tensor, _scale: Tensor, _shift: Tensor, normed: Normed) -> Tensor:
        ctx.normed = normed
        return normed.forward(sums, is_training=True)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        return *ctx.normed.backward(slopes[0]), None
