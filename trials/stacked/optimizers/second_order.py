"""Second-order updaters of K rows at once, each on an objective of its own that stays the same.

They see gradients alone, never values: any loss that can be learnt has one. Nothing is remembered
from one call to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

ITERATIONS = 10
"""Steps of a call of L-BFGS and of conjugate gradient; products of one of Hessian-free are twice
as many."""

_MOST_LOOKS = 8
"""Points that a search along a direction looks at."""

_FLAT = 0.1
"""A search ends where the slope is this share of the one at its start."""

_LEAST_CURVATURE = 1e-10
"""Below it, a step says nothing of the curvature; as in torch.optim.LBFGS."""


class Objective(Protocol):
    """What K rows minimise; numbers of a row that are not parameters have zeros in every result.

    Attributes:
        parameters: (K, P), moved in place by the updaters.
    """

    parameters: Tensor

    def gradient(self) -> Tensor:
        """The gradient at the parameters, (K, P), free to be kept."""

    def bend(self, direction: Tensor) -> Tensor:
        """The Gauss-Newton matrix at the parameters times `direction`, (K, P), and a constant."""


Updater = Callable[[Objective, Tensor], None]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """The product of each row, (K, 1)."""
    return (a * b).sum(1, keepdim=True)


def _share(a: Tensor, b: Tensor) -> Tensor:
    """The ratio a / b, and zero where b is not above zero."""
    return torch.where(b > 0, a / b, 0.0)


def lbfgs(objective: Objective, rates: Tensor) -> None:
    """Ten steps of torch.optim.LBFGS, without a line search, from an empty memory.

    Args:
        objective: Its parameters are moved.
        rates: Length of the steps against Newton's, (K, 1); 1 is the method's own.

    Source: Liu and Nocedal, Mathematical Programming 45 (1989).
    """
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    scale, step = torch.ones_like(rates), torch.empty(0)
    before, is_going = torch.empty(0), torch.ones_like(rates, dtype=torch.bool)
    for i in range(ITERATIONS):
        gradient = objective.gradient()
        if i:
            change = gradient - before
            along = _dot(change, step)
            is_curved = along > _LEAST_CURVATURE
            scale = torch.where(is_curved, along / _dot(change, change), scale)
            pairs.append((change, step, torch.where(is_curved, 1.0 / along, 0.0)))
        direction = _newton(gradient, pairs, scale)
        first = (1.0 / gradient.abs().sum(1, keepdim=True)).clamp_max_(1.0)
        is_going = is_going & (_dot(gradient, direction) <= 0)
        step = torch.where(is_going, direction * (rates if i else rates * first), 0.0)
        objective.parameters.add_(step)
        before = gradient


def _newton(gradient: Tensor, pairs: list[tuple[Tensor, Tensor, Tensor]], scale: Tensor) -> Tensor:
    """Minus the remembered inverse curvature times the gradient, by the loops of two recursions."""
    direction, shares = -gradient, []
    for change, step, inverse in reversed(pairs):
        share = _dot(step, direction) * inverse
        direction = direction - change * share
        shares.append(share)
    direction = direction * scale
    for (change, step, inverse), share in zip(pairs, reversed(shares), strict=True):
        direction = direction + step * (share - _dot(change, direction) * inverse)
    return direction


def conjugate_gradient(objective: Objective, rates: Tensor) -> None:
    """Ten steps of nonlinear conjugate gradient from the steepest descent on.

    Args:
        objective: Its parameters are moved.
        rates: Length of the first step that is looked at, (K, 1).

    Source: Polak and Ribière (1969), with restarts where their factor is negative (Powell 1984).
    """
    gradient = objective.gradient()
    direction, length = -gradient, rates
    for _ in range(ITERATIONS):
        length = _descend(objective, direction, _dot(gradient, direction), length)
        found = objective.gradient()
        factor = _share(_dot(found, found - gradient), _dot(gradient, gradient)).clamp_min_(0.0)
        direction, gradient = direction * factor - found, found
        is_down = _dot(gradient, direction) < 0
        direction = torch.where(is_down, direction, -gradient)
        length = torch.where(length > 0, length, rates)


def hessian_free(objective: Objective, rates: Tensor) -> None:
    """One step of Newton's method with the Gauss-Newton matrix, solved by conjugate gradient.

    Args:
        objective: Its parameters are moved.
        rates: The matrix is damped by 1 / rate, (K, 1): small rates descend along the gradient
            with that rate, large ones make the step that is best for the matrix.

    Source: Martens, ICML (2010).
    """
    gradient = objective.gradient()
    direction = _solve(objective, gradient, 1.0 / rates)
    _descend(objective, direction, _dot(gradient, direction), torch.ones_like(rates))


def _solve(objective: Objective, gradient: Tensor, damping: Tensor) -> Tensor:
    """The direction whose product with the damped matrix is minus the gradient, nearly."""
    still = objective.bend(torch.zeros_like(gradient))
    direction, rest = torch.zeros_like(gradient), -gradient
    way, size = rest, _dot(rest, rest)
    enough = size * torch.finfo(size.dtype).eps
    for _ in range(2 * ITERATIONS):
        bent = objective.bend(way) - still + way * damping
        curvature = _dot(way, bent)
        length = torch.where(size > enough, _share(size, curvature), 0.0)
        direction = direction + way * length
        rest = rest - bent * length
        before, size = size, _dot(rest, rest)
        way = rest + way * torch.where(before > enough, _share(size, before), 0.0)
    return direction


def _descend(objective: Objective, direction: Tensor, slope: Tensor, length: Tensor) -> Tensor:
    """Moves each row along its direction to where the slope is nearly zero.

    Args:
        objective: Its parameters are moved.
        direction: (K, P).
        slope: At the start along the direction, negative, (K, 1).
        length: Of the first step that is looked at, (K, 1).

    Returns:
        The length of the step, (K, 1); zero where only longer or worse ones were seen.
    """
    start = objective.parameters.clone()
    low, at_low = torch.zeros_like(length), slope
    high, at_high = torch.full_like(length, torch.inf), slope
    is_done = ~(slope < 0)
    length = torch.where(is_done, 0.0, length)
    for _ in range(_MOST_LOOKS):
        torch.addcmul(start, direction, length, out=objective.parameters)
        here = _dot(objective.gradient(), direction)
        is_done = is_done | (here.abs() <= _FLAT * slope.abs())
        if bool(is_done.all()):
            break
        is_short = here < 0
        low, at_low = torch.where(is_short, length, low), torch.where(is_short, here, at_low)
        high, at_high = torch.where(is_short, high, length), torch.where(is_short, at_high, here)
        share = torch.nan_to_num(at_low / (at_low - at_high), nan=0.1, posinf=0.1, neginf=0.1)
        between = low + (high - low) * share.clamp(0.1, 0.9)
        further = torch.where(high.isinf(), 4.0 * length, between)
        length = torch.where(is_done, length, further)
    length = torch.where(is_done, length, low)
    torch.addcmul(start, direction, length, out=objective.parameters)
    return length


WHOLE: dict[str, Updater] = {
    "lbfgs": lbfgs,
    "cg": conjugate_gradient,
    "hessian_free": hessian_free,
}
"""Name of an optimizer that sees the whole training part at every step -> one epoch of it."""
