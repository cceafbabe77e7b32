"""Initial weights by name, drawn for a row's true widths from its own generator."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Spread = Callable[[int, int], float]
Draw = Callable[[Tensor, int, torch.Generator], object]


def _uniform(half_width: Spread) -> Draw:
    """Fills uniformly; the half width follows from the fans (inputs, outputs)."""

    def fill(weight: Tensor, fan_out: int, rng: torch.Generator) -> None:
        bound = half_width(weight.shape[1], fan_out)
        weight.uniform_(-bound, bound, generator=rng)

    return fill


def _normal(deviation: Spread) -> Draw:
    """Fills with normal numbers; their deviation follows from the fans (inputs, outputs)."""

    def fill(weight: Tensor, fan_out: int, rng: torch.Generator) -> None:
        weight.normal_(0.0, deviation(weight.shape[1], fan_out), generator=rng)

    return fill


def _orthogonal(weight: Tensor, _fan_out: int, rng: torch.Generator) -> None:
    """Fills with orthonormal rows or columns, whichever are fewer, all directions alike likely."""
    is_wide = weight.shape[0] < weight.shape[1]
    normal = torch.empty_like(weight).normal_(generator=rng)
    basis, triangle = torch.linalg.qr(normal.t() if is_wide else normal)
    # without the signs of the diagonal, the directions would not be uniform (Mezzadri 2007)
    basis *= triangle.diagonal().sign()
    weight.copy_(basis.t() if is_wide else basis)


INITIALIZERS: dict[str, Draw] = {
    "uniform": _uniform(lambda n_in, _: 1 / math.sqrt(n_in)),
    "normal": _normal(lambda n_in, _: 1 / math.sqrt(n_in)),
    "xavier_uniform": _uniform(lambda n_in, n_out: math.sqrt(6 / (n_in + n_out))),
    "xavier_normal": _normal(lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
    "he_uniform": _uniform(lambda n_in, _: math.sqrt(6 / n_in)),
    "he_normal": _normal(lambda n_in, _: math.sqrt(2 / n_in)),
    "orthogonal": _orthogonal,
}
"""Name -> what fills a weight of shape (outputs, inputs), given to how many sums an input goes.

Sources: uniform and normal LeCun et al., Efficient BackProp (1998), the former torch's default
for linear layers; Xavier: Glorot and Bengio, AISTATS (2010); He: He et al., ICCV (2015);
orthogonal: Saxe et al., ICLR (2014).
"""


def draw_weight(
    initializer: str, n_in: int, n_out: int, rng: torch.Generator, n_places: int = 1
) -> Tensor:
    """A weight as torch.nn.Linear holds it, float64, shape (n_out, n_in).

    Args:
        initializer: A name in `INITIALIZERS`.
        n_in: Numbers that a unit sees.
        n_out: Units; channels for a convolution.
        rng: The row's generator.
        n_places: Places of a convolution's window, 1 for other weights: an input goes to each
            channel so many times, which Xavier's fan of outputs counts, as in torch.nn.init.
    """
    weight = torch.empty(n_out, n_in, dtype=torch.float64)
    INITIALIZERS[initializer](weight, n_out * n_places, rng)
    return weight
