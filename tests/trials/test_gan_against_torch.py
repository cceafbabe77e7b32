"""The GAN trainer, one row at a time, against torch.nn and torch.optim written by hand."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trials.contract import Row
from trials.data.scaling import fit_scaling
from trials.gans.vectors import VectorGAN
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, normal_tape

SEED = 21
SMALL = {"units": 12, "latent": 3, "batch_size": 16, "learning_rate": 0.01, "layers": 2}


def plain_player(widths, activation, weights, prefix):
    """The player's Sequential with the given initial weights."""
    modules = []
    for n_in, n_out in itertools.pairwise(widths):
        modules += [nn.Linear(n_in, n_out), activation()]
    network = nn.Sequential(*modules[:-1]).double()
    network.load_state_dict(
        {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
    )
    return network


def plain_losses(data, params, weights, epochs, activation):
    """Mean losses per epoch of plain training on the row's own draws, and the two players."""
    scaling = fit_scaling("standardize", data.train.x)
    x = torch.tensor(scaling.apply(data.train.x)).double()
    hidden, latent = [params["units"]] * params["layers"], params["latent"]
    maker = plain_player([latent, *hidden, 2], activation, weights, "generator.")
    judge = plain_player([2, *hidden, 1], activation, weights, "discriminator.")
    rate, ratio = params["learning_rate"], params.get("discriminator_ratio", 1.0)
    betas = (params.get("beta1", 0.5), params.get("beta2", 0.999))
    maker_optimizer = torch.optim.Adam(maker.parameters(), lr=rate, betas=betas)
    judge_optimizer = torch.optim.Adam(judge.parameters(), lr=rate * ratio, betas=betas)
    entropy = functional.binary_cross_entropy_with_logits
    every = params.get("discriminator_steps", 1)
    curve = []
    for epoch in range(epochs):
        tapes = [generator(SEED, f"{p} latent", epoch) for p in ("discriminator", "generator")]
        batches = data_order(SEED, epoch, len(x)).split(params["batch_size"])
        judged, made = [], []
        for step, points in enumerate(batches):
            n = len(points)

            def noise(tape, n=n):
                return normal_tape(tape, 1, (padded_batch(n), latent))[0, :n].double()

            judge_optimizer.zero_grad()
            real, fake = judge(x[points]), judge(maker(noise(tapes[0])).detach())
            target = torch.full_like(real, 1 - params.get("label_smoothing", 0.0))
            loss = entropy(real, target) + entropy(fake, torch.zeros_like(fake))
            loss.backward()
            judge_optimizer.step()
            judged += [loss.item()] * n
            if (step + 1) % every and step + 1 < len(batches):
                continue
            maker_optimizer.zero_grad()
            logits = judge(maker(noise(tapes[1])))
            if params.get("loss") == "minimax":
                loss = -entropy(logits, torch.zeros_like(logits))
            else:
                loss = entropy(logits, torch.ones_like(logits))
            loss.backward()
            maker_optimizer.step()
            made += [loss.item()] * n
        curve.append((np.mean(judged), np.mean(made)))
    return curve, maker, judge


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
    params = SMALL | changes
    trainer = VectorGAN(ring_data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 3)])
    weights = trainer.weights(cohort.save(0), params)
    figures = [cohort.advance()[0].metrics for _ in range(3)]
    activation = nn.Softplus if "activation" in params else nn.LeakyReLU
    expected, maker, judge = plain_losses(ring_data, params, weights, 3, activation)
    losses = [(f["discriminator_loss"], f["generator_loss"]) for f in figures]
    np.testing.assert_allclose(losses, expected, rtol=1e-8)
    trained = trainer.weights(cohort.save(0), params)
    for prefix, network in (("generator.", maker), ("discriminator.", judge)):
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(trained[prefix + name], tensor, rtol=1e-6, atol=1e-8)


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
