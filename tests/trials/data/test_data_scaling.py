"""Scalings: what they make of the training part, and columns that do not vary."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import sqrtm
from sklearn.preprocessing import Normalizer

from trials.data.scaling import MOST_WHITENED, ZCA_EPSILON, ScalingKind, fit_scaling

tables = arrays(
    np.float32,
    st.tuples(st.integers(1, 20), st.integers(1, 4)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
)


@settings(max_examples=50, deadline=None)
@given(x=tables, kind=st.sampled_from(get_args(ScalingKind)))
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


@pytest.mark.parametrize("kind", ["standardize", "minmax", "zca"])
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
    with pytest.raises(
        ValueError, match=r"unknown kind 'zzz'; none, standardize, minmax, unit_norm, zca"
    ):
        fit_scaling("zzz", np.zeros((2, 1), np.float32))


def test_unit_norm_divides_each_sample_by_its_length() -> None:
    """As scikit-learn's Normalizer, for tables and for images; zeros stay zeros."""
    x = np.random.default_rng(1).normal(size=(20, 12)).astype(np.float32)
    x[3] = 0
    scaled = fit_scaling("unit_norm", x).apply(x)
    np.testing.assert_allclose(scaled, Normalizer().fit_transform(x), rtol=1e-6)
    images = x.reshape(20, 1, 3, 4)
    assert (fit_scaling("unit_norm", images).apply(images) == scaled.reshape(images.shape)).all()


def correlated(n: int) -> np.ndarray:
    """Points of four columns in other units, the last constant, the first two nearly alike."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(n, 4)) * [1, 1, 100, 0] + [0, 0, 7, 3]
    x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
    return x.astype(np.float32)


def test_zca_is_the_root_of_the_regularised_covariance() -> None:
    """Standardised columns times (C + epsilon)^(-1/2), as scipy computes it."""
    x = correlated(400)
    standard = fit_scaling("standardize", x).apply(x).astype(np.float64)
    covariance = standard.T @ standard / len(x)
    root = np.real(sqrtm(np.linalg.inv(covariance + ZCA_EPSILON * np.eye(4))))
    np.testing.assert_allclose(fit_scaling("zca", x).apply(x), standard @ root, atol=1e-5)


def test_zca_takes_correlations_away() -> None:
    """Columns become uncorrelated with variance v / (v + epsilon); a constant one becomes 0."""
    x = correlated(400)
    white = fit_scaling("zca", x).apply(x).astype(np.float64)
    covariance = white.T @ white / len(x)
    assert np.abs(np.corrcoef(x[:, :2].T)[0, 1]) > 0.99
    assert np.abs(np.corrcoef(white[:, :2].T)[0, 1]) < 0.6
    assert np.diag(covariance)[2] == pytest.approx(1.0, abs=0.02)
    assert not white[:, 3].any()
    assert (np.linalg.eigvalsh(covariance) < 1.0).all()


def test_zca_of_images_keeps_their_shape_and_each_pixel_has_the_mean_zero() -> None:
    """All pixels are divided by one number, and each is shifted by its own mean."""
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 1, (300, 1, 1, 1)) * rng.uniform(0.5, 1, (1, 1, 4, 4))
    x = (x + 0.1 * rng.normal(size=(300, 1, 4, 4))).astype(np.float32)
    scaling = fit_scaling("zca", x)
    white = scaling.apply(x)
    assert scaling.shift.shape == (1, 4, 4)
    assert scaling.scale.shape == (1, 1, 1)
    assert white.shape == x.shape
    assert white.mean(0) == pytest.approx(np.zeros((1, 4, 4)), abs=1e-4)
    between = np.abs(np.corrcoef(white.reshape(300, 16).T) - np.eye(16)).max()
    assert between < 0.5 < np.abs(np.corrcoef(x.reshape(300, 16).T) - np.eye(16)).max()


@pytest.mark.parametrize("kind", get_args(ScalingKind))
def test_few_points_and_points_never_seen_stay_finite(kind: ScalingKind) -> None:
    """One training sample, or fewer than columns, scales others to finite numbers."""
    rng = np.random.default_rng(4)
    others = rng.normal(size=(10, 6)).astype(np.float32)
    for n in (1, 3):
        scaling = fit_scaling(kind, others[:n])
        assert np.isfinite(scaling.apply(others)).all()
        assert np.abs(scaling.apply(others)).max() < 100


def test_long_samples_are_not_whitened() -> None:
    """A matrix that would not fit is refused with what fits."""
    x = np.zeros((2, MOST_WHITENED + 1), np.float32)
    with pytest.raises(ValueError, match="at most 4096 numbers for zca, got 4097"):
        fit_scaling("zca", x)
