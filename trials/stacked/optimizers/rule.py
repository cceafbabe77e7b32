"""The figures of one row's optimizer, whatever its family."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """How one row's parameters follow its gradient.

    A family reads the fields that it has and ignores the others. The default of `epsilon` is that
    of torch's Adam and RMSprop for every family; torch gives AdaGrad 1e-10 and AdaDelta 1e-6.

    Attributes:
        optimizer: A name in `FAMILIES`.
        learning_rate: Positive; schedules multiply it.
        momentum: Of SGD and RMSprop, in [0, 1).
        nesterov: SGD looks ahead along the momentum.
        beta1: Adam's and AdamW's decay of the mean gradient, in [0, 1).
        beta2: Adam's and AdamW's decay of the mean squared gradient, in [0, 1).
        rho: RMSprop's and AdaDelta's decay of the mean squared gradient, in [0, 1).
        epsilon: Addend to the root of squared gradients (AdaDelta: under the root), positive.
        decay: AdamW's share of each weight that is lost per step and unit of the learning rate,
            at least 0. Other families have their penalty in the gradient.
        l1: Times the sign of each weight, what every family adds to the gradient; at least 0.
    """

    optimizer: str
    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    rho: float = 0.9
    epsilon: float = 1e-8
    decay: float = 0.0
    l1: float = 0.0

    @property
    def rank(self) -> tuple[str, bool, bool]:
        """Order of rows that `Updates` asks for: rows treated alike become neighbours."""
        return self.optimizer, self.momentum > 0, self.nesterov
