"""What the rows of a game draw from their own generators: latent points, labels, noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trials.contract import Row
from trials.gans.settings import GameSettings
from trials.stacked.noise import generator, normal_tape
from trials.stacked.sending import sent

Shares = Sequence[float]


def latent_tape(
    rng: torch.Generator, distribution: str, n_steps: int, shape: tuple[int, int]
) -> Tensor:
    """Latent points for `n_steps` steps, float32, shape (n_steps, *shape).

    Args:
        rng: The row's own generator.
        distribution: One of `settings.LATENTS`.
        n_steps: Steps.
        shape: Points of a step and Z.
    """
    if distribution == "uniform":
        return torch.empty(n_steps, *shape).uniform_(-1.0, 1.0, generator=rng)
    return normal_tape(rng, n_steps, shape)


class Tapes:
    """The draws of one epoch, in the order of its steps.

    Args:
        rows: Whose seeds count.
        settings: Of the rows.
        epochs: Epoch of each row, counted from 0.
        n_inputs: Inputs of the generator with padding.
        n_features: D, of a point without padding.
        like: Says where and in which precision draws are wanted.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        settings: Sequence[GameSettings],
        epochs: Sequence[int],
        n_inputs: int,
        n_features: int,
        like: Tensor,
    ) -> None:
        self._rows, self._settings, self._epochs = rows, settings, epochs
        self._n_inputs, self._n_features, self._like = n_inputs, n_features, like
        self._noise = [
            s.noise(epoch, row.epochs) for s, epoch, row in zip(settings, epochs, rows, strict=True)
        ]
        self._known: dict[tuple[int, str], torch.Generator] = {}

    def _rng(self, k: int, purpose: str) -> torch.Generator:
        key = (k, purpose)
        if key not in self._known:
            self._known[key] = generator(self._rows[k].seed, purpose, self._epochs[k])
        return self._known[key]

    @property
    def is_hazy(self) -> bool:
        """Whether a row has instance noise in this epoch."""
        return any(self._noise)

    def latent(self, player: str, n_steps: int, n_batch: int) -> Tensor:
        """Latent points for the steps of a player, shape (steps, K, B, inputs)."""
        noise = torch.zeros(n_steps, len(self._rows), n_batch, self._n_inputs)
        for k, settings in enumerate(self._settings):
            rng = self._rng(k, f"{player} latent")
            shape = (n_batch, settings.latent)
            drawn = latent_tape(rng, settings.latent_distribution, n_steps, shape)
            noise[:, k, :, : settings.latent] = drawn
        return sent(noise, self._like.device).to(self._like)

    def haze(self, player: str, n_steps: int, n_batch: int, width: int) -> Tensor | None:
        """Instance noise, shape (steps, K, B, width), zero beyond D; None where no row has any."""
        if not self.is_hazy:
            return None
        haze = torch.zeros(n_steps, len(self._rows), n_batch, width)
        for k, deviation in enumerate(self._noise):
            if deviation:
                shape = (n_batch, self._n_features)
                drawn = normal_tape(self._rng(k, f"{player} noise"), n_steps, shape)
                haze[:, k, :, : self._n_features] = drawn * deviation
        return sent(haze, self._like.device).to(self._like)

    def flips(self, n_steps: int, n_batch: int) -> Tensor | None:
        """1 for points under the other label, else 0, (steps, K, B, 1); None where no row flips."""
        chances = [s.label_flips for s in self._settings]
        if not any(chances):
            return None
        flips = torch.zeros(n_steps, len(self._rows), n_batch, 1)
        for k, chance in enumerate(chances):
            if chance:
                flips[:, k] = self._uniform(k, "label flips", n_steps, n_batch) < chance
        return sent(flips, self._like.device).to(self._like)

    def mixing(self, n_steps: int, n_batch: int) -> Tensor | None:
        """Uniform in [0, 1), (steps, K, B, 1), for rows with a gradient penalty, or None."""
        if not any(s.gradient_penalty for s in self._settings):
            return None
        mixing = torch.zeros(n_steps, len(self._rows), n_batch, 1)
        for k in range(len(self._rows)):
            mixing[:, k] = self._uniform(k, "penalised points", n_steps, n_batch)
        return sent(mixing, self._like.device).to(self._like)

    def _uniform(self, k: int, purpose: str, n_steps: int, n_batch: int) -> Tensor:
        draws = torch.empty(n_steps, n_batch, 1)
        return draws.uniform_(generator=self._rng(k, purpose))
