"""Factors of hidden units: dropout from each row's own tape, and zero for padded units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trials.stacked.batches import Piece
from trials.stacked.noise import generator, keep_tape, keep_threshold
from trials.stacked.workspace import Workspace


def padding_masks(
    units: Sequence[int], n_layers: int, width: int, like: Tensor
) -> list[Tensor] | None:
    """One for real and zero for padded units, (K, 1, H) per hidden layer; None for all ones."""
    if all(n == width for n in units):
        return None
    real = torch.arange(width) < torch.tensor(units).unsqueeze(1)
    return [real.unsqueeze(1).to(like)] * n_layers


class Dropout:
    """Inverted dropout after every hidden layer, each row with its own rate and true width.

    Args:
        rates: Probability of dropping a unit per row, in [0, 1).
        seeds: Of the rows.
        units: True width of the hidden layers per row.
        n_layers: Hidden layers.
        width: H, the padded width.
        mask_padding: Padded units are not zero by themselves.
        like: Says where and in which precision masks are wanted.

    Source: Srivastava et al., JMLR 15 (2014); inverted: kept units are divided by the
    probability of keeping them.
    """

    def __init__(
        self,
        rates: Sequence[float],
        seeds: Sequence[int],
        units: Sequence[int],
        n_layers: int,
        width: int,
        mask_padding: bool,
        like: Tensor,
    ) -> None:
        self._rates, self._seeds, self._units = rates, seeds, units
        self._n_layers, self._width, self._like = n_layers, width, like
        self._workspace = Workspace(torch.device("cpu"), like.dtype)
        self._is_used = n_layers > 0 and any(rate > 0 for rate in rates)
        self._tapes: list[torch.Generator] = []
        self.resting = padding_masks(units, n_layers, width, like) if mask_padding else None
        """Factors without dropout, one tensor (K, 1, H) per hidden layer; None for all ones."""

    def begin(self, epochs: Sequence[int]) -> None:
        """Starts the tapes of an epoch; `epochs` counts from 0."""
        if self._is_used:
            self._tapes = [
                generator(seed, "dropout", epoch)
                for seed, epoch in zip(self._seeds, epochs, strict=True)
            ]

    def masks(self, piece: Piece) -> list[Sequence[Tensor] | None]:
        """Factors for each step of the next `piece`: per hidden layer (K, B, H), or None."""
        if not self._is_used:
            return [self.resting] * piece.n_steps
        n, b, h = piece.n_steps, piece.n_batch, self._width
        masks = self._workspace.take("masks", n, self._n_layers, len(self._rates), b, h)
        for k, (rate, units) in enumerate(zip(self._rates, self._units, strict=True)):
            row = masks[:, :, k, :, :units]
            masks[:, :, k, :, units:] = 0.0
            if rate == 0:
                row.fill_(1.0)
                continue
            tape = keep_tape(self._tapes[k], n, (self._n_layers, b, units))
            kept = torch.lt(
                tape, keep_threshold(rate), out=self._workspace.take("kept", *tape.shape)
            )
            torch.mul(kept, 1.0 / (1.0 - rate), out=row)
        return [step.unbind(0) for step in masks.to(self._like.device).unbind(0)]
