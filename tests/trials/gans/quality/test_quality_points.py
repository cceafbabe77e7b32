"""Figures of generated samples against cases that can be worked out by hand."""

import numpy as np
import pytest
import torch

from trials.gans.quality import N_SAMPLES, Quality

MODES = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0], [0.0, -3.0]])


def around(modes, std, seed):
    """N_SAMPLES points in equal shares around `modes`."""
    rng = torch.Generator().manual_seed(seed)
    return modes.repeat(N_SAMPLES // len(modes), 1) + std * torch.randn(N_SAMPLES, 2, generator=rng)


def test_distance_of_a_shift():
    """Shifting the real points by v moves them by the mean |v . direction|: 2 / pi times |v|."""
    real = around(MODES, 0.1, 0)
    shifted = torch.stack([real, real + torch.tensor([2.0, 0.0])])
    distances = Quality(real, None, None).figures(shifted)["sample_distance"]
    assert float(distances[0]) == pytest.approx(0.0, abs=0.05)
    assert float(distances[1]) == pytest.approx(4 / np.pi, rel=0.02)


def test_captured_modes_and_quality():
    """All modes, two of four, none near: high quality 1, 1, 0 and modes 4, 2, 0."""
    samples = torch.stack(
        [around(MODES, 0.02, 1), around(MODES[:2], 0.02, 2), around(MODES, 0.02, 3) + 50.0]
    )
    figures = Quality(around(MODES, 0.1, 4), MODES, 0.1).figures(samples)
    assert figures["high_quality"].tolist() == [1.0, 1.0, 0.0]
    assert figures["modes"].tolist() == [4.0, 2.0, 0.0]
    order = figures["sample_distance"].argsort().tolist()
    assert order == [0, 1, 2]


def test_three_deviations_are_the_limit():
    """A sample 2.9 deviations from its mode is of high quality, one at 3.1 is not."""
    samples = torch.stack([MODES[:1] + torch.tensor([[0.0, d]]) for d in (0.29, 0.31)])
    figures = Quality(MODES, MODES, 0.1).figures(samples.expand(2, N_SAMPLES, 2))
    assert figures["high_quality"].tolist() == [1.0, 0.0]


def test_figures_of_broken_samples_are_not_finite():
    """A row with a nan sample has no finite figure; its neighbour keeps all."""
    samples = torch.stack([around(MODES, 0.1, 5), around(MODES, 0.1, 6)])
    samples[0, 0, 0] = torch.nan
    figures = Quality(MODES, MODES, 0.1).figures(samples)
    assert all(not values[0].isfinite() and values[1].isfinite() for values in figures.values())
