"""The tensors that a row starts with: weights drawn by its initializer, the rest constant."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trials.stacked.initializers import draw_weight
from trials.stacked.layout import Layout


def draw(
    layout: Layout,
    initializer: str,
    rng: torch.Generator,
    dtype: torch.dtype,
    scale: float = 1.0,
) -> dict[str, Tensor]:
    """The named tensors of one row, as torch.nn stores them.

    Drawn in float64 whatever `dtype` is, so that precision does not change the start.

    Args:
        layout: The row's true shapes.
        initializer: Name of the initializer.
        rng: The row's generator for weights.
        dtype: Of the result.
        scale: Factor of the drawn weights.
    """
    tensors = {}
    for part in layout.parts:
        shape = part.torch_shape
        if part.start is not None:
            tensors[part.name] = torch.full(shape, part.start, dtype=dtype)
            continue
        n_in, n_places = math.prod(shape[1:]), math.prod(shape[2:])
        drawn = draw_weight(initializer, n_in, shape[0], rng, n_places)
        tensors[part.name] = (drawn * scale).view(shape).to(dtype)
    return tensors
