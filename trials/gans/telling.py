"""What generators are told besides noise, and where it comes from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor


def in_turn(table: Tensor, n_samples: int) -> Tensor:
    """Rows of the table one after another, and again from the first; `n_samples` in all."""
    return table[torch.arange(n_samples, device=table.device) % len(table)]


class Telling(ABC):
    """The inputs of K generators that follow the latent ones."""

    @abstractmethod
    def begin(self, epochs: Sequence[int]) -> None:
        """An epoch begins; `epochs` counts from 0, one per row."""

    @abstractmethod
    def n_told(self, k: int) -> int:
        """How many inputs row k has."""

    @abstractmethod
    def told(self, player: str, n_steps: int, points: Tensor) -> Tensor:
        """What is told for the steps of a player.

        Args:
            player: "generator" or "discriminator".
            n_steps: Its steps.
            points: Real points of these steps, shape (steps, K, B, D).

        Returns:
            Shape (steps, K, B, E), zero beyond a row's own inputs.
        """

    def join(self, latent: Tensor, sizes: Sequence[int]) -> Tensor:
        """Latent inputs (K, N, Z), followed by what is told for samples that are measured.

        Args:
            latent: Changed in place.
            sizes: Latent features of each row.
        """
        if any(self.n_told(k) for k in range(len(sizes))):
            self.put(latent, self.evaluated(latent.shape[1]), sizes)
        return latent

    def put(self, latent: Tensor, told: Tensor, sizes: Sequence[int]) -> None:
        """Writes what is told, (..., K, B, E), behind the latent features of each row."""
        for k, size in enumerate(sizes):
            n_told = self.n_told(k)
            latent[..., k, :, size : size + n_told] = told[..., k, :, :n_told]

    @abstractmethod
    def evaluated(self, n_samples: int) -> Tensor:
        """What is told for the samples that are measured, shape (K, n_samples, E)."""

    def codes(self, told: Tensor) -> Tensor | None:
        """What the discriminator's further outputs should say of them, (..., 16), or None."""
        return None


class Nothing(Telling):
    """Generators that are told nothing."""

    def begin(self, epochs: Sequence[int]) -> None:
        """Nothing begins."""

    def n_told(self, k: int) -> int:
        """None."""
        return 0

    def told(self, player: str, n_steps: int, points: Tensor) -> Tensor:
        """No numbers."""
        return points[:n_steps, :, :, :0]

    def evaluated(self, n_samples: int) -> Tensor:
        """Never asked for."""
        raise NotImplementedError


class Shown(Telling):
    """Generators that are told some columns of the step's real points.

    Args:
        columns: Which.
        asked: What is told for samples that are measured, in turn, shape (V, E).
        n_rows: K.
    """

    def __init__(self, columns: slice, asked: Tensor, n_rows: int) -> None:
        self._columns, self._asked, self._n_rows = columns, asked, n_rows

    def begin(self, epochs: Sequence[int]) -> None:
        """Nothing is drawn."""

    def n_told(self, k: int) -> int:
        """As many for each row."""
        return self._asked.shape[1]

    def told(self, player: str, n_steps: int, points: Tensor) -> Tensor:
        """Columns of the step's real points, shape (steps, K, B, E)."""
        return points[..., self._columns]

    def evaluated(self, n_samples: int) -> Tensor:
        """Those of validation points in turn, shape (K, n_samples, E)."""
        return in_turn(self._asked, n_samples).expand(self._n_rows, -1, -1)
