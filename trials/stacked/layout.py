"""How the padded tensors of one network lie in a row of P numbers, and nothing else knows it.

Weights come first, biases and the like last, so that penalties touch one contiguous range. Every
tensor starts on a cache line and a row fills whole vector registers, which is what makes a row's
result independent of its position.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

LANES = 16
"""Numbers in a cache line of float32; padded widths are multiples of it."""

_ROW_LANES = 64
"""A row's length is a multiple of it: the most that a vector loop takes at once."""


def whole_lanes(width: int) -> int:
    """The smallest multiple of 16 that is at least `width`."""
    return -(-width // LANES) * LANES


def width_bucket(width: int, factor: int = 2) -> int:
    """The smallest of 16, 16 * factor, 16 * factor**2 ... that is at least `width`."""
    bucket = LANES
    while bucket < width:
        bucket *= factor
    return bucket


_LEAST_UNITS = 32
"""Narrower hidden layers are padded to it: full stacks are worth more than the arithmetic it costs,
4 to 10 % of the ready space of perceptrons at 32 to 128 slots (2026-11)."""


def unit_bucket(units: int) -> int:
    """The `width_bucket` of a hidden layer, and at least 32."""
    return max(_LEAST_UNITS, width_bucket(units))


_STATISTICS = {"running_mean": 0.0, "running_var": 1.0}
"""Tensors of a batch norm that nothing learns, with their values at first."""


@dataclass(frozen=True)
class Part:
    """One named tensor of a network.

    Attributes:
        name: As in the equivalent torch.nn model.
        shape: With every dimension that is padded by itself; those that torch joins are apart.
        order: Its dimensions in the order in which they lie in memory; empty for that of `shape`.
        joined: How many of them make each dimension of torch's tensor; empty for one each.
        start: The value of every number at first; None for weights, which are drawn.
        padding: The value of parameters beyond the true shape.
        slot: Its name in the padded layout, where rows of other depths share it; empty for `name`.
        reach: Parts of larger reach lie further out in a row, so that those of a shallow network
            are neighbours in the room for a deep one.
    """

    name: str
    shape: tuple[int, ...]
    order: tuple[int, ...] = ()
    joined: tuple[int, ...] = ()
    start: float | None = None
    padding: float = 0.0
    slot: str = ""
    reach: int = 0

    @property
    def is_weight(self) -> bool:
        """Whether it is drawn at first and penalised."""
        return self.start is None

    @property
    def is_statistic(self) -> bool:
        """Whether it follows the data instead of the gradient."""
        return self.name.rpartition(".")[2] in _STATISTICS

    @property
    def torch_shape(self) -> tuple[int, ...]:
        """The shape as torch.nn stores it."""
        lengths = iter(self.shape)
        counts = self.joined or (1,) * len(self.shape)
        return tuple(math.prod(next(lengths) for _ in range(count)) for count in counts)

    def view(self, flat: Tensor) -> Tensor:
        """`flat`, shape (K, n), as (K, *shape in memory order)."""
        return flat.view(len(flat), *(self.shape[dim] for dim in self._order))

    def as_torch(self, view: Tensor) -> Tensor:
        """The padded tensors of all rows as torch stores them, a view of `view`."""
        back = [1 + self._order.index(dim) for dim in range(len(self.shape))]
        tensor = view.permute(0, *back)
        return tensor.reshape(len(view), *self.torch_shape)

    @property
    def _order(self) -> tuple[int, ...]:
        return self.order or tuple(range(len(self.shape)))

    def put(self, tensor: Tensor, true: Part, flat: Tensor) -> None:
        """Writes a tensor of the part `true`, as torch stores it, into its place `flat`, (n,)."""
        inner = flat.view([self.shape[dim] for dim in self._order])
        for dim, length in enumerate(true.shape[dim] for dim in self._order):
            inner = inner.narrow(dim, 0, length)
        inner.copy_(tensor.reshape(true.shape).permute(self._order))

    def true(self, block: Tensor, true: Part) -> Tensor:
        """The part `true` out of `block`, in memory order, as a contiguous copy as torch stores."""
        inner = block[tuple(slice(true.shape[dim]) for dim in self._order)]
        back = [self._order.index(dim) for dim in range(len(self.shape))]
        inner = inner.permute(back).clone(memory_format=torch.contiguous_format)
        return inner.view(true.torch_shape)


def linear(name: str, n_in: int, n_out: int, padding: float = 0.0) -> list[Part]:
    """The parts of a torch.nn.Linear, its weight in memory as (inputs, outputs).

    Args:
        name: Of the module.
        n_in: Inputs.
        n_out: Outputs.
        padding: Bias of padded outputs.
    """
    weight = Part(f"{name}.weight", (n_out, n_in), order=(1, 0))
    return [weight, Part(f"{name}.bias", (n_out,), start=0.0, padding=padding)]


def after(module: str) -> str:
    """Name of the next module of a `torch.nn.Sequential`."""
    return str(int(module) + 1)


def convolution_name(block: int, normalization: str) -> str:
    """Name of the convolution of a block, from 0, in the equivalent `torch.nn.Sequential`.

    A block has a convolution, a normalization if any, an activation and pooling.
    """
    return str(block * (3 if normalization == "none" else 4))


def linear_names(n_blocks: int, normalization: str) -> tuple[str, str]:
    """Names of the linear modules behind the blocks: after flattening, and after the dropout.

    Between them are a normalization if any, an activation and the dropout.
    """
    first = int(convolution_name(n_blocks, normalization)) + 1
    return str(first), str(first + (3 if normalization == "none" else 4))


def norm(kind: str, name: str, n: int) -> list[Part]:
    """The parts of a torch.nn.BatchNorm1d for kind `batch`, of a LayerNorm for `layer`.

    Running statistics are parts too: their gradient is always zero, so nothing moves them.

    Args:
        kind: Of the normalization; `none` has no parts.
        name: Of the module.
        n: Units or channels.
    """
    starts = {"none": {}, "layer": {"weight": 1.0, "bias": 0.0}}
    starts["batch"] = starts["layer"] | _STATISTICS
    return [Part(f"{name}.{tensor}", (n,), start=start) for tensor, start in starts[kind].items()]


def _length(part: Part) -> int:
    """Numbers of a row that the part takes, with those behind it to the next cache line."""
    return whole_lanes(math.prod(part.shape))


def _whole_rows(length: int) -> int:
    return -(-length // _ROW_LANES) * _ROW_LANES


@dataclass(frozen=True)
class Layout:
    """The place of each part in a flat row.

    Attributes:
        parts: In the order of the equivalent torch.nn model.
    """

    parts: tuple[Part, ...]

    @cached_property
    def _places(self) -> dict[str, tuple[Part, int, int]]:
        """Slot -> the part, its start and its length."""
        places = {}
        weights = sorted((p for p in self.parts if p.is_weight), key=lambda p: -p.reach)
        others = sorted((p for p in self.parts if not p.is_weight), key=lambda p: p.reach)
        start = self.n_weights - sum(map(_length, weights))
        for part in weights + others:
            places[part.slot or part.name] = part, start, math.prod(part.shape)
            start += _length(part)
        return places

    @cached_property
    def n_weights(self) -> int:
        """Numbers of a row that belong to weights; they come before all others."""
        return _whole_rows(sum(_length(part) for part in self.parts if part.is_weight))

    @cached_property
    def size(self) -> int:
        """P, the length of a row."""
        n_others = sum(_length(part) for part in self.parts if not part.is_weight)
        return self.n_weights + _whole_rows(n_others)

    def columns(self, true: Layout) -> slice:
        """The part of a row that holds all numbers of a row of layout `true`, in whole vectors."""
        places = [self._places[part.slot or part.name] for part in true.parts]
        start = min(start for _, start, _ in places) // _ROW_LANES * _ROW_LANES
        return slice(start, _whole_rows(max(start + length for _, start, length in places)))

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every named tensor, as torch.nn stores it."""
        return {part.name: part.torch_shape for part in self.parts}

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of `flat`, shape (K, P), as (K, ...) per name, in memory order."""
        return {
            part.name: part.view(flat[:, start : start + length])
            for part, start, length in self._places.values()
        }

    def pack(
        self, tensors: Mapping[str, Tensor], true: Layout, *, is_parameters: bool = True
    ) -> Tensor:
        """A row, shape (P,), that holds the named `tensors` of layout `true`, and padding.

        Padding of what goes with the parameters, such as their moments, is zero.
        """
        row = next(iter(tensors.values())).new_zeros(self.size)
        for given in true.parts:
            part, start, length = self._places[given.slot or given.name]
            place = row[start : start + length]
            if is_parameters and part.padding:
                place.fill_(part.padding)
            part.put(tensors[given.name], given, place)
        return row

    def unpack(self, row: Tensor, true: Layout) -> dict[str, Tensor]:
        """The named tensors of layout `true` in `row`, shape (P,): copies on the CPU."""
        row = row.detach().cpu().unsqueeze(0)
        tensors = {}
        for given in true.parts:
            part, start, length = self._places[given.slot or given.name]
            tensors[given.name] = part.true(part.view(row[:, start : start + length])[0], given)
        return tensors


def chain(
    modules: int, widths: Sequence[int], padding: float = 0.0, normalization: str = "none"
) -> Layout:
    """The layout of a perceptron.

    Layers are counted from the outputs: the last hidden layers of two depths share a slot.

    Args:
        modules: Distance of two linear layers in the equivalent `torch.nn.Sequential`: 3 for
            linear, activation, dropout; 2 without dropout.
        widths: Of the input, of each hidden layer and of the output.
        padding: Bias of padded outputs.
        normalization: Of the sums into hidden units: `none`, or `batch` or `layer` by a module
            behind each linear one.
    """
    last = len(widths) - 2
    parts: list[Part] = []
    for layer in range(last + 1):
        name, above = str(layer * modules), last - layer
        fill = padding if above == 0 else 0.0
        weight, bias = linear(name, widths[layer], widths[layer + 1], fill)
        is_end = layer == 0 or above == 0
        slot = "inputs" if layer == 0 < last else f"{above}"
        weight = replace(weight, slot=f"{slot}.weight", reach=0 if is_end else above)
        parts += [weight, replace(bias, slot=f"{above}.bias", reach=above)]
        if above:
            for part in norm(normalization, str(layer * modules + 1), widths[layer + 1]):
                slot = f"{above}.norm.{part.name.partition('.')[2]}"
                parts.append(replace(part, slot=slot, reach=above))
    return Layout(tuple(parts))
