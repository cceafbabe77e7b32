"""Stacked losses and remedies against a plain GAN, and that each does what it says."""

import pytest
import torch

from tests.trials.company import assert_late_bits
from tests.trials.gans.plain_game import PlainGame, assert_plain, rows_of
from trials.gans.losses import LOSSES
from trials.gans.vectors import Settings, VectorGAN
from trials.stacked.settings import settings_of

EPOCHS = 3
SMALL = {"units": 12, "latent": 3, "batch_size": 16, "learning_rate": 0.004, "layers": 2}
ROWS = {
    "least squares": {"loss": "least_squares", "label_smoothing": 0.1},
    "hinge": {"loss": "hinge", "units": 9},
    "wasserstein, clipped": {"loss": "wasserstein", "clip": 0.1},
    "minimax, flipped": {"loss": "minimax", "label_flips": 0.2, "label_smoothing": 0.2},
    "hinge, flipped": {"loss": "hinge", "label_flips": 0.3},
    "noise": {"instance_noise": 0.4, "instance_noise_end": 0.6},
    "average": {"average_half_life": 40.0},
    "cosine": {"schedule": "cosine", "discriminator_ratio": 2.0},
    "uniform": {"latent_distribution": "uniform", "latent": 5},
    "as the data are": {"input_scaling": "none"},
    "from 0 to 1": {"input_scaling": "minmax", "instance_noise": 0.1},
    "leak": {"leak": 0.3},
    "leak and tanh": {"leak": 0.1, "activation": "tanh"},
    "frozen generator": {"frozen_player": "generator", "frozen_epochs": 1},
    "frozen discriminator": {
        "frozen_player": "discriminator",
        "frozen_epochs": 1,
        "frozen_from": 1,
        "average_half_life": 100.0,
    },
}
STRUCTURES = {
    "as it is": {},
    "packs of two": {"packing": 2, "batch_size": 15},
    "penalty": {"gradient_penalty": 3.0},
    "batch normalisation": {"generator_norm": "batch", "discriminator_norm": "batch"},
    "virtual": {"generator_norm": "virtual", "discriminator_norm": "virtual"},
    "spectral": {"discriminator_norm": "spectral", "discriminator_steps": 2},
    "spectral and penalty": {"discriminator_norm": "spectral", "gradient_penalty": 0.5},
    "penalty in packs": {"gradient_penalty": 2.0, "packing": 4, "generator_norm": "batch"},
}


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_rows_equal_plain_torch(ring_data, structure):
    """Rows of different settings in one cohort have the losses and weights of plain games."""
    some = list(ROWS.values())[:: 3 if structure else 1]
    settings = [SMALL | structure | own for own in some]

    def game_of(row, weights):
        return PlainGame(ring_data, row, weights, settings_of(Settings, row.params))

    trainer = VectorGAN(ring_data, dtype=torch.float64)
    assert_plain(trainer, settings, game_of, EPOCHS, EPOCHS, rtol=1e-7)


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_company_changes_no_bit(ring_data, structure):
    """Rows of all remedies, alone, together, late or from a checkpoint, have the same bits."""
    settings = [SMALL | structure | own for own in ROWS.values()] * 2
    rows = rows_of(settings, EPOCHS)
    assert_late_bits(VectorGAN(ring_data), rows, rows[1::5], EPOCHS)


def test_every_loss_is_checked():
    """No loss is left out of the comparison with plain games."""
    checked = {own.get("loss", Settings().loss) for own in ROWS.values()}
    assert checked == set(LOSSES)
