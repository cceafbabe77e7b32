"""What a figure would be for real samples: the measure every generator is held against."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

Figures: TypeAlias = dict[str, Tensor]
"""Figure by name, one number per row: float64, shape (K,)."""


def drawn(others: Tensor, n_samples: int, seed: int = 0) -> Tensor:
    """As many real samples as are generated, to be measured as those are.

    Distances between finite samples are above 0 even where both are real, the more so the fewer
    they are; only a figure beside that of real samples at the same size says how good samples are.

    Args:
        others: Real samples that the measure does not compare with, shape (M, ...).
        n_samples: N, at most M.
        seed: Of the draw, without replacement.

    Returns:
        Shape (N, ...).

    Raises:
        ValueError: There are fewer than N.
    """
    if len(others) < n_samples:
        raise ValueError(
            f"others: must hold at least as many real samples as are generated, {n_samples}, "
            f"got {len(others)}"
        )
    rng = torch.Generator().manual_seed(seed)
    chosen: Tensor = torch.randperm(len(others), generator=rng)[:n_samples].to(others.device)
    return others[chosen]


def only_finite(figures: Figures, samples: Tensor) -> Figures:
    """`figures`, with nan for every row of which a sample is not finite."""
    is_whole = samples.isfinite().flatten(1).all(1)
    return {name: values.where(is_whole, torch.nan) for name, values in figures.items()}
