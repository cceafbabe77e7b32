"""Stochastic gradient descent and Adam over all rows at once, each row with its own figures.

The formulas are those of `torch.optim.SGD` (dampening 0) and `torch.optim.Adam`, with scalars
replaced by one number per row. Weight decay is not here: penalties are part of the gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FAMILIES = ("sgd", "adam")

_LEAST_RATE = 1e-30
"""Adam divides by the rate; a rate of 0 would turn padded zeros into 0 * infinity."""


@dataclass(frozen=True)
class Rule:
    """How one row's parameters follow its gradient.

    Attributes:
        optimizer: "sgd" or "adam".
        learning_rate: Positive; schedules multiply it.
        momentum: Of SGD, in [0, 1).
        nesterov: SGD looks ahead along the momentum.
        beta1: Adam's decay of the mean gradient, in [0, 1).
        beta2: Adam's decay of the mean squared gradient, in [0, 1).
        epsilon: Adam's addend to the root.
    """

    optimizer: str
    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    @property
    def rank(self) -> int:
        """Order of rows that `Updates` asks for: SGD, SGD with Nesterov momentum, Adam."""
        return 2 if self.optimizer == "adam" else int(self.nesterov)


class Updates:
    """The optimizers of K rows that are sorted by `Rule.rank`.

    Args:
        rules: One per row.
        parameters: (K, P), changed in place.
        gradient: (K, P), read and overwritten by each step.
        first: (K, P), momentum buffer of SGD or mean gradient of Adam; zeros at the start.
        second: (K, P), mean squared gradient of Adam; zeros at the start.
        scratch: (K, P), memory without content.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        parameters: Tensor,
        gradient: Tensor,
        first: Tensor,
        second: Tensor,
        scratch: Tensor,
    ) -> None:
        ranks = [rule.rank for rule in rules]
        assert ranks == sorted(ranks)
        n_plain, self._n_sgd = ranks.count(0), ranks.count(0) + ranks.count(1)
        sgd, adam = slice(0, self._n_sgd), slice(self._n_sgd, len(rules))
        ahead = slice(n_plain, self._n_sgd)
        self._rules = rules
        self._sgd = tuple(t[sgd] for t in (parameters, gradient, first))
        self._plain = tuple(t[:n_plain] for t in (parameters, first))
        self._ahead = tuple(t[ahead] for t in (parameters, gradient, first))
        self._adam = tuple(t[adam] for t in (parameters, gradient, first, second, scratch))
        self._momentum = self._column([rule.momentum for rule in rules[: self._n_sgd]])
        self._beta1 = self._column([1 - rule.beta1 for rule in rules[adam]])
        self._beta2 = self._column([1 - rule.beta2 for rule in rules[adam]])
        self._n_plain = n_plain
        self._rates = self._momentum
        self._scales: Sequence[Tensor] = ()
        self._shifts: Sequence[Tensor] = ()

    def _column(self, values: Sequence[float] | Tensor) -> Tensor:
        like = self._sgd[0]
        values = torch.as_tensor(values, dtype=torch.float64).unsqueeze(-1)
        return values.to(device=like.device, dtype=like.dtype)

    def begin(self, factors: Sequence[float], steps_done: Sequence[int], n_steps: int) -> None:
        """Prepares the next `n_steps` steps.

        Args:
            factors: Of each row's learning rate, from its schedule.
            steps_done: Steps each row has taken, for Adam's bias correction.
            n_steps: Steps of this epoch.
        """
        rates = [
            max(r.learning_rate * f, _LEAST_RATE) for r, f in zip(self._rules, factors, strict=True)
        ]
        n = self._n_sgd
        self._rates = -self._column(rates[:n])
        if n == len(rates):
            return
        steps = torch.arange(1, n_steps + 1, dtype=torch.float64).unsqueeze(1)
        steps = steps + torch.tensor(steps_done[n:], dtype=torch.float64)
        beta1, beta2, epsilon = (
            torch.tensor([getattr(rule, name) for rule in self._rules[n:]], dtype=torch.float64)
            for name in ("beta1", "beta2", "epsilon")
        )
        # p - rate / c1 * m / (sqrt(v) / sqrt(c2) + eps), written as p + m / (sqrt(v) a + b)
        shift = (beta1**steps - 1) / torch.tensor(rates[n:], dtype=torch.float64)
        self._scales = self._column(shift / (1 - beta2**steps).sqrt()).unbind(0)
        self._shifts = self._column(shift * epsilon).unbind(0)

    def step(self, index: int) -> None:
        """Moves every row along its gradient; `index` counts from 0 within `begin`'s steps."""
        if self._n_sgd:
            parameters, gradient, buffer = self._sgd
            torch.addcmul(gradient, buffer, self._momentum, out=buffer)
            if self._n_plain:
                parameters, buffer = self._plain
                parameters.addcmul_(buffer, self._rates[: self._n_plain])
            if self._n_plain < self._n_sgd:
                parameters, gradient, buffer = self._ahead
                torch.addcmul(gradient, buffer, self._momentum[self._n_plain :], out=gradient)
                parameters.addcmul_(gradient, self._rates[self._n_plain :])
        if self._n_sgd < len(self._rules):
            parameters, gradient, first, second, root = self._adam
            first.lerp_(gradient, self._beta1)
            torch.mul(gradient, gradient, out=root)
            second.lerp_(root, self._beta2)
            torch.sqrt(second, out=root)
            root.mul_(self._scales[index]).add_(self._shifts[index])
            parameters.addcdiv_(first, root)
