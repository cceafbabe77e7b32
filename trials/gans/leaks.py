"""The leaky rectifier with a slope per row, among the activations of stacked players."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trials.gans.settings import GameSettings
from trials.stacked.activations import ACTIVATIONS, LEAK, Activation, Spans
from trials.stacked.runs import runs


def leaky(leaks: Sequence[float]) -> Activation:
    """The activation x for positive x, and leak * x elsewhere, with the leak of each row.

    Leaks are at most 1. It takes sums of shape (K, B, H), or maps of shape (B, K * C, height,
    width).
    """
    column = torch.tensor(leaks, dtype=torch.float64)

    def slopes(x: Tensor) -> Tensor:
        if x.dim() == 3:
            return column.view(-1, 1, 1).to(x)
        return column.repeat_interleave(x.shape[1] // len(column)).view(1, -1, 1, 1).to(x)

    def apply_(x: Tensor) -> None:
        torch.maximum(x, x * slopes(x), out=x)

    def backward_(gradient: Tensor, output: Tensor) -> None:
        gradient.copy_(torch.where(output > 0, gradient, gradient * slopes(gradient)))

    return Activation(apply_, backward_)


def leaky_spans(settings: Sequence[GameSettings]) -> Spans:
    """Neighbouring rows of one activation, for the settings of each row in order."""
    spans = []
    for name, rows in runs(s.activation for s in settings):
        leaks = [s.leak for s in settings[rows]]
        has_own = name == "leaky_relu" and any(leak != LEAK for leak in leaks)
        spans.append((rows, leaky(leaks) if has_own else ACTIVATIONS[name]))
    return spans
