"""Every sample against every other in bounded memory: pairs are formed block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

MOST_BYTES = 64 * 2**20
"""Most memory that the pairs of one block may take; it never decides a result."""


class Block(NamedTuple):
    """Some samples of some rows, paired with every sample they are compared to.

    Attributes:
        rows: Which rows.
        samples: Which samples of each of these rows.
        values: What was asked about each pair, shape (rows, samples, M).
    """

    rows: slice
    samples: slice
    values: Tensor


def blocks(
    x: Tensor, y: Tensor, pairing: Callable[[Tensor, Tensor], Tensor], most_bytes: int
) -> Iterator[Block]:
    """`pairing` of every sample in `x` with all of the same row in `y`.

    Args:
        x: Samples, shape (K, N, D).
        y: What they are paired with, shape (K, M, D), or (1, M, D) for the same in every row.
        pairing: From (k, n, D) and (k or 1, M, D) to (k, n, M).
        most_bytes: Of the pairs of one block; one sample against all others always fits.
    """
    n_rows, n_samples, _ = x.shape
    bytes_per_sample = y.shape[1] * y.element_size()
    n_together = max(1, most_bytes // max(1, bytes_per_sample))
    samples_step = max(1, min(n_samples, n_together))
    rows_step = max(1, n_together // samples_step)
    for first_row in range(0, n_rows, rows_step):
        rows = slice(first_row, min(first_row + rows_step, n_rows))
        others = y if len(y) == 1 else y[rows]
        for first in range(0, n_samples, samples_step):
            samples = slice(first, min(first + samples_step, n_samples))
            yield Block(rows, samples, pairing(x[rows, samples], others))


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances, shape (k, n, M); exactly 0 between equal samples."""
    # through a matrix product equal samples would come out apart
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def products(x: Tensor, y: Tensor) -> Tensor:
    """Inner products, shape (k, n, M)."""
    return torch.matmul(x, y.transpose(1, 2))
