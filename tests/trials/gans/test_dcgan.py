"""The convolutional GAN, one row at a time, against torch.nn and torch.optim written by hand."""

import pytest
import torch

from tests.trials.company import assert_late_bits, assert_own_bits
from tests.trials.gans.plain_game import assert_plain, rows_of
from tests.trials.gans.plain_images import PlainImageGame, images_of
from trials.data import DataError
from trials.gans.dcgan import DCGAN, Settings
from trials.stacked.settings import settings_of

SIDE, EPOCHS = 8, 2
SMALL = {"channels": 5, "latent": 3, "batch_size": 16, "learning_rate": 0.005, "layers": 2}
STRUCTURES = {
    "one layer": {"layers": 1},
    "two layers": {},
    "packs of two": {"packing": 2},
    "penalty": {"gradient_penalty": 3.0, "layers": 1},
    "batch normalisation": {"generator_norm": "batch", "discriminator_norm": "batch"},
    "virtual": {"generator_norm": "virtual", "discriminator_norm": "virtual"},
    "spectral": {"discriminator_norm": "spectral", "discriminator_steps": 2},
    "all at once": {
        "generator_norm": "batch",
        "discriminator_norm": "spectral",
        "gradient_penalty": 2.0,
        "packing": 2,
    },
}
ROWS = (
    {"loss": "wasserstein", "learning_rate": 0.001, "clip": 0.3},
    {"activation": "tanh", "loss": "hinge", "average_half_life": 50.0, "channels": 3},
    # Noise is drawn in float32, where a quarter of it and less is exact.
    {"leak": 0.2, "label_flips": 0.2, "input_scaling": "minmax", "instance_noise": 0.25},
)


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_rows_equal_plain_torch(structure):
    """Both players' losses and weights are those of the same game in torch, for each structure."""

    def game_of(row, weights):
        return PlainImageGame(images_of(SIDE), row, weights, settings_of(Settings, row.params))

    settings = [SMALL | own | structure for own in ROWS]
    trainer = DCGAN(images_of(SIDE), dtype=torch.float64)
    assert_plain(trainer, settings, game_of, EPOCHS, EPOCHS, rtol=1e-7)


@pytest.mark.parametrize("name", ["packs of two", "virtual", "spectral", "all at once"])
def test_company_changes_no_bit(name):
    """Every row, alone or together, late or from a checkpoint, has the same bits."""
    settings = [SMALL | own | STRUCTURES[name] for own in ROWS]
    rows = rows_of(settings, EPOCHS)
    assert_late_bits(DCGAN(images_of(SIDE)), rows, rows, EPOCHS)


def test_channels_share_a_cohort_and_depth_does_not():
    """Channels in one bucket are padded alike; another depth is another structure."""
    trainer = DCGAN(images_of(SIDE))
    structure = trainer.structure(SMALL)
    assert trainer.structure(SMALL | {"channels": 16, "latent": 16}) == structure
    assert trainer.structure(SMALL | {"layers": 1}) != structure


@pytest.mark.parametrize("side", [12, 28])
def test_company_changes_no_bit_on_other_images(side):
    """Where maps are smaller than vectors, padding is wider, and bits are still a row's own."""
    kinds = ("tanh", "elu", "relu")
    settings = [SMALL | {"activation": kinds[k % 3], "channels": 1 + k} for k in range(5)]
    assert_own_bits(DCGAN(images_of(side)), rows_of(settings, EPOCHS), 1)


def test_images_that_cannot_be_halved_twice_are_refused(classes_data):
    """So are points; the message says what is wanted."""
    for data in (images_of(10), classes_data):
        with pytest.raises(DataError, match=r"sides are multiples of 4 .* got points of shape"):
            DCGAN(data)
