"""How much of the data samples reach, and the distance that a single point would have."""

import math

import pytest
import torch

from trials.gans.quality import Quality
from trials.gans.quality.cells import Cells, means

MODES = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0], [0.0, -3.0]])


def around(modes, n, std, seed):
    rng = torch.Generator().manual_seed(seed)
    return modes.repeat(n // len(modes), 1) + std * torch.randn(n, 2, generator=rng)


def test_reach_is_the_share_of_reached_modes():
    """All modes however blurred, half of them, one, and a few strays to the others."""
    real = around(MODES, 400, 0.1, 0)
    strays = around(MODES[:1], 100, 0.1, 4)
    strays[:4] = MODES[1]
    samples = torch.stack(
        [
            around(MODES, 100, 1.0, 1),
            around(MODES[:2], 100, 0.1, 2),
            around(MODES[:1], 100, 0.1, 3),
            strays,
        ]
    )
    assert Cells(real, MODES).reach(samples).tolist() == pytest.approx([1.0, 0.5, 0.25, 0.25])


def test_a_fifth_of_the_fair_share_reaches_a_mode():
    """Of 100 samples on four modes, 5 reach one and 4 do not."""
    samples = torch.stack([MODES[:1].repeat(100, 1)] * 2)
    samples[0, :5], samples[1, :4] = MODES[2], MODES[2]
    assert Cells(MODES, MODES).reach(samples).tolist() == [0.5, 0.25]


def test_reach_without_known_modes():
    """Real samples reach nearly all; those of a half plane half of the points."""
    rng = torch.Generator().manual_seed(5)
    real, fresh = torch.randn(2, 2000, 3, generator=rng)
    half = fresh.clone()
    half[:, 0].abs_()
    samples = torch.stack([fresh, half, torch.zeros_like(fresh)])
    reach = Cells(real, None).reach(samples).tolist()
    assert reach[0] == pytest.approx(1.0, abs=1e-6)
    assert 0.4 < reach[1] < 0.75
    assert reach[2] < 0.2


def test_means_of_separate_clusters():
    """Means settle where the points are, the same at every call."""
    real = around(MODES, 400, 0.1, 6)
    found = means(real, 16)
    assert torch.equal(found, means(real, 16))
    cells = torch.cdist(real, found).argmin(1)
    held = torch.stack([real[cells == c].mean(0) for c in cells.unique()])
    torch.testing.assert_close(found[cells.unique()], held, atol=1e-3, rtol=0)
    nearest = torch.cdist(found, MODES).min(1)
    assert float(nearest.values.max()) < 0.5
    assert set(nearest.indices.tolist()) == {0, 1, 2, 3}


def test_relative_distance_of_one_point_in_the_middle():
    """It is 1 for that point and 0 for the data."""
    angles = torch.arange(1024) * (2 * math.pi / 1024)
    real = torch.stack([angles.cos(), angles.sin()], 1)
    samples = torch.stack([torch.zeros(256, 2), real[::4]])
    watched = Quality(real, None, None).watched(samples)
    assert watched["relative_distance"].tolist() == pytest.approx([1.0, 0.0], abs=0.01)
    # the mean of |cos| over the circle
    assert float(watched["sample_distance"][0]) == pytest.approx(2 / math.pi, rel=0.01)


def test_watched_figures_of_broken_samples_are_not_finite():
    """A row with an infinite sample has no finite figure; its neighbour keeps all."""
    samples = torch.stack([around(MODES, 256, 0.1, 7), around(MODES, 256, 0.1, 8)])
    samples[0, 0, 0] = torch.inf
    watched = Quality(MODES, MODES, 0.1).watched(samples)
    assert {"sample_distance", "relative_distance", "reach", "modes", "high_quality"} == set(
        watched
    )
    assert all(not values[0].isfinite() and values[1].isfinite() for values in watched.values())


def test_data_of_one_point_have_no_scale():
    """Where all real points are alike, distances stay in the unit of the data."""
    watched = Quality(torch.ones(8, 2), None, None).watched(torch.zeros(1, 256, 2))
    assert float(watched["relative_distance"]) == float(watched["sample_distance"]) > 0
