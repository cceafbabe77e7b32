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
from trials.gans.autograd_network import AutogradNetwork
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
            # rows stand where channels do: one pass, where a choice by a mask takes three
            return functional.prelu(sums.unsqueeze(0), self.leak[rows].flatten()).squeeze(0)
        return FUNCTIONS[name](sums)


class AutogradPerceptron(AutogradNetwork):
    """K perceptrons over batches of one extent; an `adversarial.JudgeNetwork`.

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
        super().__init__(form.layout, parameters, gradient, learns=learns, is_asked=is_asked)
        self._form, self._extent, self._by_batch = form, extent, by_batch
        last = len({part.name.split(".")[0] for part in form.layout.parts}) - 1
        self._n_layers = 1 + (last // 2 if form.norm.is_layer else last)

    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs)."""
        form, leaves = self._form, self.leaves
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
