"""Activations by name, in place, with the backward pass that needs their output alone.

Neither direction allocates in the common cases, and both read each number once: elementwise
passes, not products, are what a small stacked step spends its time on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from trials.stacked.runs import runs

# The operators behind autograd: one pass where their public equivalents need two or three.
_aten = torch.ops.aten

LEAK = 0.01
"""Slope of the leaky rectifier below zero, torch's default."""

_SELU = (1.6732632423543772, 1.0507009873554805)
"""alpha and scale for which normal activations keep mean 0 and variance 1 from layer to layer.

Source: Klambauer et al., NeurIPS (2017).
"""


@dataclass(frozen=True)
class Activation:
    """An elementwise function.

    Attributes:
        apply_: Replaces the sums into units by their activations, any shape.
        backward_: Replaces the gradient at the output by that at the input: (gradient, output).
        moves_zero: Its value at 0 is not 0, so padded units must be masked.
    """

    apply_: Callable[[Tensor], object]
    backward_: Callable[[Tensor, Tensor], object]
    moves_zero: bool = False


def _tanh_(x: Tensor) -> None:
    # 2 sigmoid(2x) - 1: 35 us where torch.tanh takes 174 us for 32 x 32 x 64 numbers (2026-02).
    x.mul_(2.0).sigmoid_().mul_(2.0).sub_(1.0)


def _elu_backward_(gradient: Tensor, output: Tensor, alpha: float, scale: float) -> None:
    # where y < 0: d scale * alpha * (exp(x) - 1) / dx = y + scale * alpha
    _aten.elu_backward.grad_input(gradient, alpha, scale, 1.0, True, output, grad_input=gradient)


def _softplus_backward_(gradient: Tensor, output: Tensor) -> None:
    # d softplus(x) / dx = sigmoid(x) = 1 - exp(-softplus(x))
    gradient.mul_(output.neg().expm1_().neg_())


ACTIVATIONS: dict[str, Activation] = {
    "linear": Activation(lambda _: None, lambda _gradient, _output: None),
    "sigmoid": Activation(
        Tensor.sigmoid_,
        lambda d, y: _aten.sigmoid_backward.grad_input(d, y, grad_input=d),
        moves_zero=True,
    ),
    "tanh": Activation(_tanh_, lambda d, y: _aten.tanh_backward.grad_input(d, y, grad_input=d)),
    "hard_tanh": Activation(
        lambda x: x.clamp_(-1.0, 1.0),
        lambda d, y: _aten.hardtanh_backward.grad_input(d, y, -1.0, 1.0, grad_input=d),
    ),
    "relu": Activation(
        Tensor.relu_, lambda d, y: _aten.threshold_backward.grad_input(d, y, 0.0, grad_input=d)
    ),
    "leaky_relu": Activation(
        lambda x: functional.leaky_relu_(x, LEAK),
        lambda d, y: _aten.leaky_relu_backward.grad_input(d, y, LEAK, True, grad_input=d),
    ),
    "elu": Activation(functional.elu_, lambda d, y: _elu_backward_(d, y, 1.0, 1.0)),
    "selu": Activation(torch.selu_, lambda d, y: _elu_backward_(d, y, *_SELU)),
    "softplus": Activation(
        lambda x: x.copy_(functional.softplus(x)), _softplus_backward_, moves_zero=True
    ),
}
"""Name in the space -> the activation. `hard_tanh` is min(max(x, -1), 1); alpha of `elu` is 1."""


Spans: TypeAlias = Sequence[tuple[slice, Activation]]
"""Contiguous rows of one activation each, in order."""


def spans(names: Sequence[str]) -> Spans:
    """Contiguous rows of one activation, for the activation of each row in order."""
    return [(rows, ACTIVATIONS[name]) for name, rows in runs(names)]
