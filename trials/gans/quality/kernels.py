"""The maximum mean discrepancy: distributions compared by the mean of a kernel over pairs."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from trials.gans.quality.blocks import MOST_BYTES, blocks, distances, products

_MOST_FOR_WIDTH = 2000


class Kernel(Protocol):
    """How alike two samples are."""

    def pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """The kernel of x (k, n, D) with y (k or 1, M, D), shape (k, n, M)."""

    def selves(self, x: Tensor) -> Tensor:
        """The kernel of each sample in x (k, n, D) with itself, shape (k, n)."""


class GaussianMixture:
    """Mean of five Gaussian kernels: half the median distance of real samples, its 1/2, ... 1/16.

    A Gaussian kernel tells any two distributions apart, which a polynomial one of order 3 cannot:
    every other mode of the ring has the moments of the whole ring up to order 3.

    Args:
        real: Samples that set the widths, shape (N, D); their first 2,000 are looked at.

    Source: mixtures of widths, Li, Swersky and Zemel, ICML (2015); the median as the scale,
    Gretton et al., JMLR 13 (2012).
    """

    FACTORS = (0.5, 0.25, 0.125, 0.0625, 0.03125)

    def __init__(self, real: Tensor) -> None:
        some = real[:_MOST_FOR_WIDTH].double()
        median = float(torch.pdist(some).median()) if len(some) > 1 else 0.0
        scale = median or 1.0  # real samples that are all alike have no scale
        self.widths = tuple(factor * scale for factor in self.FACTORS)

    def pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """The kernel of x (k, n, D) with y (k or 1, M, D), shape (k, n, M)."""
        squares = distances(x, y).square_()
        total = squares.mul(-0.5 / self.widths[0] ** 2).exp_()
        narrower = total.clone()
        for _ in self.widths[1:]:
            # half the width is the fourth power
            narrower.square_().square_()
            total += narrower
        return total.div_(len(self.widths))

    def selves(self, x: Tensor) -> Tensor:
        """One for every sample, shape (k, n)."""
        return torch.ones_like(x[:, :, 0])


class Cubic:
    """The kernel (x . y / D + 1)^3 of the kernel inception distance, for features of images.

    Source: Binkowski et al., ICLR (2018).
    """

    def pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """The kernel of x (k, n, D) with y (k or 1, M, D), shape (k, n, M)."""
        return products(x, y).div_(x.shape[2]).add_(1.0).pow_(3)

    def selves(self, x: Tensor) -> Tensor:
        """The kernel of each sample with itself, shape (k, n)."""
        return x.square().mean(2).add_(1.0).pow_(3)


class KernelDistance:
    """Unbiased squared maximum mean discrepancy of generated samples from real ones.

    Args:
        real: Samples, shape (N, D), at least two.
        kernel: How alike two samples are.
        most_bytes: Most memory that pairs of samples may take at a time.
    """

    def __init__(self, real: Tensor, kernel: Kernel, most_bytes: int = MOST_BYTES) -> None:
        self._real = real.double().unsqueeze(0)
        self._kernel = kernel
        self._most_bytes = most_bytes
        self._among_real = self._within(self._real)

    def distance(self, samples: Tensor) -> Tensor:
        """Its value for each row, float64, shape (K,); below 0 by chance where nothing differs.

        Mean over pairs of different generated samples, plus the mean over pairs of different real
        ones, minus twice the mean over pairs of a generated and a real one.

        Args:
            samples: Shape (K, N, D), N at least two.

        Source: Gretton et al., JMLR 13 (2012), lemma 6.
        """
        samples = samples.double()
        n_pairs = samples.shape[1] * self._real.shape[1]
        across = self._sums(samples, self._real) / n_pairs
        return self._within(samples) + self._among_real - 2.0 * across

    def _within(self, x: Tensor) -> Tensor:
        """Mean kernel over pairs of different samples, shape (K,)."""
        n_samples = x.shape[1]
        of_others = self._sums(x, x) - self._kernel.selves(x).sum(1)
        return of_others / (n_samples * (n_samples - 1))

    def _sums(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of the kernel over all pairs, shape (K,)."""
        sums = x.new_zeros(len(x))
        for block in blocks(x, y, self._kernel.pairs, self._most_bytes):
            sums[block.rows] += block.values.sum((1, 2))
        return sums
