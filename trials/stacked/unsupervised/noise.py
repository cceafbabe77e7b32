"""What is done to the inputs of denoising rows, each from its own tape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trials.stacked.batches import Piece
from trials.stacked.noise import generator, keep_tape, keep_threshold, normal_tape

NOISES = ("masking", "gaussian")


@dataclass(frozen=True)
class Corruption:
    """How a row's inputs are spoilt.

    Attributes:
        noise: `masking`: each number is 0 with probability `level`; `gaussian`: normal noise of
            deviation `level` is added.
        level: At least 0; below 1 for masking. 0 leaves the inputs alone.
    """

    noise: str
    level: float

    def spoil_(self, x: Tensor, rng: torch.Generator) -> None:
        """Spoils `x`, shape (steps, B, D), in place; every step continues the tape."""
        n_steps, n_batch, n_features = x.shape
        if self.noise == "masking":
            kept = keep_tape(rng, n_steps, (n_batch, n_features)) < keep_threshold(self.level)
            x.mul_(kept.to(x))
        else:
            x.add_(normal_tape(rng, n_steps, (n_batch, n_features)).to(x), alpha=self.level)


class Spoiling:
    """The tapes of all rows.

    Args:
        corruptions: Of the rows.
        seeds: Of the rows.
        n_features: True D of each row.

    Source: Vincent et al., JMLR 11 (2010).
    """

    def __init__(
        self, corruptions: Sequence[Corruption], seeds: Sequence[int], n_features: Sequence[int]
    ) -> None:
        self._seeds, self._n_features = seeds, n_features
        self._spoilt = [(k, c) for k, c in enumerate(corruptions) if c.level > 0]
        self._tapes: dict[int, torch.Generator] = {}

    def begin(self, epochs: Sequence[int]) -> None:
        """Starts the tapes of an epoch; `epochs` counts from 0."""
        self._tapes = {
            k: generator(self._seeds[k], "corruption", epochs[k]) for k, _ in self._spoilt
        }

    def spoilt(self, x: Tensor, piece: Piece) -> Tensor:
        """`x`, shape (steps, K, B, D), as the rows get to see it; `x` itself is left alone."""
        if not self._spoilt:
            return x
        seen = x.clone()
        for k, corruption in self._spoilt:
            corruption.spoil_(seen[:, k, :, : self._n_features[k]], self._tapes[k])
        return seen
