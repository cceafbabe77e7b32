"""How the layers of one padded perceptron lie in a row of P numbers, and nothing else knows it.

Weights of all layers come first, biases last, so that penalties touch one contiguous range.
Every padded width is a multiple of 16: each layer of each row then starts on a cache line and
fills whole vector registers, which is what makes a row's result independent of its position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

LANES = 16
"""Numbers in a cache line of float32; every padded width is a multiple of it."""


def whole_lanes(width: int) -> int:
    """The smallest multiple of 16 that is at least `width`."""
    return -(-width // LANES) * LANES


def width_bucket(width: int, factor: int = 2) -> int:
    """The smallest of 16, 16 * factor, 16 * factor**2 ... that is at least `width`."""
    bucket = LANES
    while bucket < width:
        bucket *= factor
    return bucket


@dataclass(frozen=True)
class Layout:
    """A perceptron's padded shape and the place of each layer in a flat row.

    Attributes:
        widths: Padded width of the input, of each hidden layer and of the output.
        modules_per_layer: Distance of two linear layers in the equivalent `torch.nn.Sequential`:
            3 for linear, activation, dropout; 2 without dropout.
    """

    widths: tuple[int, ...]
    modules_per_layer: int = 3

    @property
    def n_layers(self) -> int:
        """Number of linear layers, the output layer included."""
        return len(self.widths) - 1

    @cached_property
    def n_weights(self) -> int:
        """Numbers of a row that are weights; they come before the biases."""
        return sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False))

    @property
    def size(self) -> int:
        """P, the length of a row."""
        return self.n_weights + sum(self.widths[1:])

    def weights(self, flat: Tensor) -> list[Tensor]:
        """Views of `flat`, shape (K, P), as one (K, inputs, outputs) tensor per layer."""
        views, start = [], 0
        for n_in, n_out in zip(self.widths, self.widths[1:], strict=False):
            block = flat[:, start : start + n_in * n_out]
            views.append(block.view(len(flat), n_in, n_out))
            start += n_in * n_out
        return views

    def biases(self, flat: Tensor) -> list[Tensor]:
        """Views of `flat`, shape (K, P), as one (K, 1, outputs) tensor per layer."""
        views, start = [], self.n_weights
        for n_out in self.widths[1:]:
            views.append(flat[:, None, start : start + n_out])
            start += n_out
        return views

    def names(self) -> list[tuple[str, str]]:
        """Names of each layer's weight and bias in the equivalent `torch.nn.Sequential`."""
        places = range(0, self.n_layers * self.modules_per_layer, self.modules_per_layer)
        return [(f"{place}.weight", f"{place}.bias") for place in places]

    def shapes(self, widths: Sequence[int]) -> dict[str, tuple[int, ...]]:
        """Shape of every named tensor of a row with the true `widths`, as torch.nn stores it."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (weight, bias) in enumerate(self.names()):
            shapes[weight] = (widths[layer + 1], widths[layer])
            shapes[bias] = (widths[layer + 1],)
        return shapes

    def pack(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """A row, shape (P,), that holds the named unpadded `tensors` and zeros elsewhere."""
        row = next(iter(tensors.values())).new_zeros(1, self.size)
        for (weight, bias), to_weight, to_bias in zip(
            self.names(), self.weights(row), self.biases(row), strict=True
        ):
            n_out, n_in = tensors[weight].shape
            to_weight[0, :n_in, :n_out] = tensors[weight].t()
            to_bias[0, 0, :n_out] = tensors[bias]
        return row[0]

    def unpack(self, row: Tensor, widths: Sequence[int]) -> dict[str, Tensor]:
        """The named unpadded tensors of `row`, shape (P,): contiguous copies on the CPU."""
        row = row.detach().cpu().unsqueeze(0)
        tensors = {}
        views = zip(self.names(), self.weights(row), self.biases(row), strict=True)
        for layer, ((weight, bias), from_weight, from_bias) in enumerate(views):
            n_in, n_out = widths[layer], widths[layer + 1]
            tensors[weight] = (
                from_weight[0, :n_in, :n_out].t().clone(memory_format=torch.contiguous_format)
            )
            tensors[bias] = from_bias[0, 0, :n_out].clone()
        return tensors
