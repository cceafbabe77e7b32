"""The sliced Wasserstein distance: distributions compared along fixed directions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

N_DIRECTIONS = 32
"""Directions that samples are projected on."""

_DIRECTIONS_SEED = 0


class SlicedWasserstein:
    """Distance of generated samples from real ones, in the unit of the data.

    Args:
        real: Samples, shape (N, D).
        n_samples: Generated samples per row.
    """

    def __init__(self, real: Tensor, n_samples: int) -> None:
        self._directions = directions(real.shape[1]).to(real)
        ranks = (torch.arange(n_samples, dtype=torch.float64) + 0.5) / n_samples
        projected = (real @ self._directions).double()
        self._quantiles = torch.quantile(projected, ranks.to(real.device), dim=0).t().to(real)

    def distance(self, samples: Tensor) -> Tensor:
        """Mean over directions of the distance of order 1 between projected distributions.

        In one dimension that distance is the mean difference of quantiles: the i-th of n sorted
        samples against the quantile (i + 1/2) / n of the real samples.

        Args:
            samples: Shape (K, n_samples, D).

        Returns:
            float64, shape (K,).

        Source: Bonneel et al., J. Math. Imaging Vis. 51 (2015).
        """
        spread = self._directions.expand(len(samples), -1, -1)
        projected = torch.bmm(samples, spread).transpose(1, 2).contiguous()
        ordered = projected.sort(dim=2).values
        return ordered.sub_(self._quantiles).abs_().double().mean((1, 2))

    @property
    def centre_distance(self) -> float:
        """The distance of one point, repeated, in the middle of the real samples; above 0."""
        middle = self._quantiles.median(dim=1, keepdim=True).values
        distance = float((self._quantiles - middle).abs().double().mean())
        return distance or 1.0  # real samples that are all alike have no scale


def directions(n_features: int) -> Tensor:
    """Unit vectors, float64, shape (D, N_DIRECTIONS): evenly spread on the half circle for D = 2.

    They are the same in every process.
    """
    if n_features == 2:
        angles = torch.arange(N_DIRECTIONS, dtype=torch.float64) * (math.pi / N_DIRECTIONS)
        return torch.stack([angles.cos(), angles.sin()])
    rng = torch.Generator().manual_seed(_DIRECTIONS_SEED)
    vectors = torch.randn(n_features, N_DIRECTIONS, generator=rng, dtype=torch.float64)
    return torch.nn.functional.normalize(vectors, dim=0)
