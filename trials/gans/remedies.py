"""How players move from step to step: at which rates, within which bounds, and their average."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trials.contract import Row
from trials.gans.settings import GameSettings
from trials.stacked.optimizers import MOMENTS
from trials.stacked.per_row import per_row


class Bounds:
    """What happens to the parameters of one player after each of its moves.

    Args:
        player: "generator" or "discriminator"; prefix of its tensors in `stack`.
        settings: Of the rows.
        stack: Parameters, moments and the average where it is taken, (K, P) each.
        n_batch: Samples that one move of the generator is made of.
    """

    def __init__(
        self,
        player: str,
        settings: Sequence[GameSettings],
        stack: dict[str, Tensor],
        n_batch: int,
    ) -> None:
        self._player, self._settings = player, settings
        self._state = [stack[f"{player}.{kind}"] for kind in ("parameters", *MOMENTS)]
        self._limits: tuple[Tensor, Tensor] | None = None
        if player == "discriminator" and any(s.clip for s in settings):
            limit = self._column([s.clip or math.inf for s in settings])
            self._limits = -limit, limit
        self._average = stack.get(f"{player}.average")
        self._renewal = self._column([_renewal(s.average_half_life, n_batch) for s in settings])
        self._frozen = torch.empty(0, dtype=torch.int64)
        self._before: list[Tensor] = []

    def begin(self, epochs: Sequence[int]) -> None:
        """An epoch begins; rows that stand still in it remember where."""
        frozen = [
            k
            for k, (settings, epoch) in enumerate(zip(self._settings, epochs, strict=True))
            if settings.is_frozen(self._player, epoch)
        ]
        self._frozen = torch.tensor(frozen, dtype=torch.int64, device=self._state[0].device)
        self._before = [tensor[self._frozen] for tensor in self._state]

    def keep(self) -> None:
        """The parameters are clipped, those of frozen rows as before, and averaged."""
        parameters = self._state[0]
        if self._limits is not None:
            torch.clamp(parameters, *self._limits, out=parameters)
        if len(self._frozen):
            for tensor, before in zip(self._state, self._before, strict=True):
                tensor[self._frozen] = before
        if self._average is not None:
            self._average.lerp_(parameters, self._renewal)

    def _column(self, values: Sequence[float]) -> Tensor:
        return per_row(values, self._state[0], 2)


def factors(
    rows: Sequence[Row], settings: Sequence[GameSettings], epochs: Sequence[int]
) -> list[float]:
    """What each row's learning rates are multiplied by in its epoch, counted from 0."""
    return [
        own.factor(epoch, row.epochs)
        for row, own, epoch in zip(rows, settings, epochs, strict=True)
    ]


def _renewal(half_life: float, n_batch: int) -> float:
    """What the newest parameters count for in the average after a move of `n_batch` samples."""
    return 1.0 if half_life == 0 else 1.0 - 0.5 ** (n_batch / half_life)
