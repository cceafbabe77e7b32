"""What is done to the inputs of denoising rows, each from its own tape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trials.stacked.batches import Piece
from trials.stacked.noise import generator, keep_tape, keep_threshold, normal_tape
from trials.stacked.sending import sent

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

    def drawn(self, rng: torch.Generator, shape: tuple[int, int, int]) -> Tensor:
        """What `spoil_` takes for inputs of `shape`, (steps, B, D), float32, on the host.

        Every step continues the tape.
        """
        n_steps, n_batch, n_features = shape
        if self.noise == "masking":
            tape = keep_tape(rng, n_steps, (n_batch, n_features))
            return (tape < keep_threshold(self.level)).float()
        return normal_tape(rng, n_steps, (n_batch, n_features))

    def spoil_(self, x: Tensor, drawn: Tensor) -> None:
        """Spoils `x`, shape (steps, B, D), in place with what was `drawn` for it."""
        if self.noise == "masking":
            x.mul_(drawn)
        else:
            x.add_(drawn, alpha=self.level)


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
        seen, (n_steps, _, n_batch, _) = x.clone(), x.shape
        drawn = [
            corruption.drawn(self._tapes[k], (n_steps, n_batch, self._n_features[k]))
            for k, corruption in self._spoilt
        ]
        together = sent(torch.cat([tape.flatten() for tape in drawn]), x.device).to(x)
        parts = together.split_with_sizes([tape.numel() for tape in drawn])
        for (k, corruption), part, tape in zip(self._spoilt, parts, drawn, strict=True):
            corruption.spoil_(seen[:, k, :, : self._n_features[k]], part.view(tape.shape))
        return seen
