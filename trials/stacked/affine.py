"""Linear maps of K rows by the names of their tensors, for networks under autograd."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def affine(tensors: Mapping[str, Tensor], prefix: str, x: Tensor) -> Tensor:
    """`x` through the map of each row, shape (K, ..., O).

    Args:
        tensors: "weight", (K, O, D), and "bias", (K, O), under names that begin with `prefix`.
        prefix: Such as "head.".
        x: Shape (K, ..., D).
    """
    weight, bias = tensors[f"{prefix}weight"], tensors[f"{prefix}bias"].unsqueeze(1)
    out = torch.baddbmm(bias, x.flatten(1, -2), weight.mT)
    return out.view(*x.shape[:-1], out.shape[-1])
