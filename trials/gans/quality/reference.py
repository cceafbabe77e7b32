"""What a figure would be for real samples: the measure every generator is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Figures: TypeAlias = dict[str, Tensor]
"""Figure by name, one number per row: float64, shape (K,)."""


def beside_real(
    measure: Callable[[Tensor], Figures], samples: Tensor, others: Tensor, seed: int = 0
) -> Figures:
    """Figures of `samples`, and each beside that of as many real ones, as `<name>_real`.

    Distances between finite samples are above 0 even where both are real, the more so the fewer
    they are; only a figure beside real against real at the same size says how good samples are.

    Args:
        measure: From samples (K, N, ...) to their figures.
        samples: Generated samples, shape (K, N, ...).
        others: Real samples that `measure` does not compare with, shape (M, ...), M at least N.
        seed: Of the draw of N of them, without replacement.

    Raises:
        ValueError: There are fewer than N other real samples.
    """
    real = measure(drawn(others, samples.shape[1], seed).unsqueeze(0))
    figures = measure(samples)
    return figures | {f"{name}_real": value.expand(len(samples)) for name, value in real.items()}


def drawn(others: Tensor, n_samples: int, seed: int = 0) -> Tensor:
    """N of `others`, without replacement, as `seed` draws them.

    Raises:
        ValueError: There are fewer.
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
