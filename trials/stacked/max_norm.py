"""Max-norm: the weights into each unit may not be longer than their row's limit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trials.stacked.layout import Layout, Part


def _of_one_unit(part: Part) -> list[int]:
    """The dimensions of the part's (K, ...) view that hold the weights into one unit."""
    n_of_units = part.joined[0] if part.joined else 1
    order = part.order or tuple(range(len(part.shape)))
    return [1 + place for place, dim in enumerate(order) if dim >= n_of_units]


class MaxNorm:
    """Limits of the weights into every unit, hidden or output, biases apart; none for limit 0.

    Args:
        limits: Greatest Euclidean norm per row; 0 for none.
        layout: Where each tensor lies.
        parameters: (K, P), changed in place.

    Source: Srivastava et al., JMLR 15 (2014), section 5.1.
    """

    def __init__(self, limits: Sequence[float], layout: Layout, parameters: Tensor) -> None:
        views = layout.views(parameters)
        longest = [most or math.inf for most in limits]
        limit = torch.tensor(longest, dtype=torch.float64).to(parameters)
        self._weights = [
            (views[part.name], _of_one_unit(part), limit.view(-1, *[1] * len(part.shape)))
            for part in layout.parts
            if part.is_weight
        ]

    def apply(self) -> None:
        """Weights into a unit that were too long have the greatest norm, and their direction."""
        for weight, dims, limit in self._weights:
            norm = weight.square().sum(dims, keepdim=True).sqrt_()
            weight.mul_(torch.where(norm > limit, limit / norm, 1.0))
