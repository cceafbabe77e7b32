"""AdaDelta: steps in the units of the parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trials.stacked.optimizers.family import Figures, Tile
from trials.stacked.optimizers.rule import Rule


class AdaDelta:
    """`torch.optim.Adadelta`; `first` is the mean squared step, `second` the mean square gradient.

    Source: Zeiler, arXiv:1212.5701 (2012).
    """

    def __init__(self, rules: Sequence[Rule], tile: Tile) -> None:
        self._tile = tile
        self._share = tile.column([1 - rule.rho for rule in rules])
        self._epsilon = tile.column([rule.epsilon for rule in rules])

    @staticmethod
    def figures(_rules: Sequence[Rule], rates: Figures, _steps: Figures, /) -> Figures:
        """The negative rate."""
        return -rates[None, None]

    def step(self, figures: Sequence[Tensor]) -> None:
        """Eleven passes; the gradient becomes the step before its rate."""
        parameters, move, first, second, scratch, _ = self._tile
        torch.mul(move, move, out=scratch)
        second.lerp_(scratch, self._share)
        torch.add(second, self._epsilon, out=scratch).sqrt_()
        move.div_(scratch)
        torch.add(first, self._epsilon, out=scratch).sqrt_()
        move.mul_(scratch)
        torch.mul(move, move, out=scratch)
        first.lerp_(scratch, self._share)
        parameters.addcmul_(move, figures[0])
