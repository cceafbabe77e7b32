"""The laws of a restricted Boltzmann machine's visible units, given their inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trials.data.ratings import N_LEVELS
from trials.stacked.losses import ABSENT


@dataclass(frozen=True)
class Visible:
    """Visible units whose inputs are sums of a bias and what the hidden units send.

    Attributes:
        is_normal: Draws are made from standard normal numbers, else from uniform ones in [0, 1).
        padding: Bias of padded units, which are always 0.
        mean: Inputs -> expected values.
        draw: (inputs, tape) -> drawn values.
        energy: (values, bias) -> what the units add to the free energy, shape (K, B).
        bias: Mean of the training points, shape (D,) -> the bias that machines start with.
    """

    is_normal: bool
    padding: float
    mean: Callable[[Tensor], Tensor]
    draw: Callable[[Tensor, Tensor], Tensor]
    energy: Callable[[Tensor, Tensor], Tensor]
    bias: Callable[[Tensor], Tensor]


def _draw_bits(sums: Tensor, tape: Tensor) -> Tensor:
    return bits(torch.sigmoid(sums), tape)


def bits(probability: Tensor, tape: Tensor) -> Tensor:
    """Ones with that probability, else zeros.

    Args:
        probability: Any shape.
        tape: Uniform draws in [0, 1), the same shape.
    """
    return torch.lt(tape, probability, out=torch.empty_like(probability))


def _linear_energy(x: Tensor, bias: Tensor) -> Tensor:
    # a product with one column would depend on the neighbours: MKL treats it as one long vector
    return (x * bias).sum(-1).neg_()


def _squared_energy(x: Tensor, bias: Tensor) -> Tensor:
    return (x - bias).square_().sum(-1).mul_(0.5)


def _log_odds(mean: Tensor) -> Tensor:
    # Hinton's guide: a start at the base rates, so that hidden units need not learn them
    share = mean.clamp(0.01, 0.99)
    return torch.log(share / (1 - share))


def by_group(x: Tensor) -> Tensor:
    """Units (..., D) as (..., groups, N_LEVELS), without those behind the last whole group."""
    n_groups = x.shape[-1] // N_LEVELS
    return x[..., : n_groups * N_LEVELS].reshape(*x.shape[:-1], n_groups, N_LEVELS)


def _ungrouped(x: Tensor, width: int) -> Tensor:
    """The inverse of `by_group`, with zeros behind the last group, shape (..., width)."""
    flat = x.flatten(-2)
    return functional.pad(flat, (0, width - flat.shape[-1]))


def _softmax(sums: Tensor) -> Tensor:
    """Shares that sum to one in each group."""
    return _ungrouped(by_group(sums).softmax(-1), sums.shape[-1])


def _draw_level(sums: Tensor, tape: Tensor) -> Tensor:
    """One unit of each group on, by the largest of the inputs with Gumbel's noise."""
    noisy = sums - torch.log(-torch.log(tape.clamp_min(1e-20)))
    drawn = functional.one_hot(by_group(noisy).argmax(-1), N_LEVELS).to(sums)
    return _ungrouped(drawn, sums.shape[-1])


VISIBLE: dict[str, Visible] = {
    "binary": Visible(False, ABSENT, torch.sigmoid, _draw_bits, _linear_energy, _log_odds),
    "gaussian": Visible(
        True, 0.0, lambda sums: sums, torch.add, _squared_energy, lambda mean: mean
    ),
    "softmax": Visible(
        False,
        ABSENT,
        _softmax,
        _draw_level,
        _linear_energy,
        lambda mean: torch.log(mean + 1e-3),
    ),
}
"""Name in the space -> the units.

`gaussian` ones have deviation 1 and want standardised points; of each group of `softmax` units one
is on, or none where a rating is missing.

Sources: Hinton, A practical guide to training restricted Boltzmann machines (2010); Salakhutdinov,
Mnih and Hinton, ICML (2007), for ratings.
"""


def free_energy(hidden: Tensor, visible: Tensor) -> Tensor:
    """Minus the logarithm of a point's unnormalised probability, in nats, shape (K, B).

    Args:
        hidden: Inputs of the hidden units, shape (K, B, H).
        visible: What the visible units add, shape (K, B).
    """
    return visible - functional.softplus(hidden).sum(-1)
