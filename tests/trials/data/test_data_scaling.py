"""Scalings: what they make of the training part, and columns that do not vary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trials.data.scaling import fit_scaling

tables = arrays(
    np.float32,
    st.tuples(st.integers(1, 20), st.integers(1, 4)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
)


@settings(max_examples=50, deadline=None)
@given(x=tables, kind=st.sampled_from(["none", "standardize", "minmax"]))
def test_scaled_training_samples_are_finite(x: np.ndarray, kind: str) -> None:
    """Whatever float32 numbers a table holds, scaling gives finite ones of the same shape."""
    scaled = fit_scaling(kind, x).apply(x)
    assert scaled.dtype == np.float32
    assert scaled.shape == x.shape
    assert np.isfinite(scaled).all()


def test_standardize_and_minmax_by_column() -> None:
    """Mean 0 and deviation 1, or 0 to 1, for each column; a constant one becomes 0."""
    x = np.random.default_rng(0).normal([5, -3, 0.1], [2, 0.1, 0], (500, 3)).astype(np.float32)
    standard = fit_scaling("standardize", x)
    assert standard.shift.shape == standard.scale.shape == (3,)
    scaled = standard.apply(x)
    assert scaled.mean(0) == pytest.approx([0, 0, 0], abs=1e-5)
    assert scaled.std(0) == pytest.approx([1, 1, 0], abs=1e-4)
    ranged = fit_scaling("minmax", x).apply(x)
    assert ranged.min(0) == pytest.approx([0, 0, 0], abs=1e-6)
    assert ranged.max(0) == pytest.approx([1, 1, 0], abs=1e-6)
    assert (fit_scaling("none", x).apply(x) == x).all()


@pytest.mark.parametrize("kind", ["standardize", "minmax"])
def test_extreme_columns_stay_finite(kind: str) -> None:
    """Columns of the least and of the greatest float32 numbers have a finite scale above 0."""
    top = np.finfo(np.float32).max
    x = np.array([[0, -top], [1e-44, top]], dtype=np.float32)
    scaling = fit_scaling(kind, x)
    assert np.isfinite(scaling.scale).all()
    assert scaling.scale[0] == 1
    assert np.isfinite(scaling.apply(x + 0)).all()


def test_images_share_one_scale() -> None:
    """All pixels of images are scaled alike, so that a dark corner is not blown up."""
    x = np.random.default_rng(0).uniform(0, 1, (50, 1, 4, 4)).astype(np.float32)
    x[:, :, 0, 0] = 0
    scaling = fit_scaling("standardize", x)
    assert scaling.shift.shape == (1, 1, 1)
    assert scaling.apply(x).std() == pytest.approx(1, abs=1e-4)


def test_unknown_kind_is_refused() -> None:
    """A kind of scaling that does not exist is named with those that do."""
    with pytest.raises(ValueError, match=r"unknown kind 'zzz'; none, standardize, minmax"):
        fit_scaling("zzz", np.zeros((2, 1), np.float32))
