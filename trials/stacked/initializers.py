"""Initial weights by name, drawn for a row's true widths from its own generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trials.stacked.layout import Layout

INITIALIZERS: dict[str, tuple[str, Callable[[int, int], float]]] = {
    "uniform": ("uniform", lambda n_in, _: 1 / math.sqrt(n_in)),
    "normal": ("normal", lambda n_in, _: 1 / math.sqrt(n_in)),
    "xavier_uniform": ("uniform", lambda n_in, n_out: math.sqrt(6 / (n_in + n_out))),
    "xavier_normal": ("normal", lambda n_in, n_out: math.sqrt(2 / (n_in + n_out))),
    "he_uniform": ("uniform", lambda n_in, _: math.sqrt(6 / n_in)),
    "he_normal": ("normal", lambda n_in, _: math.sqrt(2 / n_in)),
}
"""Name -> kind of distribution, and its half width or standard deviation from the two fans.

Sources: uniform and normal LeCun et al., Efficient BackProp (1998), the former torch's default
for linear layers; Xavier: Glorot and Bengio, AISTATS (2010); He: He et al., ICCV (2015).
"""


def draw_weight(initializer: str, n_in: int, n_out: int, rng: torch.Generator) -> Tensor:
    """A weight as torch.nn.Linear holds it, float64, shape (n_out, n_in)."""
    kind, scale = INITIALIZERS[initializer]
    weight = torch.empty(n_out, n_in, dtype=torch.float64)
    spread = scale(n_in, n_out)
    if kind == "uniform":
        return weight.uniform_(-spread, spread, generator=rng)
    return weight.normal_(0.0, spread, generator=rng)


def draw_perceptron(
    layout: Layout,
    widths: Sequence[int],
    initializer: str,
    rng: torch.Generator,
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    """Named initial tensors of one row with the true `widths`; biases are zero.

    Drawn in float64 whatever `dtype` is, so that precision does not change the start.
    """
    tensors = {}
    for name, shape in layout.shapes(widths).items():
        if len(shape) == 1:
            tensors[name] = torch.zeros(shape, dtype=dtype)
        else:
            tensors[name] = draw_weight(initializer, shape[1], shape[0], rng).to(dtype)
    return tensors
