"""Figures of cases whose answers can be worked out by hand or are known in closed form."""

import math

import pytest
import torch

from trials.gans.quality import PointQuality
from trials.gans.quality.features import (
    Moments,
    class_divergence,
    class_shares,
    frechet_distance,
    moments,
)
from trials.gans.quality.kernels import Cubic, GaussianMixture, KernelDistance
from trials.gans.quality.neighbours import Neighbours, radii
from trials.gans.quality.reference import drawn

LINE = torch.arange(10.0).unsqueeze(1)
"""Ten points at 0, 1, ... 9."""


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_radii_of_points_on_a_line():
    """The third nearest of the end point is 3 away, of an inner point 2 away."""
    assert radii(LINE.unsqueeze(0), 3, 10**6)[0].tolist() == [3.0, 2.0, *[2.0] * 6, 2.0, 3.0]


def test_neighbours_counted_by_hand():
    """Four samples at the left end of a line of ten, and one far away."""
    samples = torch.tensor([[[0.0], [0.0], [1.0], [1.0], [100.0]]])
    figures = Neighbours(LINE).figures(samples)
    # within the real manifold are all but the one far away
    assert float(figures.precision) == pytest.approx(4 / 5)
    # the third nearest other of 0 and 1 is 1 away: balls from -1 to 2; that of 100 is 100 away
    assert float(figures.recall) == 1.0
    # the balls of 5 neighbours: 0 +- 5, 1 +- 4, 2 +- 3, 3 +- 3, 4 +- 3, 5 +- 3, 6 +- 3, 7 +- 3
    # 0 lies in those of 0 to 3, 1 in those of 0 to 4
    assert float(figures.density) == pytest.approx((4 + 4 + 5 + 5 + 0) / 25)
    assert float(figures.coverage) == pytest.approx(5 / 10)


def test_samples_that_are_the_real_ones():
    """The real samples themselves have precision, recall and coverage 1."""
    real = normal(0, 40, 3)
    figures = Neighbours(real).figures(real.unsqueeze(0))
    assert [float(f) for f in (figures.precision, figures.recall, figures.coverage)] == [1, 1, 1]


@pytest.mark.parametrize("n_real", [1, 5])
def test_too_few_real_samples_are_refused(n_real):
    """With five or fewer real samples there is no fifth neighbour."""
    with pytest.raises(ValueError, match=f"real samples: must be more than 5, got {n_real}"):
        Neighbours(LINE[:n_real])


def test_kernel_distance_of_normal_distributions():
    """Between two normal distributions the estimate is that of the closed form.

    The mean of exp(-|x - y|^2 / (2 w^2)) for x - y normal with mean m and variance v in D
    directions is (1 + v / w^2)^(-D / 2) exp(-|m|^2 / (2 (w^2 + v))).
    """
    real, samples = normal(1, 2000, 2), 1.5 * normal(2, 1, 2000, 2)
    samples[:, :, 0] += 0.7
    kernel = GaussianMixture(real)

    def mean_kernel(variance, shift):
        terms = [
            w**2 / (w**2 + variance) * math.exp(-(shift**2) / (2 * (w**2 + variance)))
            for w in kernel.widths
        ]
        return sum(terms) / len(terms)

    expected = mean_kernel(2.0, 0) + mean_kernel(4.5, 0) - 2 * mean_kernel(3.25, 0.7)
    found = KernelDistance(real, kernel).distance(samples)
    assert float(found) == pytest.approx(expected, rel=0.1)


def test_kernel_distance_is_without_bias():
    """Real against real its mean over 400 draws of 20 is 0 within four standard errors."""
    real = normal(3, 20, 2)
    kernel = GaussianMixture(normal(4, 500, 2))
    fresh = normal(5, 400, 20, 2)
    other = normal(6, 400, 20, 2)
    found = torch.stack(
        [
            KernelDistance(y, kernel).distance(x.unsqueeze(0))[0]
            for x, y in zip(fresh, other, strict=True)
        ]
    )
    assert len(real) == 20
    assert abs(float(found.mean())) < 4 * float(found.std()) / 20


