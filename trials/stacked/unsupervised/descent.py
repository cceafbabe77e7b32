"""How the parameters of stacked rows follow a gradient under penalties and schedules."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from trials.stacked.cohort import Vectors
from trials.stacked.layout import Layout
from trials.stacked.max_norm import MaxNorm
from trials.stacked.network import Gradients
from trials.stacked.optimizers import MOMENTS, Updates
from trials.stacked.per_row import column
from trials.stacked.unsupervised.settings import DescentSettings
from trials.stacked.workspace import Workspace


class Descent:
    """One network of each row: its parameters, their gradient and how they move.

    Args:
        name: Of the network, the prefix of its tensors in `vectors`.
        layout: Where each tensor lies.
        settings: Of the rows, sorted by the rank of their rules.
        vectors: Parameters and moments, (K, P) each, changed in place.
        workspace: Where buffers come from.

    Attributes:
        parameters: (K, P).
        gradient: (K, P), to be filled before each step.
        gradients: Views of both by name.
        l2: Coefficient of the penalty that joins the gradient, shape (K, 1), or None.
    """

    def __init__(
        self,
        name: str,
        layout: Layout,
        settings: Sequence[DescentSettings],
        vectors: Vectors,
        workspace: Workspace,
    ) -> None:
        self.parameters = vectors[f"{name}.parameters"]
        self.gradient = workspace.take(f"{name}.gradient", *self.parameters.shape)
        self.gradients = Gradients(layout, self.parameters, self.gradient)
        scratch = workspace.take("scratch", *self.parameters.shape)
        first, second = (vectors[f"{name}.{moment}"] for moment in MOMENTS)
        rules = [s.rule for s in settings]
        n_weights = layout.n_weights
        self._updates = Updates(
            rules, self.parameters, self.gradient, first, second, scratch, n_weights
        )
        limits = [s.max_norm for s in settings]
        self._limits = MaxNorm(limits, layout, self.parameters) if any(limits) else None
        self.l2 = column([s.l2 - s.decay for s in settings], self.parameters)
        self._n_weights = n_weights

    @property
    def of_weights(self) -> tuple[Tensor, Tensor]:
        """The weights and their gradient, views of shape (K, W)."""
        return self.parameters[:, : self._n_weights], self.gradient[:, : self._n_weights]

    def begin(self, factors: Sequence[float], epochs: Sequence[int], n_steps: int) -> None:
        """Prepares an epoch of `n_steps`.

        Args:
            factors: Of each row's learning rate.
            epochs: That each row has completed.
            n_steps: Of the epoch.
        """
        self._updates.begin(factors, [epoch * n_steps for epoch in epochs], n_steps)

    def step(self, index: int) -> None:
        """Moves the rows along their gradient, within limits."""
        self._updates.step(index)
        if self._limits is not None:
            self._limits.apply()
