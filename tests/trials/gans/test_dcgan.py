"""The convolutional GAN, one row at a time, against torch.nn and torch.optim written by hand."""

import numpy as np
import pytest
import torch

from tests.trials.gans.plain_images import PlainImageGame, images_of
from trials.contract import Row
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
    {"leak": 0.2, "label_flips": 0.2, "label_smoothing": 0.1, "instance_noise": 0.3},
)


def cohort_of(settings, dtype, side=SIDE):
    """A trainer, a cohort of rows of these settings, and the rows."""
    trainer = DCGAN(images_of(side), dtype=dtype)
    cohort = trainer.cohort(trainer.structure(settings[0]))
    rows = [Row(k, own, 100 + k, EPOCHS) for k, own in enumerate(settings)]
    cohort.admit(rows)
    return trainer, cohort, rows


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_rows_equal_plain_torch(structure):
    """Both players' losses and weights are those of the same game in torch, for each structure."""
    settings = [SMALL | own | structure for own in ROWS]
    trainer, cohort, rows = cohort_of(settings, torch.float64)
    weights = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    found = [{p.key: p.metrics for p in cohort.advance()} for _ in range(EPOCHS)]
    for row, start in zip(rows, weights, strict=True):
        game = PlainImageGame(images_of(SIDE), row, start, settings_of(Settings, row.params))
        expected = [game.epoch(epoch) for epoch in range(EPOCHS)]
        losses = [(f[row.key]["discriminator_loss"], f[row.key]["generator_loss"]) for f in found]
        np.testing.assert_allclose(losses, expected, rtol=1e-7, atol=1e-9, err_msg=str(row))
        state = cohort.save(row.key)
        for player, network in (("generator", game.maker), ("discriminator", game.judge)):
            for name, tensor in network.body.named_parameters():
                own = state[f"{player}.parameters.{name}"]
                torch.testing.assert_close(own, tensor.detach(), rtol=1e-5, atol=1e-7)
        for name, tensor in game.maker.body.named_buffers():
            if name.split(".")[-1] in ("running_mean", "running_var"):
                torch.testing.assert_close(state[f"generator.buffers.{name}"], tensor)


@pytest.mark.parametrize("name", ["packs of two", "virtual", "spectral", "all at once"])
def test_company_changes_no_bit(name):
    """Rows of any structure, alone or together, late or from a checkpoint, have the same bits."""
    structure = STRUCTURES[name]
    settings = [SMALL | own | structure for own in ROWS]
    _, together, rows = cohort_of(settings, torch.float32)
    found = [{p.key: dict(p.metrics) for p in together.advance()} for _ in range(EPOCHS)]
    for row in rows[1:2]:
        trainer, cohort, _ = cohort_of(settings[:1], torch.float32)
        late = Row(99, row.params, row.seed, row.epochs)
        cohort.admit([late])
        curve = [{p.key: p.metrics for p in cohort.advance()}[99]]
        alone = trainer.cohort(trainer.structure(row.params))
        alone.admit([late], {99: cohort.save(99)})
        curve.append(alone.advance()[0].metrics)
        assert curve == [figures[row.key] for figures in found]
        saved, expected = alone.save(99), together.save(row.key)
        assert all(torch.equal(tensor, expected[name]) for name, tensor in saved.items())


def test_channels_share_a_cohort_and_depth_does_not():
    """Channels in one bucket are padded alike; another depth is another structure."""
    trainer = DCGAN(images_of(SIDE))
    structure = trainer.structure(SMALL)
    assert trainer.structure(SMALL | {"channels": 16, "latent": 16}) == structure
    assert trainer.structure(SMALL | {"layers": 1}) != structure


@pytest.mark.parametrize("side", [12, 20])
def test_company_changes_no_bit_on_other_images(side):
    """Where maps are smaller than vectors, padding is wider, and bits are still a row's own."""
    kinds = ("tanh", "elu", "relu")
    settings = [SMALL | {"activation": kinds[k % 3], "channels": 1 + k} for k in range(5)]
    trainer, together, rows = cohort_of(settings, torch.float32, side)
    found = {p.key: p.metrics for p in together.advance()}
    for row in rows:
        alone = trainer.cohort(trainer.structure(SMALL))
        alone.admit([row])
        assert alone.advance()[0].metrics == found[row.key]
        saved = together.save(row.key)
        assert all(torch.equal(t, saved[name]) for name, t in alone.save(row.key).items())


def test_images_that_cannot_be_halved_twice_are_refused(classes_data):
    """So are points; the message says what is wanted."""
    for data in (images_of(10), classes_data):
        with pytest.raises(DataError, match=r"sides are multiples of 4 .* got points of shape"):
            DCGAN(data)