def test_cubic_kernel_by_hand():
    """For points 0, 1 against 1, 2 in one dimension: 1 + 27 - 2 (1 + 1 + 8 + 27) / 4."""
    real = torch.tensor([[1.0], [2.0]])
    found = KernelDistance(real, Cubic()).distance(torch.tensor([[[0.0], [1.0]]]))
    assert float(found) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_gaussians_see_what_a_cubic_kernel_cannot():
    """Every other mode of a ring of eight: the cubic distance is 0, that of Gaussians is not."""
    angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    modes = torch.stack([angles.cos(), angles.sin()], 1)
    real = modes.repeat(100, 1) + 0.01 * normal(7, 800, 2)
    collapsed = (modes[::2].repeat(200, 1) + 0.01 * normal(8, 800, 2)).unsqueeze(0)
    whole = (modes.repeat(100, 1) + 0.01 * normal(9, 800, 2)).unsqueeze(0)
    cubic, gaussian = KernelDistance(real, Cubic()), KernelDistance(real, GaussianMixture(real))
    assert abs(float(cubic.distance(collapsed))) < 0.02
    assert float(gaussian.distance(collapsed)) > 0.05
    assert abs(float(gaussian.distance(whole))) < 0.01


def test_frechet_distance_of_independent_features():
    """With diagonal covariances it is |m|^2 plus the squared differences of deviations."""
    x = Moments(
        torch.tensor([[1.0, 2.0], [0.0, 0.0]]).double(),
        torch.stack([torch.diag(torch.tensor([4.0, 9.0])), torch.eye(2)]).double(),
    )
    y = Moments(torch.zeros(2).double(), torch.diag(torch.tensor([1.0, 1.0])).double())
    assert frechet_distance(x, y).tolist() == pytest.approx([1 + 4 + 1 + 4, 0.0])


def test_frechet_distance_of_a_flat_distribution():
    """Features on a line, and all features alike, have distances too, in closed form."""
    y = normal(10, 500, 2)
    point = torch.zeros(1, 10, 2, dtype=torch.float64)
    expected = y.mean(0).square().sum() + y.var(0).sum()
    assert float(frechet_distance(moments(point), moments(y))) == pytest.approx(float(expected))
    line = normal(11, 1, 500, 1) * torch.tensor([1.0, 0.0])
    same = line[0] + 3.0
    assert float(frechet_distance(moments(line), moments(same))) == pytest.approx(18.0)


def test_class_divergence():
    """Equal shares 0; one of four classes log 4; half of them log 2; an unknown class infinite."""
    classes = torch.tensor([[0, 1, 2, 3], [2, 2, 2, 2], [0, 0, 1, 1]])
    shares = class_shares(classes, 4)
    assert shares[2].tolist() == [0.5, 0.5, 0, 0]
    fair = torch.full((4,), 0.25, dtype=torch.float64)
    expected = [0.0, math.log(4), math.log(2)]
    assert class_divergence(shares, fair).tolist() == pytest.approx(expected)
    none_of_three = torch.tensor([0.4, 0.3, 0.3, 0.0], dtype=torch.float64)
    assert class_divergence(shares, none_of_three)[0] == math.inf


def test_all_figures_of_points_order_good_and_bad():
    """Real against real beside each; a shifted and a collapsed row are worse, each in its way."""
    real, others = normal(12, 400, 2).float(), normal(13, 600, 2).float()
    good = normal(14, 1, 300, 2).float()
    samples = torch.cat([good, good + 3.0, torch.zeros_like(good)])
    quality = PointQuality(real, None, None, 300)
    figures, of_real = (quality.figures(x) for x in (samples, drawn(others, 300)[None]))
    assert set(figures) == {
        "sample_distance",
        "kernel_distance",
        "precision",
        "recall",
        "density",
        "coverage",
    }
    assert float(figures["recall"][0]) == pytest.approx(float(of_real["recall"]), abs=0.1)
    assert figures["precision"].tolist()[1] < 0.3
    assert figures["recall"].tolist()[2] == 0.0
    assert figures["coverage"].argmax() == 0
    for name in ("sample_distance", "kernel_distance"):
        assert figures[name].argmin() == 0
        assert float(figures[name][0]) < 0.15


def test_rows_do_not_depend_on_neighbours():
    """A row in company of a broken one has, to the bit, the figures it has alone."""
    real, samples = normal(15, 300, 3).float(), normal(16, 4, 64, 3).float()
    samples[1, 5] = torch.inf
    quality = PointQuality(real, None, None, 64)
    together = quality.figures(samples)
    for k in (0, 2, 3):
        alone = quality.figures(samples[k : k + 1])
        assert {n: float(v) for n, v in alone.items()} == {
            n: float(v[k]) for n, v in together.items()
        }
    assert all(values[1].isnan() for values in together.values())


def test_real_beside_needs_as_many_samples():
    """Fewer real samples than generated ones are refused."""
    with pytest.raises(ValueError, match="at least as many real samples as are generated, 20, got"):
        drawn(normal(19, 19, 2), 20)
