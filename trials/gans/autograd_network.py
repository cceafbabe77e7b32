"""Players whose gradients autograd finds: what is common to all, whatever their layers are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from trials.stacked.layout import Layout


class AutogradNetwork(ABC):
    """K networks over batches of one extent; an `adversarial.JudgeNetwork`.

    Row k of every result depends only on row k of the arguments.

    Args:
        layout: Of the parameters.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        learns: `backward` may follow; otherwise only `through`.
        is_asked: Neither may follow, and nothing is remembered.
    """

    def __init__(
        self, layout: Layout, parameters: Tensor, gradient: Tensor, *, learns: bool, is_asked: bool
    ) -> None:
        self._learns, self._is_asked = learns, is_asked
        views = layout.views(parameters)
        # leaves that share the parameters' memory, one for each part
        self.leaves = {n: view.detach().requires_grad_(learns) for n, view in views.items()}
        self._slots = layout.views(gradient)
        self._x = self._outputs = torch.empty(0)

    @abstractmethod
    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs), of `leaves`; some `remembers` what it saw."""

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs), in `out`, shape (K, B, outputs)."""
        trains = not self._is_asked
        with torch.set_grad_enabled(trains):
            self._x = x.detach().requires_grad_(trains and not self._learns)
            self._outputs = self.computed(self._x, remembers=trains)
        return out.copy_(self._outputs.detach())

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for the last `forward`, from that at its outputs."""
        for name, gradient in zip(self.leaves, self._slopes(self._outputs, slope), strict=True):
            self._slots[name].copy_(gradient)
        self._outputs = torch.empty(0)

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the last `forward`'s inputs, from that at its outputs."""
        (below,) = torch.autograd.grad(self._outputs, [self._x], slope)
        self._outputs = torch.empty(0)
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
        for name, gradient in zip(self.leaves, self._slopes(penalty, None), strict=True):
            self._slots[name].add_(gradient)

    def _slopes(self, outputs: Tensor, slope: Tensor | None) -> Sequence[Tensor]:
        leaves = list(self.leaves.values())
        return torch.autograd.grad(outputs, leaves, slope, materialize_grads=True)
