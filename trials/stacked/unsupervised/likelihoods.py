"""How likely a point is, given what a decoder says of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Likelihood:
    """A law of D independent numbers, one decoder output for each.

    Attributes:
        mean: Outputs -> the expected numbers.
        surprise: (outputs, x) -> negative log density of each number, in nats.
        slope: (outputs, x, out) -> its derivative by the outputs, in `out`.
    """

    mean: Callable[[Tensor], Tensor]
    surprise: Callable[[Tensor, Tensor], Tensor]
    slope: Callable[[Tensor, Tensor, Tensor], Tensor]


def _bernoulli_surprise(outputs: Tensor, x: Tensor) -> Tensor:
    return functional.softplus(outputs).addcmul_(outputs, x, value=-1.0)


def _bernoulli_slope(outputs: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return torch.sigmoid(outputs, out=out).sub_(x)


def _gaussian_surprise(outputs: Tensor, x: Tensor) -> Tensor:
    return (outputs - x).square_().mul_(0.5).add_(0.5 * math.log(2 * math.pi))


def _gaussian_slope(outputs: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return torch.sub(outputs, x, out=out)


LIKELIHOODS: dict[str, Likelihood] = {
    "bernoulli": Likelihood(torch.sigmoid, _bernoulli_surprise, _bernoulli_slope),
    "gaussian": Likelihood(lambda outputs: outputs, _gaussian_surprise, _gaussian_slope),
}
"""Name in the space -> the law. Outputs of `bernoulli` are logits and the numbers from 0 to 1;
`gaussian` has deviation 1 in the scaled numbers, so its slope is that of half the squared error.
"""
