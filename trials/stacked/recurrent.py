"""Layers of K recurrent networks, and a convolution over time, with all rows in each product.

Gates of a step lie side by side as `torch.nn.LSTM`, `GRU` and `RNN` order them. A padded unit has
zero weights, so its state stays zero in every cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from trials.stacked.cells import Cell

Tensors: TypeAlias = "Mapping[str, Tensor]"


def recurrent(
    cell: Cell,
    n_layers: int,
    tensors: Tensors,
    x: Tensor,
    masks: Sequence[Tensor] | None,
) -> Tensor:
    """States of the last layer after each step, shape (K, T, B, H).

    Args:
        cell: The kind.
        n_layers: At least 1.
        tensors: `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, ..., each (K, ...) as
            torch stores it, under "recurrent.".
        x: Inputs, shape (K, T, B, D).
        masks: Factors of the units between layers, (K, B, T, H) each; None for no dropout.
    """
    for layer in range(n_layers):
        weights = (tensors[f"recurrent.{kind}_l{layer}"] for kind in ("weight_ih", "weight_hh"))
        biases = (tensors[f"recurrent.{kind}_l{layer}"] for kind in ("bias_ih", "bias_hh"))
        into_weight, weight = (w.transpose(1, 2) for w in weights)
        into_bias, bias = (b.unsqueeze(1) for b in biases)
        into = torch.baddbmm(into_bias, x.flatten(1, 2), into_weight)
        x = cell.states(into.view(*x.shape[:3], into.shape[-1]), weight, bias)
        if masks is not None and layer < n_layers - 1:
            x = x * masks[layer].transpose(1, 2)
    return x


def convolved(tensors: Tensors, prefix: str, x: Tensor) -> Tensor:
    """A convolution over time that keeps the length, shape (K, T, B, O).

    Args:
        tensors: "weight", (K, O, D, kernel), kernel odd, and "bias", under names that begin
            with `prefix`.
        prefix: Such as "front.".
        x: Inputs, shape (K, T, B, D).
    """
    weight = tensors[f"{prefix}weight"]
    kernel, n_steps = weight.shape[-1], x.shape[1]
    wide = functional.pad(x, (0, 0, 0, 0, kernel // 2, kernel // 2))
    seen = torch.stack([wide[:, at : at + n_steps] for at in range(kernel)], -1)
    product = torch.baddbmm(
        tensors[f"{prefix}bias"].unsqueeze(1), seen.flatten(1, 2).flatten(2), weight.flatten(2).mT
    )
    return product.view(*x.shape[:3], weight.shape[1])
