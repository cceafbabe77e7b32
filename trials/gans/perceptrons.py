"""Perceptrons that are normalised, or whose slopes are penalised: K at once, by autograd.

Without either, `trials.stacked.perceptron` does the same in half the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from trials.gans.autograd_network import AutogradNetwork
from trials.gans.normalisation import Norm
from trials.stacked.activated import FUNCTIONS
from trials.stacked.layout import Layout, Part, chain, linear


def activated(sums: Tensor, spans: Sequence[tuple[str, slice]], leak: Tensor) -> Tensor:
    """The activations of `sums`, (K, B, H).

    Args:
        sums: Of the inputs of each unit.
        spans: Neighbouring rows of one activation, its name first.
        leak: Slope of leaky_relu below zero, (K, 1, 1).
    """

    def of(name: str, rows: slice) -> Tensor:
        if name == "leaky_relu":
            # rows stand where channels do: one pass, where a choice by a mask takes three
            own = sums[rows].unsqueeze(0)
            return functional.prelu(own, leak[rows].flatten()).squeeze(0)
        return FUNCTIONS[name](sums[rows])

    parts = [of(name, rows) for name, rows in spans]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


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

    @cached_property
    def n_layers(self) -> int:
        """Linear layers; between two of them there may be one of the norm."""
        n_named = len({part.name.split(".")[0] for part in self.layout.parts})
        return (n_named + 1) // 2 if self.norm.is_layer else n_named

    def activate(self, sums: Tensor) -> Tensor:
        """The activations of sums (K, B, H)."""
        units = activated(sums, self.spans, self.leak)
        return units if self.masks is None else units * self.masks


class AutogradPerceptron(AutogradNetwork[Form]):
    """K perceptrons over batches of one extent."""

    def computed(self, x: Tensor, *, remembers: bool) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs)."""
        form, use, leaves = self.form, self.use, self.leaves
        norm = form.norm.over(use.extent, is_training=use.by_batch, remembers=remembers)
        units = norm.beginning(x)
        for layer in range(form.n_layers):
            name = str(layer * form.n_modules)
            weight = norm.weight(name, leaves[f"{name}.weight"])
            sums = torch.baddbmm(leaves[f"{name}.bias"].unsqueeze(1), units, weight)
            if layer == form.n_layers - 1:
                break
            if form.norm.is_layer:
                own = str(layer * form.n_modules + 1)
                scale, shift = leaves[f"{own}.weight"], leaves[f"{own}.bias"]
                sums = norm.normalised(own, sums) * scale.unsqueeze(1) + shift.unsqueeze(1)
            units = form.activate(sums)
        return norm.ending(sums)
