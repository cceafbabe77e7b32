"""How inputs are brought to a common scale, fitted to the training part alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from trials.data.dataset import Floats

ScalingKind = Literal["none", "standardize", "minmax"]

SMALLEST_SCALE = 1e-30
"""Columns that vary less are taken as constant; dividing by less overflows float32."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """The map x -> (x - shift) / scale.

    Attributes:
        shift: float32, shape (D,), or (1, 1, 1) for images.
        scale: float32 above 0, of the same shape.
    """

    shift: Floats
    scale: Floats

    def apply(self, x: Floats) -> Floats:
        """`x` scaled, shape as given (N, ...)."""
        wide = (x.astype(np.float64) - self.shift) / self.scale
        return wide.astype(np.float32)


def fit_scaling(kind: ScalingKind, x_train: Floats) -> Scaling:
    """The scaling of that kind that suits the training samples.

    Args:
        kind: `none`; `standardize`: mean 0, standard deviation 1; `minmax`: from 0 to 1.
        x_train: Shape (N, D): each column by itself. Shape (N, 1, h, w): all pixels together,
            so that a pixel that is nearly always dark is not blown up.

    Returns:
        A finite scaling; a column that does not vary is shifted, not stretched.

    Raises:
        ValueError: The kind is unknown.
    """
    axes = 0 if x_train.ndim == 2 else tuple(range(x_train.ndim))
    x = x_train.astype(np.float64)
    low, high = x.min(axis=axes), x.max(axis=axes)
    if kind == "none":
        shift, scale = np.zeros_like(low), np.ones_like(low)
    elif kind == "standardize":
        shift, scale = x.mean(axis=axes), x.std(axis=axes)
    elif kind == "minmax":
        shift, scale = low, high - low
    else:
        raise ValueError(f"input_scaling: unknown kind {kind!r}; none, standardize, minmax")
    scale = np.minimum(np.where(scale > SMALLEST_SCALE, scale, 1.0), np.finfo(np.float32).max)
    shape = low.shape if x_train.ndim == 2 else (1,) * (x_train.ndim - 1)
    return Scaling(shift.astype(np.float32).reshape(shape), scale.astype(np.float32).reshape(shape))
