"""Players whose gradients autograd finds: what is common to all, whatever their layers are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from trials.gans.adversarial import EVALUATION, LEARNING, Extent
from trials.stacked.layout import Layout


@dataclass(frozen=True)
class Use:
    """What networks are for.

    Attributes:
        extent: Of the batches.
        learns: `backward` may follow; otherwise only `through`.
        is_asked: Neither may follow, and nothing is remembered.
        by_batch: Statistics are those of the batch, not the running ones.
    """

    extent: Extent
    learns: bool
    is_asked: bool
    by_batch: bool

    @classmethod
    def of(cls, player: str, extent: Extent, use: str) -> Use:
        """For one of the uses of `adversarial.Build`; discriminators always go by the batch."""
        by_batch = use != EVALUATION or player == "discriminator"
        return cls(extent, use == LEARNING, use == EVALUATION, by_batch)


class NetworkForm(Protocol):
    """What networks are beside their numbers."""

    @property
    def layout(self) -> Layout:
        """Of the parameters."""


F = TypeVar("F", bound=NetworkForm)


class AutogradNetwork(ABC, Generic[F]):
    """K networks over batches of one extent; an `adversarial.JudgeNetwork`.

    Row k of every result depends only on row k of the arguments.

    Args:
        form: What they are.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        use: What they are for.
    """

    def __init__(self, form: F, parameters: Tensor, gradient: Tensor, use: Use) -> None:
        self.form, self.use = form, use
        views = form.layout.views(parameters)
        # leaves that share the parameters' memory, one for each part
        self.leaves = {n: view.detach().requires_grad_(use.learns) for n, view in views.items()}
        self._slots = form.layout.views(gradient)
        self.x = self.outputs = torch.empty(0)

    @abstractmethod
    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs), of `leaves`; some `remembers` what it saw."""

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs), in `out`, shape (K, B, outputs)."""
        trains = not self.use.is_asked
        with torch.set_grad_enabled(trains):
            self.x = x.detach().requires_grad_(trains and not self.use.learns)
            self.outputs = self.computed(self.x, remembers=trains)
        return out.copy_(self.outputs.detach())

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for the last `forward`, from that at its outputs."""
        self.fill([self.outputs], [slope])
        self.outputs = torch.empty(0)

    def fill(self, outputs: Sequence[Tensor], slopes: Sequence[Tensor | None]) -> None:
        """The gradient holds that of all `outputs`, from those at them, None for sums."""
        for name, gradient in zip(self.leaves, self._slopes(outputs, slopes), strict=True):
            self._slots[name].copy_(gradient)

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the last `forward`'s inputs, from that at its outputs."""
        (below,) = torch.autograd.grad(self.outputs, [self.x], slope)
        self.outputs = torch.empty(0)
        return below

    def penalise(self, x: Tensor, weight: Tensor) -> None:
        """Adds the gradient of sum weight * (slope at x - 1)**2 to that of the parameters.

        Args:
            x: Points, shape (K, B, inputs).
            weight: Shape (K, B), 0 where there is no point.
        """
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            logits = self.computed(x, remembers=False)[:, :, 0]
            (slope,) = torch.autograd.grad(logits.sum(), [x], create_graph=True)
            length = torch.linalg.vector_norm(slope, dim=2)
            penalty = (weight * (length - 1.0).square()).sum()
        for name, gradient in zip(self.leaves, self._slopes([penalty], [None]), strict=True):
            self._slots[name].add_(gradient)

    def _slopes(
        self, outputs: Sequence[Tensor], slopes: Sequence[Tensor | None]
    ) -> Sequence[Tensor]:
        leaves = list(self.leaves.values())
        return torch.autograd.grad(outputs, leaves, slopes, materialize_grads=True)
