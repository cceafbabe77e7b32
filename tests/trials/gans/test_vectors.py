"""The GAN trainer, one row at a time, against torch.nn and torch.optim written by hand."""

import numpy as np
import pytest
import torch

from tests.trials.gans.plain_game import PlainGame, assert_plain
from trials.contract import Row
from trials.gans.vectors import Settings, VectorGAN
from trials.stacked.settings import settings_of

SEED = 21
SMALL = {"units": 12, "latent": 3, "batch_size": 16, "learning_rate": 0.01, "layers": 2}


CASES = {
    "non-saturating": {},
    "minimax": {"loss": "minimax"},
    "smoothing": {"label_smoothing": 0.2},
    "own rates": {"discriminator_ratio": 3.0, "beta1": 0.0, "beta2": 0.9},
    "three discriminator steps": {"discriminator_steps": 3},
    "softplus": {"activation": "softplus", "loss": "minimax"},
    "latent in full": {"latent": 16, "units": 16},
    "batches of seven": {"batch_size": 7},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_gan_equals_plain_torch(ring_data, changes):
    """Both players' losses and weights are those of the same game in torch, over 3 epochs."""

    def game_of(row, weights):
        return PlainGame(ring_data, row, weights, settings_of(Settings, row.params))

    trainer = VectorGAN(ring_data, dtype=torch.float64)
    assert_plain(trainer, [SMALL | changes], game_of, 3, 3, rtol=1e-8)


def test_padding_does_not_matter(ring_data):
    """A row in wider buckets of units and latent features has the same figures in float64."""
    params = SMALL | {"activation": "sigmoid"}
    trainer = VectorGAN(ring_data, dtype=torch.float64)
    figures = []
    for structure in (params, params | {"units": 64, "latent": 30}):
        cohort = trainer.cohort(trainer.structure(structure))
        cohort.admit([Row(0, params, SEED, 3)])
        figures.append([list(cohort.advance()[0].metrics.values()) for _ in range(3)])
    np.testing.assert_allclose(figures[0], figures[1], atol=1e-9)


def test_objectives_name_the_modes_where_they_are_known(ring_data):
    """Distance is minimised, quality and modes maximised; each is in every epoch's figures."""
    trainer = VectorGAN(ring_data)
    assert [(o.name, o.direction) for o in trainer.objectives[:3]] == [
        ("sample_distance", "minimize"),
        ("high_quality", "maximize"),
        ("modes", "maximize"),
    ]
    cohort = trainer.cohort(trainer.structure(SMALL))
    cohort.admit([Row(0, SMALL, SEED, 3)])
    cheap = {o.name for o in trainer.objectives[:3]}
    assert cheap < cohort.advance()[0].metrics.keys()
    assert cheap <= trainer.test(cohort.save(0), SMALL).keys()


def test_data_without_modes(classes_data):
    """A table can be learnt too; the distance comes first, and there are no modes to count."""
    names = [o.name for o in VectorGAN(classes_data).objectives]
    assert names[0] == "sample_distance"
    assert not {"modes", "high_quality"} & set(names)


def test_training_brings_samples_nearer(ring_data):
    """After sixty epochs the samples are much nearer to the data than at the start."""
    params = SMALL | {"units": 32, "learning_rate": 0.003}
    trainer = VectorGAN(ring_data)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 60)])
    distances = [cohort.advance()[0].metrics["sample_distance"] for _ in range(60)]
    assert distances[-1] < 0.6 * distances[0]
