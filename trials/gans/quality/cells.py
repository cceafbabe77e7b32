"""How much of the data generated samples reach, on data with known modes or without."""

from __future__ import annotations

import torch
from torch import Tensor

from trials.gans.quality.blocks import distances

N_CELLS = 16
"""Cells that data without known modes is cut into."""

REACHED_SHARE = 0.2
"""A cell is reached when it gets this part of the samples that it would get of real ones."""

_N_ITERATIONS = 20
_START_SEED = 0


class Cells:
    """The data cut into cells, each the points nearest to one centre.

    However blurred samples are, a generator that knows the whole data reaches every cell, and one
    that collapsed does not: so diversity shows apart from precision, from few samples.

    Args:
        real: Points, shape (N, D).
        modes: The centres, shape (M, D), where they are known; else 16 means of `real` are.

    Source: bins as a sign of collapse, Richardson and Weiss, NeurIPS (2018).
    """

    def __init__(self, real: Tensor, modes: Tensor | None) -> None:
        self._centres = means(real, min(N_CELLS, len(real))) if modes is None else modes
        self._shares = self._occupied(real.unsqueeze(0))

    def reach(self, samples: Tensor) -> Tensor:
        """Share of the real points that lie in reached cells, float64, shape (K,), in [0, 1].

        Args:
            samples: Shape (K, N, D).
        """
        is_reached = self._occupied(samples) >= REACHED_SHARE * self._shares
        return (is_reached * self._shares).sum(1)

    def _occupied(self, samples: Tensor) -> Tensor:
        """Share of `samples` in each cell, float64, shape (K, M)."""
        nearest = distances(samples, self._centres.unsqueeze(0)).argmin(2)
        counts = torch.zeros(
            len(samples), len(self._centres), dtype=torch.float64, device=samples.device
        )
        counts.scatter_add_(1, nearest, torch.ones_like(nearest, dtype=torch.float64))
        return counts / samples.shape[1]


def means(real: Tensor, n_means: int) -> Tensor:
    """Means that 20 rounds of Lloyd's algorithm find in `real`, the same in every process.

    Returns:
        Shape (n_means, D); a mean that loses all its points stays where it is.

    Source: Lloyd, IEEE Trans. Inf. Theory 28 (1982).
    """
    rng = torch.Generator().manual_seed(_START_SEED)
    start = torch.randperm(len(real), generator=rng)[:n_means].to(real.device)
    centres = real[start]
    for _ in range(_N_ITERATIONS):
        nearest = distances(real.unsqueeze(0), centres.unsqueeze(0)).argmin(2)[0]
        belongs = torch.nn.functional.one_hot(nearest, n_means).to(real)
        counts = belongs.sum(0).unsqueeze(1)
        centres = torch.where(counts > 0, belongs.T @ real / counts.clamp(min=1), centres)
    return centres
