"""K transformer encoders at once, as `torch.nn.TransformerEncoderLayer` has them, and positions.

The units of a model are its heads' units side by side; a head is padded by itself, so that padded
units of one head never reach another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from trials.stacked.affine import affine
from trials.stacked.layout import Part
from trials.stacked.normalization import EPSILON

Tensors: TypeAlias = "Mapping[str, Tensor]"


@dataclass(frozen=True)
class Shape:
    """The shape of an encoder.

    Attributes:
        heads: Of each attention.
        units: Of one head.
        layers: Of the encoder.
        feed_forward: Units of a layer's inner map through those of the model.
    """

    heads: int
    units: int
    layers: int
    feed_forward: int

    @property
    def width(self) -> int:
        """E, units of the model."""
        return self.heads * self.units

    def into(self, name: str, n_in: int) -> Iterator[Part]:
        """The parts of a linear map from other features to the model's units."""
        own = (self.heads, self.units)
        yield Part(f"{name}.weight", (*own, n_in), order=(2, 0, 1), joined=(2, 1))
        yield Part(f"{name}.bias", own, joined=(2,), start=0.0)

    def out(self, name: str, n_out: int, padding: float) -> Iterator[Part]:
        """The parts of a linear map from the model's units to other features."""
        own = (self.heads, self.units)
        yield Part(f"{name}.weight", (n_out, *own), order=(1, 2, 0), joined=(1, 2))
        yield Part(f"{name}.bias", (n_out,), start=0.0, padding=padding)

    def layer(self, name: str) -> Iterator[Part]:
        """The parts of one layer, by torch's names and in torch's order."""
        own = (self.heads, self.units)
        inner, by_inputs = (self.feed_forward, *own), (3, 4, 0, 1, 2)
        yield Part(f"{name}.self_attn.in_proj_weight", (3, *own, *own), by_inputs, (3, 2))
        yield Part(f"{name}.self_attn.in_proj_bias", (3, *own), joined=(3,), start=0.0)
        yield Part(f"{name}.self_attn.out_proj.weight", (*own, *own), (2, 3, 0, 1), (2, 2))
        yield Part(f"{name}.self_attn.out_proj.bias", own, joined=(2,), start=0.0)
        yield Part(f"{name}.linear1.weight", (*inner, *own), by_inputs, (3, 2))
        yield Part(f"{name}.linear1.bias", inner, joined=(3,), start=0.0)
        yield Part(f"{name}.linear2.weight", (*own, *inner), (2, 3, 4, 0, 1), (2, 3))
        yield Part(f"{name}.linear2.bias", own, joined=(2,), start=0.0)
        for norm in ("norm1", "norm2"):
            yield Part(f"{name}.{norm}.weight", own, joined=(2,), start=1.0)
            yield Part(f"{name}.{norm}.bias", own, joined=(2,), start=0.0)


class Encoders:
    """K encoders of one padded shape.

    Args:
        shape: Padded.
        units: True units of one head, per row.
        like: Says where and in which precision tensors are wanted.
    """

    def __init__(self, shape: Shape, units: Sequence[int], like: Tensor) -> None:
        self._shape = shape
        counts = torch.tensor(units, dtype=torch.float64).view(-1, 1, 1, 1)
        real = torch.arange(shape.units).expand(shape.heads, -1) < counts
        self._real = real.flatten(2).to(like).unsqueeze(1)
        self._n_real = (counts * shape.heads).to(like)
        self._scale = counts.rsqrt().to(like)

    def forward(self, tensors: Tensors, x: Tensor, masks: Sequence[Tensor] | None) -> Tensor:
        """What the encoders make of `x`, shape (K, B, T, E), which must be zero where padded.

        Args:
            tensors: Of all layers, (K, ...) each as torch stores it, under "encoder.layers.".
            x: Embedded steps, (K, B, T, E).
            masks: Factors of what attention and inner map add, two per layer, (K, B, T, E) each;
                None for no dropout.
        """
        for layer in range(self._shape.layers):
            name = f"encoder.layers.{layer}"
            seen = self._attended(tensors, f"{name}.self_attn", x)
            if masks is not None:
                seen = seen * masks[2 * layer]
            x = self._normed(tensors, f"{name}.norm1", x + seen)
            made = affine(tensors, f"{name}.linear1.", x).relu()
            made = affine(tensors, f"{name}.linear2.", made)
            if masks is not None:
                made = made * masks[2 * layer + 1]
            x = self._normed(tensors, f"{name}.norm2", x + made)
        return x

    def _attended(self, tensors: Tensors, name: str, x: Tensor) -> Tensor:
        """Each step's mixture of all steps, by every head.

        Source: Vaswani et al., NeurIPS (2017).
        """
        n_rows, n_batch, n_steps, _ = x.shape
        heads, units = self._shape.heads, self._shape.units
        products = affine(tensors, f"{name}.in_proj_", x)
        split = products.view(n_rows, n_batch, n_steps, 3, heads, units)
        query, key, value = split.permute(3, 0, 1, 4, 2, 5).unbind(0)
        query = query * self._scale.unsqueeze(-1)
        matches = query.flatten(0, 2) @ key.flatten(0, 2).mT
        mixed = matches.softmax(-1) @ value.flatten(0, 2)
        back = mixed.view(n_rows, n_batch, heads, n_steps, units).transpose(2, 3).flatten(3)
        return affine(tensors, f"{name}.out_proj.", back)

    def _normed(self, tensors: Tensors, name: str, x: Tensor) -> Tensor:
        """`x` with mean 0 and variance 1 over the true units of each step, then stretched.

        Roots and quotients, not the inverse root: those are rounded alike wherever in a vector a
        number lies.

        Source: Ba, Kiros and Hinton, layer normalization (2016).
        """
        x = x * self._real
        centred = (x - x.sum(-1, keepdim=True) / self._n_real) * self._real
        variance = centred.square().sum(-1, keepdim=True) / self._n_real
        weight, bias = (tensors[f"{name}.{kind}"][:, None, None] for kind in ("weight", "bias"))
        return centred / (variance + EPSILON).sqrt() * weight + bias


def sines(n_steps: int, heads: int, units: Sequence[int], padded: int, like: Tensor) -> Tensor:
    """Fixed positions of each row, zero where padded, shape (K, 1, T, heads * padded).

    Unit 2 i of E is sin(t / 10000**(2 i / E)), unit 2 i + 1 the cosine.

    Args:
        n_steps: T.
        heads: Of the model.
        units: True units of one head, per row.
        padded: Units of one head with padding.
        like: Says where and in which precision the result is wanted.

    Source: Vaswani et al., NeurIPS (2017).
    """
    table = torch.zeros(len(units), n_steps, heads, padded, dtype=torch.float64)
    times = torch.arange(n_steps, dtype=torch.float64).unsqueeze(1)
    for row, n_units in enumerate(units):
        width = heads * n_units
        places = torch.arange(width, dtype=torch.float64)
        angles = times * 10000.0 ** (-2.0 * (places // 2) / width)
        waves = torch.where(places % 2 == 0, angles.sin(), angles.cos())
        table[row, :, :, :n_units] = waves.view(n_steps, heads, n_units)
    return table.flatten(2).unsqueeze(1).to(like)
