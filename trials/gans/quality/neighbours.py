"""Precision, recall, density and coverage: who lies within whose nearest neighbours."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from trials.gans.quality.blocks import MOST_BYTES, blocks, distances

N_FOR_PRECISION = 3
"""k of precision and recall, as published."""

N_FOR_COVERAGE = 5
"""k of density and coverage, as published."""


class NeighbourFigures(NamedTuple):
    """Figures of each row, float64, shape (K,).

    Attributes:
        precision: Share of generated samples within the real manifold, in [0, 1].
        recall: Share of real samples within the generated manifold, in [0, 1].
        density: Real neighbourhoods that a generated sample lies in, over k; 1 for real samples
            and above 1 where samples crowd.
        coverage: Share of real neighbourhoods that hold a generated sample, in [0, 1].
    """

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


class Neighbours:
    """Real samples and the balls around them that reach their k-th nearest real neighbour.

    Args:
        real: Samples, shape (N, D), more than five.
        most_bytes: Most memory that pairs of samples may take at a time.

    Raises:
        ValueError: There are too few.
    """

    def __init__(self, real: Tensor, most_bytes: int = MOST_BYTES) -> None:
        _require(real.shape[0], "real samples", N_FOR_COVERAGE)
        self._most_bytes = most_bytes
        self._real = real.double().unsqueeze(0)
        self._tight = radii(self._real, N_FOR_PRECISION, most_bytes)
        self._wide = radii(self._real, N_FOR_COVERAGE, most_bytes)

    def figures(self, samples: Tensor) -> NeighbourFigures:
        """The four figures of `samples`, shape (K, N, D), N more than three.

        A ball holds its border.

        Raises:
            ValueError: There are too few samples.

        Source: precision and recall, Kynkaanniemi et al., NeurIPS (2019); density and coverage,
        Naeem et al., ICML (2020).
        """
        _require(samples.shape[1], "samples", N_FOR_PRECISION)
        samples = samples.double()
        n_rows, n_samples, _ = samples.shape
        own = radii(samples, N_FOR_PRECISION, self._most_bytes)
        n_around, is_in_tight = samples.new_zeros(2, n_rows, n_samples)
        is_held, is_reached = samples.new_zeros(2, n_rows, self._real.shape[1])
        pairs = blocks(samples, self._real, distances, self._most_bytes)
        for rows, part, lengths in pairs:
            is_in_tight[rows, part] = (lengths <= self._tight.unsqueeze(1)).any(2).double()
            is_in_wide = lengths <= self._wide.unsqueeze(1)
            n_around[rows, part] = is_in_wide.sum(2).double()
            is_reached[rows] += is_in_wide.any(1)
            is_held[rows] += (lengths <= own[rows, part].unsqueeze(2)).any(1)
        return NeighbourFigures(
            precision=is_in_tight.mean(1),
            recall=is_held.clamp_(max=1.0).mean(1),
            density=n_around.mean(1) / N_FOR_COVERAGE,
            coverage=is_reached.clamp_(max=1.0).mean(1),
        )


def radii(x: Tensor, k: int, most_bytes: int = MOST_BYTES) -> Tensor:
    """Distance of each sample in `x` (K, N, D) to its k-th nearest other, shape (K, N)."""
    lengths = x.new_empty(x.shape[:2])
    for block in blocks(x, x, distances, most_bytes):
        # the nearest of all is the sample itself
        nearest = block.values.topk(k + 1, dim=2, largest=False, sorted=True).values
        lengths[block.rows, block.samples] = nearest[:, :, k]
    return lengths


def _require(n_samples: int, what: str, k: int) -> None:
    if n_samples <= k:
        raise ValueError(f"{what}: must be more than {k}, got {n_samples}")
