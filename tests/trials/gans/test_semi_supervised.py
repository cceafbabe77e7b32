"""The semi-supervised GAN against plain torch, and what a few labels are worth with it."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trials import data
from trials.contract import Row
from trials.data import DataError
from trials.data.scaling import fit_scaling
from trials.gans.semi_supervised import N_LABELS, SemiSupervisedGAN
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, normal_tape

EPOCHS = 2
SMALL = {"units": 12, "latent": 3, "batch_size": 16, "learning_rate": 0.004, "layers": 2}


def plain_player(widths, weights, prefix):
    """The Sequential with the given weights."""
    modules = []
    for n_in, n_out in itertools.pairwise(widths):
        modules += [nn.Linear(n_in, n_out), nn.LeakyReLU()]
    network = nn.Sequential(*modules[:-1]).double()
    own = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
    network.load_state_dict(own)
    return network


def plain_losses(dataset, row, weights):
    """Mean adversarial losses per epoch of plain training, and the discriminator."""
    scaling = fit_scaling("standardize", dataset.train.x)
    x = torch.tensor(scaling.apply(dataset.train.x)).double()
    y = torch.tensor(dataset.train.y)
    maker = plain_player([3, 12, 12, 5], weights, "generator.")
    judge = plain_player([5, 12, 12, 3], weights, "discriminator.")
    rules = [torch.optim.Adam(p.parameters(), lr=0.004, betas=(0.5, 0.999)) for p in (maker, judge)]
    curve = []
    for epoch in range(EPOCHS):
        tapes = [generator(row.seed, f"{p} latent", epoch) for p in ("discriminator", "generator")]
        judged, made = [], []
        for points in data_order(row.seed, epoch, len(x)).split(16):
            n = len(points)
            noise = [normal_tape(tape, 1, (padded_batch(n), 3))[0, :n].double() for tape in tapes]
            real = judge(x[points]).logsumexp(1)
            fake = judge(maker(noise[0]).detach()).logsumexp(1)
            # the probability of being real is Z / (Z + 1), with Z the sum of exponentials
            loss = -(real - functional.softplus(real)).mean() + functional.softplus(fake).mean()
            told = functional.cross_entropy(judge(x), y)
            rules[1].zero_grad()
            (loss + row.params["supervision"] * told).backward()
            rules[1].step()
            judged += [loss.item()] * n
            loss = functional.softplus(-judge(maker(noise[1])).logsumexp(1)).mean()
            rules[0].zero_grad()
            loss.backward()
            rules[0].step()
            made += [loss.item()] * n
        curve.append((np.mean(judged), np.mean(made)))
    return curve, judge, scaling


def test_rows_equal_plain_torch(classes_data):
    """Losses, weights and figures are those of plain torch; all 53 points are labelled here."""
    trainer = SemiSupervisedGAN(classes_data, dtype=torch.float64)
    rows = [Row(k, SMALL | {"supervision": w}, 70 + k, EPOCHS) for k, w in enumerate((1.0, 0.3))]
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    starts = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    found = [{p.key: p.metrics for p in cohort.advance()} for _ in range(EPOCHS)]
    for row, start in zip(rows, starts, strict=True):
        expected, judge, scaling = plain_losses(classes_data, row, start)
        own = [f[row.key] for f in found]
        losses = [(f["discriminator_loss"], f["generator_loss"]) for f in own]
        np.testing.assert_allclose(losses, expected, rtol=1e-8)
        weights = trainer.weights(cohort.save(row.key), row.params)
        for name, tensor in judge.state_dict().items():
            torch.testing.assert_close(
                weights[f"discriminator.{name}"], tensor, rtol=1e-6, atol=1e-8
            )
        part = classes_data.validation
        logits = judge(torch.tensor(scaling.apply(part.x)).double())
        loss = functional.cross_entropy(logits, torch.tensor(part.y)).item()
        assert own[-1]["validation_loss"] == pytest.approx(loss, rel=1e-6)


def test_labels_are_spread_over_the_classes():
    """Of the digits, ten of each class are labelled."""
    trainer = SemiSupervisedGAN(data.load("digits", seed=0))
    counts = (trainer.real.share > 0).sum(0)
    assert counts.tolist() == [N_LABELS // 10] * 10 + [0] * 6


def test_points_without_classes_are_refused(ring_data):
    """The message says what is wanted."""
    with pytest.raises(DataError, match="must have 2 to 16 classes"):
        SemiSupervisedGAN(ring_data)
