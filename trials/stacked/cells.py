"""Recurrent cells of K rows over all steps, forward and backward by hand.

Autograd sees one operation per layer: its bookkeeping for every gate of every step would cost
more than the arithmetic. Within a layer, tensors have time first, so that each step's are whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

# The operators behind autograd: one pass where their public equivalents need two or three.
_aten = torch.ops.aten


def _time_first(x: Tensor) -> Tensor:
    """A copy of `x`, (K, T, B, N), as (T, K, B, N)."""
    return x.transpose(0, 1).clone(memory_format=torch.contiguous_format)


def _rows_first(x: Tensor) -> Tensor:
    """A copy of `x`, (T, K, B, N), as (K, T, B, N)."""
    return x.transpose(0, 1).contiguous()


def _product(states: Tensor, slopes: Tensor) -> Tensor:
    """The gradient of the weights from states to gates, (K, H, G * H).

    Args:
        states: Before each step, (T, K, B, H).
        slopes: At the gates, (K, T, B, G * H).
    """
    return torch.bmm(_rows_first(states).flatten(1, 2).mT, slopes.flatten(1, 2))


def _sigmoid_back_(slope: Tensor, output: Tensor) -> None:
    _aten.sigmoid_backward.grad_input(slope, output, grad_input=slope)


def _tanh_back_(slope: Tensor, output: Tensor) -> None:
    _aten.tanh_backward.grad_input(slope, output, grad_input=slope)


class _Lstm(Function):
    """A long short-term memory with forget gates; gates in the order i, f, g, o.

    Source: Hochreiter and Schmidhuber, Neural Computation 9 (1997); Gers et al. (2000).
    """

    @staticmethod
    def forward(ctx: Any, into: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """States after each step, (K, T, B, H)."""
        gates, n_units = _time_first(into).add_(bias), weight.shape[1]
        n_steps, *shape, _ = gates.shape
        states, cells = into.new_zeros(2, n_steps + 1, *shape, n_units).unbind(0)
        shown = torch.empty_like(states[1:])
        for step, gate in enumerate(gates):
            gate.baddbmm_(states[step], weight)
            gate[..., : 2 * n_units].sigmoid_()
            gate[..., 2 * n_units : 3 * n_units].tanh_()
            gate[..., 3 * n_units :].sigmoid_()
            admit, keep, new, show = gate.chunk(4, -1)
            cell = torch.mul(keep, cells[step], out=cells[step + 1]).addcmul_(admit, new)
            torch.mul(show, torch.tanh(cell, out=shown[step]), out=states[step + 1])
        ctx.save_for_backward(gates, states, cells, shown, weight)
        return _rows_first(states[1:])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients at `into`, `weight` and `bias`."""
        gates, states, cells, shown, weight = ctx.saved_tensors
        slopes, n_units = torch.empty_like(gates), weight.shape[1]
        back, carried = torch.zeros_like(states[0]), torch.zeros_like(states[0])
        for step in reversed(range(len(gates))):
            admit, keep, new, show = gates[step].chunk(4, -1)
            to_admit, to_keep, to_new, to_show = slopes[step].chunk(4, -1)
            back = back + slope[:, step]
            torch.mul(back, shown[step], out=to_show)
            own = back * show
            _tanh_back_(own, shown[step])
            carried.add_(own)
            torch.mul(carried, new, out=to_admit)
            torch.mul(carried, cells[step], out=to_keep)
            torch.mul(carried, admit, out=to_new)
            _sigmoid_back_(slopes[step][..., : 2 * n_units], gates[step][..., : 2 * n_units])
            _tanh_back_(to_new, new)
            _sigmoid_back_(to_show, show)
            carried.mul_(keep)
            back = torch.bmm(slopes[step], weight.mT)
        ordered = _rows_first(slopes)
        return ordered, _product(states[:-1], ordered), ordered.sum((1, 2)).unsqueeze(1)


