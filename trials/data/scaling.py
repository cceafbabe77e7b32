"""How inputs are brought to a common scale, fitted to the training part alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from trials.data.dataset import Floats

ScalingKind = Literal["none", "standardize", "minmax", "unit_norm", "zca"]

SMALLEST_SCALE = 1e-30
"""Columns that vary less are taken as constant; dividing by less overflows float32."""

ZCA_EPSILON = 0.01
"""Joins each variance before its root is divided by; 1 is the variance of a standardised column.

It bounds what whitening does to directions in which the training part hardly varies: at most ten
times as large.
"""

MOST_WHITENED = 4096
"""Numbers of a sample up to which it can be whitened: the matrix then has 64 MiB."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """The map x -> (x - shift) / scale, by which each sample may then be turned or normed.

    Attributes:
        shift: float32, shape (D,), or (1, 1, 1) for images; (1, h, w) for whitened ones.
        scale: float32 above 0, shape (D,), or (1, 1, 1) for images.
        matrix: What a sample, as a row of D numbers, is multiplied by from the right, float32,
            shape (D, D); None for nothing.
        is_unit: Whether a sample is divided by its Euclidean norm.
    """

    shift: Floats
    scale: Floats
    matrix: Floats | None = None
    is_unit: bool = False

    def apply(self, x: Floats) -> Floats:
        """`x` scaled, shape as given (N, ...); a sample of norm 0 stays as it is."""
        wide = (x.astype(np.float64) - self.shift) / self.scale
        if self.matrix is not None:
            wide = (wide.reshape(len(wide), -1) @ self.matrix).reshape(wide.shape)
        if self.is_unit:
            axes = tuple(range(1, wide.ndim))
            norms = np.sqrt(np.square(wide).sum(axes, keepdims=True))
            wide = wide / np.where(norms > 0.0, norms, 1.0)
        return wide.astype(np.float32)


def fit_scaling(kind: ScalingKind, x_train: Floats) -> Scaling:
    """The scaling of that kind that suits the training samples.

    Args:
        kind: `none`; `standardize`: mean 0, standard deviation 1; `minmax`: from 0 to 1;
            `unit_norm`: each sample has the Euclidean norm 1, nothing is fitted; `zca`:
            standardised, then whitened by the symmetric matrix (C + epsilon)^(-1/2), where C is
            the covariance and epsilon `ZCA_EPSILON`.
        x_train: Shape (N, D): each column by itself. Shape (N, 1, h, w): all pixels together,
            so that a pixel that is nearly always dark is not blown up.

    Returns:
        A finite scaling; a column that does not vary is shifted, not stretched.

    Raises:
        ValueError: The kind is unknown, or a sample is too long to be whitened.

    Source: Bell and Sejnowski, Vision Research 37 (1997), for `zca`.
    """
    if kind not in get_args(ScalingKind):
        known = ", ".join(get_args(ScalingKind))
        raise ValueError(f"input_scaling: unknown kind {kind!r}; {known}")
    axes = 0 if x_train.ndim == 2 else tuple(range(x_train.ndim))
    x = x_train.astype(np.float64)
    low, high = x.min(axis=axes), x.max(axis=axes)
    if kind in ("none", "unit_norm"):
        shift, scale = np.zeros_like(low), np.ones_like(low)
    elif kind == "minmax":
        shift, scale = low, high - low
    else:
        shift, scale = x.mean(axis=axes), x.std(axis=axes)
    scale = np.minimum(np.where(scale > SMALLEST_SCALE, scale, 1.0), np.finfo(np.float32).max)
    shape = low.shape if x_train.ndim == 2 else (1,) * (x_train.ndim - 1)
    scaling = Scaling(
        shift.astype(np.float32).reshape(shape),
        scale.astype(np.float32).reshape(shape),
        is_unit=kind == "unit_norm",
    )
    return _whitening(scaling, x_train) if kind == "zca" else scaling


def _whitening(scaling: Scaling, x_train: Floats) -> Scaling:
    """`scaling`, which standardises, from every number's own mean on, and the matrix after it."""
    n_numbers = x_train[0].size
    if n_numbers > MOST_WHITENED:
        raise ValueError(
            f"input_scaling: samples must have at most {MOST_WHITENED} numbers for zca, "
            f"got {n_numbers}; choose standardize"
        )
    means = x_train.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = Scaling(means, scaling.scale)
    samples = centred.apply(x_train).reshape(len(x_train), -1).astype(np.float64)
    variances, directions = np.linalg.eigh(samples.T @ samples / len(samples))
    stretch = 1.0 / np.sqrt(np.maximum(variances, 0.0) + ZCA_EPSILON)
    matrix = ((directions * stretch) @ directions.T).astype(np.float32)
    return Scaling(means, scaling.scale, matrix)
