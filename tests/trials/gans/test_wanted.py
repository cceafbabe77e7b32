"""Dear figures of samples are measured where a study wants them, and nowhere else."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.trials.company import Told, cohort_of, curves
from trials.contract import Measuring, Row
from trials.data import DataError, Dataset, load
from trials.gans.classifier import classifiers
from trials.gans.quality import ImageQuality, PointQuality
from trials.gans.vectors import VectorGAN
from trials.gans.wanted import N_COMPARED, Wanted, offered

PARAMS = {"learning_rate": 1e-3, "units": 16, "layers": 1, "latent": 4, "batch_size": 32}
POINTS = ("kernel_distance", "precision", "recall", "density", "coverage")


def few(name: str) -> Dataset:
    """The data with 96 points to train on."""
    whole = load(name, seed=0)
    train = dataclasses.replace(whole.train, x=whole.train.x[:96])
    return dataclasses.replace(whole, train=train) if whole.train.y is None else whole


def epochs(trainer: VectorGAN, seeds: list[int], n_epochs: int = 2) -> dict[int, list[Told]]:
    """The metrics of each row, with every bit."""
    return curves(cohort_of(trainer, [Row(seed, PARAMS, seed, 9) for seed in seeds]), n_epochs)


def test_what_is_offered_depends_on_the_data() -> None:
    """Points have five further objectives; images with classes two more."""
    assert [o.name for o in offered(few("ring"))] == list(POINTS)
    images = ("frechet_distance", "class_divergence", *POINTS)
    assert [o.name for o in offered(few("digits"))] == list(images)
    directions = {o.name: o.direction for o in offered(few("digits"))}
    smaller = {name for name, direction in directions.items() if direction == "minimize"}
    assert smaller == {"frechet_distance", "class_divergence", "kernel_distance"}
    trainer = VectorGAN(few("ring"))
    assert isinstance(trainer, Measuring)
    assert {o.name for o in trainer.objectives} >= {"sample_distance", "modes", *POINTS}


def test_only_what_is_wanted_is_measured() -> None:
    """Without a wish there is none of them; one wish brings its figure beside that of real data."""
    trainer = VectorGAN(few("ring"))
    cohort = trainer.cohort(trainer.structure(PARAMS))
    cohort.admit([Row(0, PARAMS, 0, 9)])
    assert cohort.advance()[0].metrics.keys().isdisjoint(POINTS)
    trainer.measure(["recall", "sample_distance"])
    cohort = trainer.cohort(trainer.structure(PARAMS))
    cohort.admit([Row(0, PARAMS, 0, 9)])
    metrics = cohort.advance()[0].metrics
    assert metrics.keys() & {*POINTS, *(f"{n}_real" for n in POINTS)} == {"recall", "recall_real"}
    assert metrics["recall_real"] > metrics["recall"]


def test_a_wish_changes_nothing_else_and_no_row_depends_on_others() -> None:
    """Every bit of a row is the same alone and in company, and apart from them without wishes."""
    trainer = VectorGAN(few("grid"))
    trainer.measure(POINTS)
    together = epochs(trainer, [1, 2, 3, 4, 5])
    assert epochs(trainer, [3])[3] == together[3]
    plain = VectorGAN(few("grid"))
    (bare,) = epochs(plain, [3], 1)[3]
    assert bare.items() <= together[3][0].items()


def test_points_are_measured_as_by_point_quality() -> None:
    """The figures are those of the validation part's first points."""
    data = few("ring")
    made = torch.randn(2, 256, 2, generator=torch.Generator().manual_seed(0))
    found = Wanted(data, POINTS, torch.device("cpu"), torch.float32).figures(made)
    real = torch.as_tensor(data.validation.x)[:N_COMPARED]
    expected = PointQuality(real, None, None, 256).figures(made)
    for name in POINTS:
        assert torch.equal(found[name], expected[name])
        assert found[f"{name}_real"].shape == (2,)


def test_images_are_measured_in_the_features_of_a_classifier() -> None:
    """The same as by the classifier of that data; real images are nearest, noise is far off."""
    data = load("digits", seed=0)
    names = ("frechet_distance", "class_divergence", "recall")
    real = torch.as_tensor(data.train.x[:256]).flatten(1)
    noise = 16 * torch.rand(256, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = Wanted(data, names, torch.device("cpu"), torch.float32)
        found = wanted.figures(torch.stack([real, noise]))
    judge = ImageQuality(torch.as_tensor(data.validation.x), classifiers().of(data))
    expected = judge.figures(noise.view(1, 256, 1, 8, 8))
    for name in names:
        assert float(found[name][1]) == pytest.approx(float(expected[name]))
    assert found["frechet_distance"][0] < 0.1 * found["frechet_distance"][1]
    assert float(found["frechet_distance_real"][0]) == pytest.approx(
        float(found["frechet_distance"][0]), rel=0.5
    )


def test_the_test_part_tells_what_was_asked_for_and_the_share_of_each_class() -> None:
    """Asked for a divergence of classes, a test has the histogram that it is taken from."""
    data = load("digits", seed=0)
    trainer = VectorGAN(data)
    cohort = trainer.cohort(trainer.structure(PARAMS))
    cohort.admit([Row(0, PARAMS, 0, 9)])
    state = cohort.save(0)
    assert trainer.test(state, PARAMS).keys() == {"sample_distance"}
    trainer.measure(["class_divergence"])
    found = trainer.test(state, PARAMS)
    judge = ImageQuality(torch.as_tensor(data.test.x), classifiers().of(data))
    expected = judge.figures(trainer.samples(state, PARAMS).unsqueeze(0))
    shares = [found[f"class_share_{c}"] for c in range(10)]
    assert shares == pytest.approx([float(expected[f"class_share_{c}"]) for c in range(10)])
    assert sum(shares) == pytest.approx(1.0)
    assert found["class_divergence"] == pytest.approx(float(expected["class_divergence"]))
    assert sum(found[f"class_share_{c}_real"] for c in range(10)) == pytest.approx(1.0)


def test_too_few_points_are_refused() -> None:
    """Neighbourhoods need six points."""
    data = few("ring")
    part = dataclasses.replace(data.validation, x=data.validation.x[:5])
    trainer = VectorGAN(dataclasses.replace(data, validation=part))
    trainer.measure(["sample_distance"])
    with pytest.raises(DataError, match="must have at least 6 points"):
        trainer.measure(["recall"])
