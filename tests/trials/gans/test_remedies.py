"""Stacked losses and remedies against a plain GAN, and that each does what it says."""

import numpy as np
import pytest
import torch

from tests.trials.gans.plain_game import PlainGame
from trials.contract import Row
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


def cohort_of(data, settings, dtype=torch.float64, epochs=EPOCHS):
    """Rows of these settings in one cohort, and their trainer."""
    trainer = VectorGAN(data, dtype=dtype)
    cohort = trainer.cohort(trainer.structure(settings[0]))
    rows = [Row(k, params, 100 + k, epochs) for k, params in enumerate(settings)]
    cohort.admit(rows)
    return trainer, cohort, rows


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_rows_equal_plain_torch(ring_data, structure):
    """Rows of different settings in one cohort have the losses and weights of plain games."""
    some = list(ROWS.values())[:: 3 if structure else 1]
    settings = [SMALL | structure | own for own in some]
    trainer, cohort, rows = cohort_of(ring_data, settings)
    weights = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    found = [{p.key: p.metrics for p in cohort.advance()} for _ in range(EPOCHS)]
    for row, start in zip(rows, weights, strict=True):
        game = PlainGame(ring_data, row, start, settings_of(Settings, row.params))
        expected = [game.epoch(epoch) for epoch in range(EPOCHS)]
        losses = [(f[row.key]["discriminator_loss"], f[row.key]["generator_loss"]) for f in found]
        np.testing.assert_allclose(losses, expected, rtol=1e-7, atol=1e-9, err_msg=str(row))
        state = cohort.save(row.key)
        for player, network in (("generator", game.maker), ("discriminator", game.judge)):
            for name, tensor in network.body.named_parameters():
                own = state[f"{player}.parameters.{name}"]
                torch.testing.assert_close(own, tensor.detach(), rtol=1e-5, atol=1e-7)
        if game.s.average_half_life:
            names = [name for name, _ in game.maker.body.named_parameters()]
            kept = trainer.weights(state, row.params)
            for name, mean in zip(names, game.average, strict=True):
                torch.testing.assert_close(kept[f"generator.{name}"], mean, rtol=1e-6, atol=1e-8)
        for name, tensor in game.maker.body.named_buffers():
            if name.split(".")[-1] in ("running_mean", "running_var"):
                torch.testing.assert_close(state[f"generator.buffers.{name}"], tensor)


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_company_changes_no_bit(ring_data, structure):
    """Rows of all remedies, alone, together, late or from a checkpoint, have the same bits."""
    settings = [SMALL | structure | own for own in ROWS.values()] * 2
    _, together, rows = cohort_of(ring_data, settings, torch.float32)
    found = [{p.key: dict(p.metrics) for p in together.advance()} for _ in range(EPOCHS)]
    for row in rows[1::5]:
        trainer, cohort, _ = cohort_of(ring_data, settings[:3], torch.float32)
        late = Row(99, row.params, row.seed, row.epochs)
        cohort.admit([late])
        curve = [{p.key: p.metrics for p in cohort.advance()}[99]]
        other = trainer.cohort(trainer.structure(row.params))
        other.admit([late], {99: cohort.save(99)})
        curve += [other.advance()[0].metrics for _ in range(EPOCHS - 1)]
        assert curve == [figures[row.key] for figures in found]
        saved, expected = other.save(99), together.save(row.key)
        assert saved.keys() == expected.keys()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in saved.items())


def test_every_loss_is_checked():
    """No loss is left out of the comparison with plain games."""
    checked = {own.get("loss", Settings().loss) for own in ROWS.values()}
    assert checked == set(LOSSES)
