"""The convolutional GAN, one row at a time, against torch.nn and torch.optim written by hand."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trials.contract import Row
from trials.data import DataError, Dataset, Part
from trials.data.scaling import fit_scaling
from trials.gans.dcgan import DCGAN
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, normal_tape

SEED, SIDE, EPOCHS = 21, 8, 3
SMALL = {"channels": 5, "latent": 3, "batch_size": 16, "learning_rate": 0.005, "layers": 2}


def images_data(side=SIDE):
    """90 images of a bright square somewhere; 53 of them for training."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(90, 1, side, side), scale=0.1)
    for image, (row, column) in zip(x[:, 0], rng.integers(0, side - 3, (90, 2)), strict=True):
        image[row : row + 3, column : column + 3] += 1
    cuts = (slice(0, 53), slice(53, 74), slice(74, 90))
    train, validation, test = (Part(x[cut].astype(np.float32), None) for cut in cuts)
    return Dataset(
        name="squares",
        kind="images",
        task="density",
        train=train,
        validation=validation,
        test=test,
        feature_names=(),
        classes=(),
        target_name="",
        fingerprint="",
    )


def plain_players(params, weights, activation):
    """Generator and discriminator as torch.nn has them, with the given initial weights."""
    channels, n_layers = params["channels"], params["layers"]
    widths = [1, *(channels * 2**i for i in range(n_layers))]
    top = (widths[-1], SIDE >> n_layers, SIDE >> n_layers)
    maker = [nn.Linear(params["latent"], int(np.prod(top))), nn.Unflatten(1, top)]
    judge = []
    for i in range(n_layers):
        maker += [activation(), nn.ConvTranspose2d(widths[-1 - i], widths[-2 - i], 4, 2, 1)]
        judge += [nn.Conv2d(widths[i], widths[i + 1], 4, 2, 1), activation()]
    judge += [nn.Flatten(), nn.Linear(int(np.prod(top)), 1)]
    players = {"generator": nn.Sequential(*maker), "discriminator": nn.Sequential(*judge)}
    for prefix, network in players.items():
        own = {n: t for n, t in weights.items() if n.startswith(prefix)}
        network.double().load_state_dict({n.removeprefix(f"{prefix}."): t for n, t in own.items()})
    return players


def plain_losses(data, params, players):
    """Mean losses per epoch of plain training on the row's own draws."""
    maker, judge = players.values()
    scaling = fit_scaling("standardize", data.train.x)
    x = torch.tensor(scaling.apply(data.train.x)).double()
    rate, betas = params["learning_rate"], (0.5, 0.999)
    maker_optimizer = torch.optim.Adam(maker.parameters(), lr=rate, betas=betas)
    judge_optimizer = torch.optim.Adam(judge.parameters(), lr=rate, betas=betas)
    entropy = functional.binary_cross_entropy_with_logits
    curve = []
    for epoch in range(EPOCHS):
        tapes = [generator(SEED, f"{p} latent", epoch) for p in ("discriminator", "generator")]
        judged, made = [], []
        for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
            n = len(points)
            shape = (padded_batch(n), params["latent"])
            noise = [normal_tape(tape, 1, shape)[0, :n].double() for tape in tapes]
            judge_optimizer.zero_grad()
            real, fake = judge(x[points]), judge(maker(noise[0]).detach())
            loss = entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))
            loss.backward()
            judge_optimizer.step()
            judged += [loss.item()] * n
            maker_optimizer.zero_grad()
            logits = judge(maker(noise[1]))
            loss = entropy(logits, torch.ones_like(logits))
            loss.backward()
            maker_optimizer.step()
            made += [loss.item()] * n
        curve.append((np.mean(judged), np.mean(made)))
    return curve


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("activation", ["leaky_relu", "tanh"])
def test_dcgan_equals_plain_torch(n_layers, activation):
    """Both players' losses and weights are those of the same game in torch, over 3 epochs."""
    params = SMALL | {"layers": n_layers, "activation": activation}
    data = images_data()
    trainer = DCGAN(data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, EPOCHS)])
    weights = trainer.weights(cohort.save(0), params)
    figures = [cohort.advance()[0].metrics for _ in range(EPOCHS)]
    module = {"leaky_relu": nn.LeakyReLU, "tanh": nn.Tanh}[activation]
    players = plain_players(params, weights, module)
    expected = plain_losses(data, params, players)
    losses = [(f["discriminator_loss"], f["generator_loss"]) for f in figures]
    np.testing.assert_allclose(losses, expected, rtol=1e-8)
    trained = trainer.weights(cohort.save(0), params)
    for prefix, network in players.items():
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(trained[f"{prefix}.{name}"], tensor, rtol=1e-6, atol=1e-8)


def test_channels_share_a_cohort_and_depth_does_not():
    """Channels in one bucket are padded alike; another depth is another structure."""
    trainer = DCGAN(images_data())
    structure = trainer.structure(SMALL)
    assert trainer.structure(SMALL | {"channels": 16, "latent": 16}) == structure
    assert trainer.structure(SMALL | {"layers": 1}) != structure


@pytest.mark.parametrize("side", [12, 20])
def test_company_changes_no_bit_on_other_images(side):
    """Where maps are smaller than vectors, padding is wider, and bits are still a row's own."""
    trainer = DCGAN(images_data(side))
    kinds = ("tanh", "elu", "relu")
    rows = [Row(k, SMALL | {"activation": kinds[k % 3], "channels": 1 + k}, k, 2) for k in range(5)]
    together = trainer.cohort(trainer.structure(SMALL))
    together.admit(rows)
    found = {p.key: p.metrics for p in together.advance()}
    for row in rows:
        alone = trainer.cohort(trainer.structure(SMALL))
        alone.admit([row])
        assert alone.advance()[0].metrics == found[row.key]
        saved = together.save(row.key)
        assert all(torch.equal(t, saved[name]) for name, t in alone.save(row.key).items())


def test_images_that_cannot_be_halved_twice_are_refused(classes_data):
    """So are points; the message says what is wanted."""
    for data in (images_data(10), classes_data):
        with pytest.raises(DataError, match=r"sides are multiples of 4 .* got points of shape"):
            DCGAN(data)
