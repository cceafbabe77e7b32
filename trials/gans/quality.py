"""How good generated samples are: their distance from real points and the modes they reach."""

from __future__ import annotations

import math

import torch
from torch import Tensor

N_SAMPLES = 256
"""Samples per row that every figure is computed from."""

_N_DIRECTIONS = 32


class Quality:
    """Figures of generated samples against one part of the data.

    Args:
        real: Points, shape (N, D).
        modes: Centres of the true modes, shape (M, D), where they are known.
        mode_std: Standard deviation of a mode in each direction.
    """

    def __init__(self, real: Tensor, modes: Tensor | None, mode_std: float | None) -> None:
        self._directions = _directions(real.shape[1]).to(real)
        ranks = (torch.arange(N_SAMPLES, dtype=torch.float64) + 0.5) / N_SAMPLES
        projected = (real @ self._directions).double()
        self._quantiles = torch.quantile(projected, ranks.to(real.device), dim=0).t().to(real)
        self._modes = modes
        self._mode_std = mode_std or 0.0

    def figures(self, samples: Tensor) -> dict[str, Tensor]:
        """Figures by name, one number per row, float64, shape (K,).

        Args:
            samples: Generated points, shape (K, N_SAMPLES, D).

        Returns:
            `sample_distance`, and `high_quality` and `modes` where the modes are known; all of
            them not finite where a sample is not.
        """
        distance = self._sliced_wasserstein(samples)
        figures = {"sample_distance": distance}
        if self._modes is not None:
            for name, values in self._mode_figures(samples, self._modes).items():
                figures[name] = values.where(distance.isfinite(), torch.nan)
        return figures

    def _sliced_wasserstein(self, samples: Tensor) -> Tensor:
        """Mean over directions of the distance of order 1 between projected distributions.

        In one dimension that distance is the mean difference of quantiles: the i-th of n sorted
        samples against the quantile (i + 1/2) / n of the real points.

        Source: Bonneel et al., J. Math. Imaging Vis. 51 (2015).
        """
        directions = self._directions.expand(len(samples), -1, -1)
        projected = torch.bmm(samples, directions).transpose(1, 2).contiguous()
        ordered = projected.sort(dim=2).values
        return ordered.sub_(self._quantiles).abs_().double().mean((1, 2))

    def _mode_figures(self, samples: Tensor, modes: Tensor) -> dict[str, Tensor]:
        """Share of samples within three deviations of a mode, and number of captured modes.

        A mode is captured when it gets at least one per cent of its fair share of these samples.

        Source: the 3-deviation rule of Srivastava et al., VEEGAN, NeurIPS (2017).
        """
        squares = (samples.unsqueeze(2) - modes).square_().sum(3)
        nearest = squares.min(2)
        is_good = nearest.values <= (3.0 * self._mode_std) ** 2
        places = torch.arange(len(modes), device=modes.device)
        hits = ((nearest.indices.unsqueeze(2) == places) & is_good.unsqueeze(2)).sum(1)
        n_good = hits.sum(1, keepdim=True)
        is_captured = (hits > 0) & (100 * len(modes) * hits >= n_good)
        return {
            "high_quality": n_good.squeeze(1).double() / samples.shape[1],
            "modes": is_captured.sum(1).double(),
        }


def _directions(n_features: int) -> Tensor:
    """Unit vectors, float64, shape (D, 32): evenly spread on the half circle for D = 2."""
    if n_features == 2:
        angles = torch.arange(_N_DIRECTIONS, dtype=torch.float64) * (math.pi / _N_DIRECTIONS)
        return torch.stack([angles.cos(), angles.sin()])
    rng = torch.Generator().manual_seed(0)
    vectors = torch.randn(n_features, _N_DIRECTIONS, generator=rng, dtype=torch.float64)
    return torch.nn.functional.normalize(vectors, dim=0)
