"""Factors of units: dropout from each row's own tape, and zero for padded units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trials.stacked.activations import ACTIVATIONS
from trials.stacked.batches import Piece
from trials.stacked.network import Site
from trials.stacked.noise import generator, keep_tape, keep_threshold
from trials.stacked.sending import sent
from trials.stacked.workspace import Workspace


def real_units(counts: Sequence[int], width: int, like: Tensor) -> Tensor:
    """One for real and zero for padded units, shape (K, width)."""
    return (torch.arange(width) < torch.tensor(counts).unsqueeze(1)).to(like)


def padding_masks(
    activations: Sequence[str], units: Sequence[int], n_layers: int, width: int, like: Tensor
) -> list[Tensor] | None:
    """One for real and zero for padded units, (K, 1, H) per hidden layer.

    None where no row is padded, or no row's activation moves a zero.
    """
    moves_zero = any(ACTIVATIONS[name].moves_zero for name in activations)
    if not moves_zero or all(n == width for n in units):
        return None
    return [real_units(units, width, like).unsqueeze(1)] * n_layers


class Dropout:
    """Inverted dropout at every site of a network, each row with its own rates and true shapes.

    Args:
        sites: Of each row; rows with fewer of them come later and lack the first.
        padded: The padded shape of each site.
        seeds: Of the rows.
        like: Says where and in which precision masks are wanted.

    Source: Srivastava et al., JMLR 15 (2014); inverted: kept units are divided by the
    probability of keeping them.
    """

    def __init__(
        self,
        sites: Sequence[Sequence[Site]],
        padded: Sequence[tuple[int, ...]],
        seeds: Sequence[int],
        like: Tensor,
    ) -> None:
        self._sites, self._padded, self._seeds, self._like = sites, padded, seeds, like
        self._workspace = Workspace(torch.device("cpu"), like.dtype)
        self._n_rows = [sum(len(row) >= n for row in sites) for n in range(len(padded), 0, -1)]
        self._scales = [
            torch.tensor(
                [1.0 / (1.0 - row[-n].rate) for row in sites if len(row) >= n], dtype=like.dtype
            )
            for n in range(len(padded), 0, -1)
        ]
        self._is_used = any(site.rate > 0 for row in sites for site in row)
        self._tapes: list[torch.Generator] = []

    @property
    def n_numbers(self) -> int:
        """Numbers that the masks of one row hold for one point."""
        return sum(math.prod(shape) for shape in self._padded) if self._is_used else 0

    def begin(self, epochs: Sequence[int]) -> None:
        """Starts the tapes of an epoch; `epochs` counts from 0."""
        if self._is_used:
            self._tapes = [
                generator(seed, "dropout", epoch)
                for seed, epoch in zip(self._seeds, epochs, strict=True)
            ]

    def masks(self, piece: Piece) -> Sequence[Sequence[Tensor] | None]:
        """Factors for each step of the next `piece`: per site (K, B, *site), or None.

        Rows that lack a site are missing behind the others.
        """
        if not self._is_used:
            return [None] * piece.n_steps
        masks = [
            self._workspace.take(f"mask.{i}", piece.n_steps, n_rows, piece.n_batch, *shape)
            for i, (shape, n_rows) in enumerate(zip(self._padded, self._n_rows, strict=True))
        ]
        for k, sites in enumerate(self._sites):
            self._fill(k, sites, [mask[:, k] for mask in masks[len(masks) - len(sites) :]])
        for mask, scale in zip(masks, self._scales, strict=True):
            mask.mul_(scale.view(-1, *[1] * (mask.dim() - 2)))
        steps = [sent(mask, self._like.device).unbind(0) for mask in masks]
        return list(zip(*steps, strict=True))

    def _fill(self, k: int, sites: Sequence[Site], masks: Sequence[Tensor]) -> None:
        """Writes 1 for kept units of row k, whose part of each site is (steps, B, *site)."""
        if not sites:
            return
        n_steps, n_batch = masks[0].shape[:2]
        lengths = [n_batch * math.prod(site.shape) for site in sites]
        tapes: Sequence[Tensor] = ()
        if any(site.rate > 0 for site in sites):
            tapes = torch.split(keep_tape(self._tapes[k], n_steps, (sum(lengths),)), lengths, 1)
        for i, (site, mask) in enumerate(zip(sites, masks, strict=True)):
            true = mask
            for dim, length in enumerate(site.shape, 2):
                true = true.narrow(dim, 0, length)
            if true.shape != mask.shape:
                mask.fill_(0.0)
            if site.rate == 0:
                true.fill_(1.0)
                continue
            torch.lt(tapes[i].view(true.shape), keep_threshold(site.rate), out=true)