class _Gru(Function):
    """A gated recurrent unit whose reset gate acts behind the product; gates r, z, n.

    Source: Cho et al., EMNLP (2014).
    """

    @staticmethod
    def forward(ctx: Any, into: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """States after each step, (K, T, B, H)."""
        gates, n_units = _time_first(into), weight.shape[1]
        n_steps, *shape, _ = gates.shape
        states = into.new_zeros(n_steps + 1, *shape, n_units)
        products = torch.empty_like(gates)
        for step, gate in enumerate(gates):
            product = torch.baddbmm(bias, states[step], weight, out=products[step])
            gate[..., : 2 * n_units].add_(product[..., : 2 * n_units]).sigmoid_()
            reset, keep, new = gate.chunk(3, -1)
            new.addcmul_(reset, product[..., 2 * n_units :]).tanh_()
            torch.sub(states[step], new, out=states[step + 1]).mul_(keep).add_(new)
        ctx.save_for_backward(gates, states, products, weight)
        return _rows_first(states[1:])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients at `into`, `weight` and `bias`."""
        gates, states, products, weight = ctx.saved_tensors
        slopes, n_units = torch.empty_like(gates), weight.shape[1]
        at_products, back = torch.empty_like(gates), torch.zeros_like(states[0])
        for step in reversed(range(len(gates))):
            reset, keep, new = gates[step].chunk(3, -1)
            to_reset, to_keep, to_new = slopes[step].chunk(3, -1)
            back = back + slope[:, step]
            torch.mul(back, states[step] - new, out=to_keep)
            kept = back * keep
            torch.sub(back, kept, out=to_new)
            _tanh_back_(to_new, new)
            torch.mul(to_new, products[step][..., 2 * n_units :], out=to_reset)
            _sigmoid_back_(slopes[step][..., : 2 * n_units], gates[step][..., : 2 * n_units])
            at_products[step].copy_(slopes[step])
            at_products[step][..., 2 * n_units :].mul_(reset)
            back = torch.baddbmm(kept, at_products[step], weight.mT)
        ordered = _rows_first(at_products)
        return _rows_first(slopes), _product(states[:-1], ordered), ordered.sum((1, 2))[:, None]


class _Plain(Function):
    """A plain recurrent network with tanh.

    Source: Elman, Cognitive Science 14 (1990).
    """

    @staticmethod
    def forward(ctx: Any, into: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """States after each step, (K, T, B, H)."""
        states = _time_first(into).add_(bias)
        before = torch.zeros_like(states[0])
        for state in states:
            before = state.baddbmm_(before, weight).tanh_()
        ctx.save_for_backward(states, weight)
        return _rows_first(states)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients at `into`, `weight` and `bias`."""
        states, weight = ctx.saved_tensors
        slopes, back = torch.empty_like(states), torch.zeros_like(states[0])
        for step in reversed(range(len(states))):
            torch.add(back, slope[:, step], out=slopes[step])
            _tanh_back_(slopes[step], states[step])
            back = torch.bmm(slopes[step], weight.mT)
        ordered = _rows_first(slopes)
        before = torch.cat([torch.zeros_like(states[:1]), states[:-1]])
        return ordered, _product(before, ordered), ordered.sum((1, 2)).unsqueeze(1)


@dataclass(frozen=True)
class Cell:
    """A kind of recurrent unit.

    Attributes:
        n_gates: G, products per unit, side by side in the order of torch.
        states: (into, weight, bias) -> states after each step, (K, T, B, H). `into` holds the
            products of the inputs with their bias, (K, T, B, G * H); `weight` leads from states
            to gates, (K, H, G * H), and `bias` is theirs, (K, 1, G * H).
    """

    n_gates: int
    states: Callable[[Tensor, Tensor, Tensor], Tensor]


def _applied(function: type[Function]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def states(into: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        found: Tensor = function.apply(into, weight, bias)  # type: ignore[no-untyped-call]
        return found

    return states


CELLS: dict[str, Cell] = {
    "lstm": Cell(4, _applied(_Lstm)),
    "gru": Cell(3, _applied(_Gru)),
    "plain": Cell(1, _applied(_Plain)),
}
"""Name in the space -> the cell."""
