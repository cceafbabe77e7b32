"""One number per row as a tensor that broadcasts over whatever the rows have."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def per_row(values: Sequence[float], like: Tensor, n_dims: int = 3) -> Tensor:
    """The numbers in the precision and on the device of `like`, shape (K, 1, 1).

    Args:
        values: Of each row.
        like: Says where and in which precision.
        n_dims: Dimensions of the result; all but the first are 1.
    """
    return torch.tensor(values, dtype=torch.float64).view(-1, *[1] * (n_dims - 1)).to(like)


def column(values: Sequence[float], like: Tensor) -> Tensor | None:
    """One coefficient per row, shape (K, 1); None where all are 0."""
    return per_row(values, like, 2) if any(values) else None
