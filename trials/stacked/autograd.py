"""A stacked network whose gradient autograd finds: slower by hand's measure, but any function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from trials.stacked.network import Gradients, Stack

Function: TypeAlias = (
    "Callable[[Mapping[str, Tensor], Tensor, Sequence[Tensor] | None, bool], Tensor]"
)
"""(tensors, x, masks, is_training) -> outputs (K, B, C).

`tensors` holds each padded parameter of all rows as torch stores it, (K, *shape), by name.
"""


class AutogradNetwork:
    """K networks that a differentiable function computes; a `network.Network`.

    Its architecture must set `needs_autograd`.

    Args:
        stack: The rows.
        function: What the networks compute; row k only from row k of its arguments.
    """

    def __init__(self, stack: Stack[Any], function: Function) -> None:
        self._function = function
        self._gradients = Gradients(stack.layout, stack.parameters, stack.gradient)
        views = stack.layout.views(stack.parameters)
        # leaves that share the parameters' memory: one for each part, since the derivative of a
        # slice of one large leaf would fill all of it with zeros
        self._leaves = {name: view.detach().requires_grad_() for name, view in views.items()}
        self._parts = {part.name: part for part in stack.layout.parts}
        self._outputs: Tensor | None = None

    def forward(
        self, x: Tensor, masks: Sequence[Tensor] | None, out: Tensor, *, is_training: bool = True
    ) -> Tensor:
        """Outputs for `x`, written into `out`; see `network.Network`."""
        with torch.set_grad_enabled(is_training):
            tensors = {name: self._parts[name].as_torch(t) for name, t in self._leaves.items()}
            outputs = self._function(tensors, x, masks, is_training)
        self._outputs = outputs if is_training else None
        return out.copy_(outputs.detach())

    def backward(self, slope: Tensor, decay: Tensor | None) -> None:
        """Fills the gradient for what the last `forward` computed; see `network.Network`."""
        assert self._outputs is not None
        gradients = torch.autograd.grad(
            self._outputs, list(self._leaves.values()), slope, materialize_grads=True
        )
        self._outputs = None
        for name, gradient in zip(self._leaves, gradients, strict=True):
            self._gradients.put(name, gradient.contiguous(), decay)
