"""Stochastic gradient descent, plain, with momentum, and with Nesterov's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trials.stacked.optimizers.family import Figures, Tile, of_rows
from trials.stacked.optimizers.rule import Rule
from trials.stacked.runs import runs


class Momentum:
    """`torch.optim.SGD` with dampening 0; `first` is the momentum buffer.

    buffer = momentum * buffer + gradient; p -= rate * buffer, or with Nesterov's momentum
    p -= rate * (gradient + momentum * buffer). Rows without momentum leave the buffer alone.

    Source: Sutskever et al., ICML (2013).
    """

    def __init__(self, rules: Sequence[Rule], tile: Tile) -> None:
        is_moving = [rule.momentum > 0 for rule in rules]
        is_ahead = [rule.momentum > 0 and rule.nesterov for rule in rules]
        self._moving, self._ahead = (
            [
                (tile.rows(rows), tile.column([rule.momentum for rule in rules[rows]]))
                for holds, rows in runs(which)
                if holds
            ]
            for which in (is_moving, is_ahead)
        )
        self._followed = [
            (tile.parameters[rows], (tile.first if is_buffer else tile.gradient)[rows], rows)
            for is_buffer, rows in runs(m > a for m, a in zip(is_moving, is_ahead, strict=True))
        ]

    @staticmethod
    def figures(_rules: Sequence[Rule], rates: Figures, _steps: Figures, /) -> Figures:
        """The negative rate."""
        return -rates[None, None]

    def step(self, figures: Sequence[Tensor]) -> None:
        """Three passes with Nesterov's momentum, two with momentum, one without."""
        for part, momentum in self._moving:
            torch.addcmul(part.gradient, part.first, momentum, out=part.first)
        for part, momentum in self._ahead:
            torch.addcmul(part.gradient, part.first, momentum, out=part.gradient)
        for parameters, direction, rows in self._followed:
            parameters.addcmul_(direction, of_rows(figures[0], rows))
