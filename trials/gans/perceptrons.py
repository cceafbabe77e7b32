"""Perceptrons that are normalised, or whose slopes are penalised: K at once, by autograd.

Without either, `trials.stacked.perceptron` does the same in half the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trials.gans.adversarial import Extent
from trials.gans.normalisation import Norm
from trials.stacked.layout import Layout, Part, chain, linear

Tensors = Mapping[str, Tensor]

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hard_tanh": functional.hardtanh,
    "relu": torch.relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "softplus": functional.softplus,
}
"""Name of an activation -> the function; that of leaky_relu has a slope per row."""


def normed_chain(widths: Sequence[int], norm: str) -> Layout:
    """The layout of Sequential(Linear, normalisation, activation, ..., Linear).

    Args:
        widths: Of the input, of each hidden layer and of the output.
        norm: Of every hidden layer; `none` and `spectral` have no layer of their own.
    """
    if norm in ("none", "spectral"):
        return chain(2, widths)
    parts: list[Part] = []
    last = len(widths) - 2
    for layer in range(last + 1):
        parts += linear(str(3 * layer), widths[layer], widths[layer + 1])
        if layer < last:
            shape = (widths[layer + 1],)
            parts.append(Part(f"{3 * layer + 1}.weight", shape, start=1.0))
            parts.append(Part(f"{3 * layer + 1}.bias", shape, start=0.0))
    return Layout(tuple(parts))


@dataclass(frozen=True)
class Form:
    """What normalised perceptrons are.

    Attributes:
        layout: From `normed_chain`.
        norm: What normalises them.
        spans: Neighbouring rows of one activation, its name first.
        leak: Slope of leaky_relu below zero, (K, 1, 1).
        masks: One for real and zero for padded units, (K, 1, H); None where nothing moves zero.
    """

    layout: Layout
    norm: Norm
    spans: Sequence[tuple[str, slice]]
    leak: Tensor
    masks: Tensor | None

    @property
    def n_modules(self) -> int:
        """Modules from one linear layer to the next."""
        return 3 if self.norm.is_layer else 2

    def activate(self, sums: Tensor) -> Tensor:
        """The activations of sums (K, B, H)."""
        parts = [self._activated(name, sums[rows], rows) for name, rows in self.spans]
        units = parts[0] if len(parts) == 1 else torch.cat(parts)
        return units if self.masks is None else units * self.masks

    def _activated(self, name: str, sums: Tensor, rows: slice) -> Tensor:
        if name == "leaky_relu":
            return torch.where(sums > 0, sums, sums * self.leak[rows])
        return FUNCTIONS[name](sums)


class AutogradPerceptron:
    """K perceptrons over batches of one extent; an `adversarial.JudgeNetwork`.

    Row k of every result depends only on row k of the arguments.

    Args:
        form: What they are.
        parameters: (K, P).
        gradient: (K, P), filled by `backward`.
        extent: Of the batches.
        learns: `backward` may follow; otherwise only `through`.
        is_asked: Neither may follow, and nothing is remembered.
        by_batch: Statistics are those of the batch, not the running ones.
    """

    def __init__(
        self,
        form: Form,
        parameters: Tensor,
        gradient: Tensor,
        extent: Extent,
        *,
        learns: bool,
        is_asked: bool,
        by_batch: bool,
    ) -> None:
        self._form, self._extent = form, extent
        self._learns, self._is_asked, self._by_batch = learns, is_asked, by_batch
        views = form.layout.views(parameters)
        # leaves that share the parameters' memory, one for each part
        self._leaves = {n: view.detach().requires_grad_(learns) for n, view in views.items()}
        self._slots = form.layout.views(gradient)
        self._weights = [part.name for part in form.layout.parts if part.name.endswith(".weight")]
        last = len({part.name.split(".")[0] for part in form.layout.parts}) - 1
        self._n_layers = 1 + (last // 2 if form.norm.is_layer else last)
        self._x = self._outputs = torch.empty(0)

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs), in `out`, shape (K, B, outputs)."""
        trains = not self._is_asked
        with torch.set_grad_enabled(trains):
            self._x = x.detach().requires_grad_(trains and not self._learns)
            self._outputs = self._computed(self._x, remembers=trains)
        return out.copy_(self._outputs.detach())

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for the last `forward`, from that at its outputs."""
        for name, gradient in zip(self._leaves, self._slopes(self._outputs, slope), strict=True):
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
            logits = self._computed(x, remembers=False)[:, :, 0]
            (slope,) = torch.autograd.grad(logits.sum(), [x], create_graph=True)
            length = torch.linalg.vector_norm(slope, dim=2)
            penalty = (weight * (length - 1.0).square()).sum()
        for name, gradient in zip(self._leaves, self._slopes(penalty, None), strict=True):
            self._slots[name].add_(gradient)

    def _slopes(self, outputs: Tensor, slope: Tensor | None) -> Sequence[Tensor]:
        leaves = list(self._leaves.values())
        return torch.autograd.grad(outputs, leaves, slope, materialize_grads=True)

    def _computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        form, leaves = self._form, self._leaves
        norm = form.norm.over(self._extent, is_training=self._by_batch, remembers=remembers)
        units = norm.beginning(x)
        for layer in range(self._n_layers):
            name = str(layer * form.n_modules)
            weight = norm.weight(name, leaves[f"{name}.weight"])
            sums = torch.baddbmm(leaves[f"{name}.bias"].unsqueeze(1), units, weight)
            if layer == self._n_layers - 1:
                break
            if form.norm.is_layer:
                own = str(layer * form.n_modules + 1)
                scale, shift = leaves[f"{own}.weight"], leaves[f"{own}.bias"]
                sums = norm.normalised(own, sums) * scale.unsqueeze(1) + shift.unsqueeze(1)
            units = form.activate(sums)
        return norm.ending(sums)
