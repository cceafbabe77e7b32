"""Figures of stacked rows against loops written from the published formulas, row by row."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.gans.quality.blocks import distances
from trials.gans.quality.features import frechet_distance, moments
from trials.gans.quality.kernels import Cubic, GaussianMixture, KernelDistance
from trials.gans.quality.modes import mode_figures
from trials.gans.quality.neighbours import Neighbours
from trials.gans.quality.projections import SlicedWasserstein, directions

SHAPES = st.tuples(st.integers(1, 4), st.integers(6, 14), st.integers(7, 15), st.integers(1, 4))


def drawn(shape, seed, *, coarse):
    """Samples (K, N, D) and real ones (M, D); coarse ones coincide often."""
    n_rows, n_samples, n_real, n_features = shape
    rng = torch.Generator().manual_seed(seed)
    samples = torch.randn(n_rows, n_samples, n_features, generator=rng, dtype=torch.float64)
    real = torch.randn(n_real, n_features, generator=rng, dtype=torch.float64)
    return (samples.round(), real.round()) if coarse else (samples, real)


def length(x, y):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(x.tolist(), y.tolist(), strict=True)))


def radius(points, place, k):
    """Distance from a point to its k-th nearest other."""
    others = [length(points[place], other) for i, other in enumerate(points) if i != place]
    return sorted(others)[k - 1]


def plain_neighbours(samples, real):
    """Precision, recall, density and coverage of one row."""
    n, m = len(samples), len(real)
    tight = [radius(real, i, 3) for i in range(m)]
    wide = [radius(real, i, 5) for i in range(m)]
    own = [radius(samples, j, 3) for j in range(n)]
    apart = [[length(samples[j], real[i]) for i in range(m)] for j in range(n)]
    precision = sum(any(apart[j][i] <= tight[i] for i in range(m)) for j in range(n)) / n
    recall = sum(any(apart[j][i] <= own[j] for j in range(n)) for i in range(m)) / m
    density = sum(apart[j][i] <= wide[i] for j in range(n) for i in range(m)) / (5 * n)
    coverage = sum(any(apart[j][i] <= wide[i] for j in range(n)) for i in range(m)) / m
    return [precision, recall, density, coverage]


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.integers(0, 2**20), st.booleans(), st.sampled_from([1, 300, 10**6]))
def test_neighbours_are_those_of_the_papers(shape, seed, coarse, most_bytes):
    """Precision, recall (k = 3), density and coverage (k = 5), for any size of a block."""
    samples, real = drawn(shape, seed, coarse=coarse)
    figures = Neighbours(real, most_bytes).figures(samples)
    expected = torch.tensor([plain_neighbours(row, real) for row in samples], dtype=torch.float64)
    torch.testing.assert_close(torch.stack(figures, 1), expected)


def plain_discrepancy(x, y, kernel):
    """The unbiased estimate of the squared discrepancy."""
    n, m = len(x), len(y)
    within_x = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j)
    within_y = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j)
    across = sum(kernel(a, b) for a in x for b in y)
    return within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * across / (n * m)


@settings(max_examples=15, deadline=None)
@given(SHAPES, st.integers(0, 2**20), st.sampled_from([1, 300, 10**6]))
def test_kernel_distances_are_unbiased_estimates(shape, seed, most_bytes):
    """Both kernels: pairs of a sample with itself are left out."""
    samples, real = drawn(shape, seed, coarse=False)
    lengths = sorted(length(real[i], real[j]) for i in range(len(real)) for j in range(i))
    median = lengths[(len(lengths) - 1) // 2]

    def gaussians(a, b):
        square = length(a, b) ** 2
        widths = [median / 2**power for power in range(1, 6)]
        return sum(math.exp(-square / (2 * width**2)) for width in widths) / 5

    def cubic(a, b):
        return float(a @ b / len(a) + 1) ** 3

    for kernel, plain in ((GaussianMixture(real), gaussians), (Cubic(), cubic)):
        found = KernelDistance(real, kernel, most_bytes).distance(samples)
        expected = [plain_discrepancy(row, real, plain) for row in samples]
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def quantile(values, share):
    """Linear between the ordered values, the first of which is at 0 and the last at 1."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2)
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])


@settings(max_examples=15, deadline=None)
@given(SHAPES, st.integers(0, 2**20))
def test_sliced_distance_is_the_mean_of_quantile_differences(shape, seed):
    """Along every direction, the i-th sample against the quantile (i + 1/2) / N."""
    samples, real = drawn(shape, seed, coarse=False)
    n = samples.shape[1]
    expected = []
    for row in samples:
        gaps = [
            abs(value - quantile((real @ way).tolist(), (i + 0.5) / n))
            for way in directions(samples.shape[2]).T
            for i, value in enumerate(sorted((row @ way).tolist()))
        ]
        expected.append(sum(gaps) / len(gaps))
    found = SlicedWasserstein(real, n).distance(samples)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@settings(max_examples=20, deadline=None)
@given(SHAPES, st.integers(0, 2**20))
def test_frechet_distance_is_the_formula_with_a_root_of_the_product(shape, seed):
    """The trace of the root of C_x C_y is the sum of the roots of its eigenvalues."""
    samples, real = drawn(shape, seed, coarse=False)
    expected = []
    for row in samples:
        c_x, c_y = (torch.cov(z.T).reshape(z.shape[1], z.shape[1]) for z in (row, real))
        shared = torch.linalg.eigvals(c_x @ c_y).sqrt().real.sum()
        gap = (row.mean(0) - real.mean(0)).square().sum()
        expected.append(float(gap + c_x.trace() + c_y.trace() - 2 * shared))
    found = frechet_distance(moments(samples), moments(real))
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(200, 900), st.integers(1, 6), st.integers(0, 2**20))
def test_modes_are_counted_sample_by_sample(n_rows, n_samples, n_modes, seed):
    """A mode needs one hundredth of its fair share of the samples within 3 deviations."""
    rng = torch.Generator().manual_seed(seed)
    modes = torch.randn(n_modes, 2, generator=rng)
    # most samples go to the first mode, so that others fall short of their share
    places = torch.randint(0, 400, (n_rows, n_samples), generator=rng)
    places = (n_modes - 1 - places).clamp(min=0)
    samples = modes[places] + 0.1 * torch.randn(n_rows, n_samples, 2, generator=rng)
    found = mode_figures(samples, modes, 0.06)
    for k, row in enumerate(samples):
        nearest = distances(row[None], modes[None])[0].min(1)
        hits = [0] * n_modes
        for far, mode in zip(nearest.values.tolist(), nearest.indices.tolist(), strict=True):
            hits[mode] += far <= 3 * 0.06
        captured = sum(100 * n_modes * n >= sum(hits) for n in hits if n)
        assert float(found.modes[k]) == captured
        assert float(found.high_quality[k]) == pytest.approx(sum(hits) / n_samples)
