"""What the players of a game want: the costs of the discriminator's logits, and their slopes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

JudgingSlope: TypeAlias = "Callable[[Tensor, Tensor, Tensor], object]"
FoolingSlope: TypeAlias = "Callable[[Tensor, Tensor], object]"


@dataclass(frozen=True)
class Judging:
    """What the discriminator minimises: the mean cost of real points and that of generated ones.

    A target says how real a point is to count, from 0 to 1; the cost of a target between is the
    mixture of both, but for least squares, where it is the distance to the target.

    Attributes:
        cost: Of each logit: (logits, targets), of shapes that broadcast.
        slope: Writes the derivative of the cost at the logits: (logits, targets, out).
        middle: The logit at which it cannot tell.
        is_relative: Only differences of logits count; `middle` is half-way between the means.
    """

    cost: Callable[[Tensor, Tensor], Tensor]
    slope: JudgingSlope
    middle: float = 0.0
    is_relative: bool = False


@dataclass(frozen=True)
class Fooling:
    """What the generator minimises: the mean cost of its points.

    Attributes:
        cost: Of each logit.
        slope: Writes the derivative of the cost at the logits: (logits, out).
    """

    cost: Callable[[Tensor], Tensor]
    slope: FoolingSlope


@dataclass(frozen=True)
class Loss:
    """The costs of both players."""

    judging: Judging
    fooling: Fooling


def _hinge_cost(logits: Tensor, targets: Tensor) -> Tensor:
    real, made = functional.relu(1.0 - logits), functional.relu(1.0 + logits)
    return targets * real + (1.0 - targets) * made


def _hinge_slope(logits: Tensor, targets: Tensor, out: Tensor) -> None:
    torch.mul(1.0 - targets, logits > -1.0, out=out).sub_(targets * (logits < 1.0))


_CROSS_ENTROPY = Judging(
    lambda logits, targets: functional.softplus(logits) - targets * logits,
    lambda logits, targets, out: torch.sigmoid(logits, out=out).sub_(targets),
)
_LEAST_SQUARES = Judging(
    lambda logits, targets: 0.5 * (logits - targets).square(),
    lambda logits, targets, out: torch.sub(logits, targets, out=out),
    middle=0.5,
)
_HINGE = Judging(_hinge_cost, _hinge_slope)
_WASSERSTEIN = Judging(
    lambda logits, targets: (1.0 - 2.0 * targets) * logits,
    lambda _, targets, out: torch.mul(targets, -2.0, out=out).add_(1.0),
    is_relative=True,
)
_RAISE = Fooling(torch.neg, lambda _, out: out.fill_(-1.0))

LOSSES: dict[str, Loss] = {
    # mean log(1 - sigmoid(s)) = mean -softplus(s)
    "minimax": Loss(
        _CROSS_ENTROPY,
        Fooling(
            lambda logits: -functional.softplus(logits),
            lambda logits, out: torch.sigmoid(logits, out=out).neg_(),
        ),
    ),
    # mean -log sigmoid(s) = mean softplus(-s)
    "non_saturating": Loss(
        _CROSS_ENTROPY,
        Fooling(
            lambda logits: functional.softplus(logits) - logits,
            lambda logits, out: torch.sigmoid(logits, out=out).sub_(1.0),
        ),
    ),
    "least_squares": Loss(
        _LEAST_SQUARES,
        Fooling(
            lambda logits: 0.5 * (logits - 1.0).square(),
            lambda logits, out: torch.sub(logits, 1.0, out=out),
        ),
    ),
    "hinge": Loss(_HINGE, _RAISE),
    "wasserstein": Loss(_WASSERSTEIN, _RAISE),
}
"""Name in the space -> what the players minimise, for logits s.

`wasserstein` bounds its discriminator by nothing: it wants `gradient_penalty` or `clip`.

Sources: minimax and non-saturating: Goodfellow et al., NeurIPS (2014); least squares: Mao et al.,
ICCV (2017), with targets 1, 0 and 1; hinge: Lim and Ye, Geometric GAN (2017); Wasserstein:
Arjovsky et al., ICML (2017).
"""
