"""Figures of fresh samples that the quality benchmark prints, on samples with known answers."""

import pytest
import torch

from trials.contract import Row
from trials.data import load
from trials.gans.vectors import VectorGAN

PARAMS = {"units": 12, "latent": 3, "batch_size": 512, "leak": 0.3, "layers": 2}


@pytest.fixture
def goals(monkeypatch, request):
    """The figures as a module."""
    monkeypatch.syspath_prepend(str(request.config.rootpath / "benchmarks"))
    import gan_goals

    return gan_goals


@pytest.mark.parametrize(
    "own",
    [{"activation": "leaky_relu"}, {"activation": "tanh", "latent_distribution": "uniform"}],
)
def test_samples_are_those_of_the_generator(goals, own):
    """Fresh samples have the mean and the spread of the trainer's own, from other noise."""
    params, ring = PARAMS | own, load("ring", seed=0)
    trainer = VectorGAN(ring)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 1, 2)])
    cohort.advance()
    state = cohort.save(0)
    fresh = goals.samples(trainer.weights(state, params), params, ring, 4000)
    own_samples = trainer.samples(state, params)
    assert fresh.shape == (4000, 2)
    torch.testing.assert_close(fresh.mean(0), own_samples.mean(0), rtol=0, atol=0.15)
    torch.testing.assert_close(fresh.std(0), own_samples.std(0), rtol=0.15, atol=0)


def test_real_points_reach_every_goal(goals):
    """Held-out points have all modes, 98.9 % near one, the right moments, and lie on the line."""
    ring, line, normal = (load(name, seed=0) for name in ("ring", "line", "normal_vectors"))
    points = [torch.as_tensor(data.test.x) for data in (ring, line, normal)]
    assert goals.n_modes(points[0], ring) == 8
    assert goals.high_quality(points[0], ring) == pytest.approx(0.989, abs=0.006)
    assert goals.line_distance(points[1], line) < 1e-6
    assert goals.n_tenths(points[1], line) == 10
    assert goals.mean_error(points[2], normal) < 0.06
    assert goals.deviation_error(points[2], normal) < 0.06


def test_collapsed_samples_miss_them(goals):
    """One point has one mode, one tenth, no deviation, and is off the line where it is off."""
    line, normal = load("line", seed=0), load("normal_vectors", seed=0)
    away = torch.tensor([[1.0, 0.5]]).repeat(100, 1) + torch.tensor([0.3, 0.4])
    assert goals.line_distance(away, line) == pytest.approx(0.5 / 5**0.5)
    assert goals.n_tenths(torch.full((100, 2), 0.01) * torch.tensor([1.0, 0.5]), line) == 1
    same = torch.as_tensor(normal.test.x)[:1].repeat(50, 1)
    assert goals.deviation_error(same, normal) == pytest.approx(1.0)


def test_real_images_have_all_classes(goals):
    """As far from the test part as other real images are, and of all ten classes."""
    digits = load("digits", seed=0)
    images = torch.as_tensor(digits.validation.x).flatten(1)
    assert goals.n_classes(images, digits) == 10
    assert goals.frechet_over_real(images, digits) == pytest.approx(1.0, abs=0.5)
    assert goals.n_classes(images[:1].repeat(270, 1), digits) == 1
