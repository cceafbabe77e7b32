"""Optimizers that divide by the root of past squared gradients: AdaGrad, RMSprop, Adam, AdamW."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trials.stacked.optimizers.family import Figures, Tile, of_rows
from trials.stacked.optimizers.rule import Rule
from trials.stacked.runs import runs

_ADAM = ("adam", "adamw")


def _memory(rule: Rule) -> float:
    """The share of the summed squares that a step keeps."""
    if rule.optimizer in _ADAM:
        return rule.beta2
    return rule.rho if rule.optimizer == "rmsprop" else 1.0


def _way(rule: Rule) -> str:
    """What is divided by the root: the mean gradient or the gradient; or what feeds a buffer."""
    if rule.optimizer in _ADAM:
        return "mean"
    return "buffer" if rule.optimizer == "rmsprop" and rule.momentum > 0 else "gradient"


def _shrinks(rule: Rule) -> bool:
    return rule.optimizer == "adamw" and rule.decay > 0


class Adaptive:
    """`torch.optim.Adagrad`, `RMSprop` (not centered), `Adam` and `AdamW` in shared passes.

    `second` is the sum of squared gradients in which each step keeps `_memory` of the sum before:
    torch's mean divided by (1 - memory). `first` is Adam's mean gradient or RMSprop's momentum
    buffer. Rates and bias corrections are folded into two numbers per row and step:
    root = scale * sqrt(second) + shift. The least normal number stands for smaller ones under the
    root, far below every epsilon of use: of a zero, as padding has, torch takes the root 20 times
    slower (MKL on a CPU, 2026-11).

    Sources: Duchi et al., JMLR 12 (2011); Tieleman and Hinton, lecture 6.5 (2012); Kingma and
    Ba, ICLR (2015); Loshchilov and Hutter, ICLR (2019).
    """

    def __init__(self, rules: Sequence[Rule], tile: Tile) -> None:
        self._gradient, self._second, self._root = tile.gradient, tile.second, tile.scratch
        self._least = torch.finfo(tile.second.dtype).tiny
        self._memory = tile.column([_memory(rule) for rule in rules])
        self._straight: list[tuple[Tensor, Tensor, Tensor]] = []
        self._mean: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = []
        self._buffer: list[tuple[Tile, Tensor, slice]] = []
        for way, rows in runs(map(_way, rules)):
            part = tile.rows(rows)
            parameters, gradient, first, _, root, _ = part
            if way == "gradient":
                self._straight.append((parameters, gradient, root))
            elif way == "mean":
                share = tile.column([1 - rule.beta1 for rule in rules[rows]])
                self._mean.append((parameters, gradient, first, root, share))
            else:
                momentum = tile.column([rule.momentum for rule in rules[rows]])
                self._buffer.append((part, momentum, rows))
        self._shrunk = [
            (tile.parameters[rows, : tile.n_weights], rows)
            for shrinks, rows in runs(map(_shrinks, rules))
            if shrinks
        ]

    @staticmethod
    def figures(rules: Sequence[Rule], rates: Figures, steps: Figures, /) -> Figures:
        """Scale and shift of the root; where needed, AdamW's kept share or the buffer's rate.

        Adam: p - rate / c1 * mean / (sqrt(mean_square) / sqrt(c2) + epsilon) with the bias
        corrections c = 1 - beta**steps is p + first / (scale * sqrt(second) + shift).
        """
        ways = [_way(rule) for rule in rules]
        is_adam = np.array([way == "mean" for way in ways])
        is_buffer = np.array([way == "buffer" for way in ways])
        memory, beta1, epsilon, decay = np.array(
            [(_memory(r), r.beta1, r.epsilon, r.decay) for r in rules]
        ).T
        if not is_adam.any():
            steps = steps[:1]
        share = np.where(memory < 1, 1 - memory, 1.0)
        reach = (np.where(is_adam, beta1, 0.0) ** steps - 1) / rates
        reach[:, is_buffer] = 1.0
        root = np.sqrt(share / (1 - np.where(is_adam, memory, 0.0) ** steps))
        table = [reach * root, reach * epsilon]
        if is_buffer.any() or any(map(_shrinks, rules)):
            factor = np.where(is_buffer, -rates, 1 - rates * decay)
            table.append(np.broadcast_to(factor, reach.shape))
        return np.stack(table, 1)

    def step(self, figures: Sequence[Tensor]) -> None:
        """Seven passes for AdaGrad and RMSprop, eight for Adam, nine for the others."""
        gradient, second, root = self._gradient, self._second, self._root
        torch.mul(gradient, gradient, out=root)
        torch.addcmul(root, second, self._memory, out=second)
        torch.clamp_min(second, self._least, out=root).sqrt_()
        root.mul_(figures[0]).add_(figures[1])
        for parameters, rows in self._shrunk:
            parameters.mul_(of_rows(figures[2], rows))
        for parameters, gradient, root in self._straight:
            parameters.addcdiv_(gradient, root)
        for parameters, gradient, first, root, share in self._mean:
            first.lerp_(gradient, share)
            parameters.addcdiv_(first, root)
        for part, momentum, rows in self._buffer:
            part.gradient.div_(part.scratch)
            torch.addcmul(part.gradient, part.first, momentum, out=part.first)
            part.parameters.addcmul_(part.first, of_rows(figures[2], rows))
