"""How an epoch is cut into steps and pieces, and how rows pick their own points for each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from trials.stacked.noise import MOST_BYTES, data_order

_BATCH_LANES = 8
"""Padded batches are multiples of it: with widths in whole lanes, a row's block fills registers."""


MOST_EVALUATED = 2**18
"""Numbers of one layer that one row may hold while it is evaluated."""


@dataclass(frozen=True)
class Piece:
    """Consecutive steps of one batch size, whose tapes and batches fit in memory together.

    Attributes:
        first: Its first step, counted from 0 in the epoch.
        n_steps: Its steps.
        n_points: Points of each batch.
        n_batch: B, the batch padded to whole lanes with points of weight zero.
    """

    first: int
    n_steps: int
    n_points: int
    n_batch: int

    def answers(self, n: int) -> Piece:
        """The same steps where each point has `n` answers, each of which counts like a point."""
        return replace(self, n_points=self.n_points * n, n_batch=self.n_batch * n)

    def weight(self, width: int, n_outputs: int, like: Tensor) -> Tensor:
        """1 / points for real points and outputs, else 0; shape (B, C) of padded `width`."""
        weight = like.new_zeros(self.n_batch, width)
        weight[: self.n_points, :n_outputs] = 1.0 / self.n_points
        return weight


def padded_batch(n_points: int) -> int:
    """`n_points` rounded up to whole lanes."""
    return -(-n_points // _BATCH_LANES) * _BATCH_LANES


def evaluated_at_once(n_numbers: int) -> int:
    """Points that are evaluated together, a multiple of 8; `n_numbers` of a layer for each."""
    return max(_BATCH_LANES, MOST_EVALUATED // n_numbers // _BATCH_LANES * _BATCH_LANES)


def pieces(n_points: int, batch_size: int, numbers_per_point: int) -> Iterator[Piece]:
    """The steps of one pass over `n_points`; the last batch may be smaller and is never dropped.

    Args:
        n_points: N.
        batch_size: Points of each batch but the last; at most N are used.
        numbers_per_point: Numbers that all rows together hold for one point of each step; it
            decides the length of the pieces, never a result.
    """
    batch_size = min(batch_size, n_points)
    n_full, n_rest = divmod(n_points, batch_size)
    n_batch = padded_batch(batch_size)
    most = max(1, MOST_BYTES // (8 * numbers_per_point * n_batch))
    for first in range(0, n_full, most):
        yield Piece(first, min(most, n_full - first), batch_size, n_batch)
    if n_rest:
        yield Piece(n_full, 1, n_rest, padded_batch(n_rest))


class Order:
    """Each row's own permutation of the points in one epoch.

    Args:
        seeds: Of the rows.
        epochs: Epoch of each row, counted from 0.
        n_points: N; index N stands for padding.
    """

    def __init__(self, seeds: Sequence[int], epochs: Sequence[int], n_points: int) -> None:
        orders = [
            data_order(seed, epoch, n_points) for seed, epoch in zip(seeds, epochs, strict=True)
        ]
        self._order = torch.stack(orders)
        self._n_points = n_points
        self._next = 0

    def take(self, piece: Piece) -> Tensor:
        """Points of the next `piece`, int64, shape (steps, K, B)."""
        n_taken = piece.n_steps * piece.n_points
        points = self._order[:, self._next : self._next + n_taken]
        self._next += n_taken
        points = points.reshape(len(points), piece.n_steps, piece.n_points).transpose(0, 1)
        n_padding = piece.n_batch - piece.n_points
        return functional.pad(points, (0, n_padding), value=self._n_points).contiguous()


def table(points: Tensor, width: int) -> Tensor:
    """`points`, shape (N, D), padded to `width` columns and by one point of zeros."""
    return functional.pad(points, (0, width - points.shape[1], 0, 1))
