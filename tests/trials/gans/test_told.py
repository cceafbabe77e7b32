"""Generators that are told something: codes that are read off, and classes that are met."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trials import data
from trials.contract import Row
from trials.data import DataError
from trials.data.scaling import fit_scaling
from trials.gans.conditional import ConditionalGAN, embedded
from trials.gans.infogan import InfoGAN
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


class Plain:
    """One row of a GAN whose players are told something, in plain torch."""

    def __init__(self, row, weights, x, n_told, n_logits, information=0.0):
        self.row, self.x, self.n_told, self.information = row, x, n_told, information
        hidden = [row.params["units"]] * 2
        latent, n_features = row.params["latent"] + n_told, weights["generator.4.bias"].shape[0]
        self.maker = plain_player([latent, *hidden, n_features], weights, "generator.")
        self.judge = plain_player([x.shape[1], *hidden, n_logits], weights, "discriminator.")
        rate = row.params["learning_rate"]
        self.rules = [
            torch.optim.Adam(p.parameters(), lr=rate, betas=(0.5, 0.999))
            for p in (self.maker, self.judge)
        ]

    def epoch(self, epoch, told_of):
        """Mean adversarial losses of one epoch; `told_of` gives what is told in a step."""
        seed, params = self.row.seed, self.row.params
        tapes = [generator(seed, f"{p} latent", epoch) for p in ("discriminator", "generator")]
        entropy = functional.binary_cross_entropy_with_logits
        judged, made = [], []
        for points in data_order(seed, epoch, len(self.x)).split(params["batch_size"]):
            n, real = len(points), self.x[points]
            size = (padded_batch(n), params["latent"])
            inputs = []
            for player, tape in zip(("discriminator", "generator"), tapes, strict=True):
                told = told_of(player, padded_batch(n), real)[:n]
                inputs.append((normal_tape(tape, 1, size)[0, :n].double(), told))
            (noise, told), (other, other_told) = inputs
            fake = self.maker(torch.cat([noise, told], 1)).detach()
            answers = self.judge(real), self.judge(self.beside(fake, real))
            loss = entropy(answers[0][:, 0], torch.ones(n).double())
            loss = loss + entropy(answers[1][:, 0], torch.zeros(n).double())
            self.step(1, loss + self.information * self.misread(answers[1], told))
            judged += [loss.item()] * n
            fake = self.maker(torch.cat([other, other_told], 1))
            answer = self.judge(self.beside(fake, real))
            loss = entropy(answer[:, 0], torch.ones(n).double())
            self.step(0, loss + self.information * self.misread(answer, other_told))
            made += [loss.item()] * n
        return np.mean(judged), np.mean(made)

    def beside(self, fake, real):
        """Generated points with the conditions of the real ones."""
        return torch.cat([fake, real[:, fake.shape[1] :]], 1)

    def misread(self, logits, told):
        """Cross-entropy of the code."""
        if not self.information:
            return 0.0
        return functional.cross_entropy(logits[:, 1:], told.argmax(1))

    def step(self, player, loss):
        """One step of an optimizer."""
        self.rules[player].zero_grad()
        loss.backward()
        self.rules[player].step()


def scaled(dataset):
    """Training points as the players see them."""
    x = dataset.train.x
    return torch.tensor(fit_scaling("standardize", x).apply(x)).flatten(1).double()


def assert_equal(trainer, settings, plain_of):
    """Rows in one cohort have the losses and weights of plain games."""
    rows = [Row(k, SMALL | own, 50 + k, EPOCHS) for k, own in enumerate(settings)]
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    starts = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    found = [{p.key: p.metrics for p in cohort.advance()} for _ in range(EPOCHS)]
    for row, start in zip(rows, starts, strict=True):
        game, told_of = plain_of(row, start)
        expected = [game.epoch(epoch, told_of(epoch)) for epoch in range(EPOCHS)]
        own = [f[row.key] for f in found]
        losses = [(f["discriminator_loss"], f["generator_loss"]) for f in own]
        np.testing.assert_allclose(losses, expected, rtol=1e-8)
        weights = trainer.weights(cohort.save(row.key), row.params)
        for player, network in (("generator", game.maker), ("discriminator", game.judge)):
            for name, tensor in network.state_dict().items():
                torch.testing.assert_close(
                    weights[f"{player}.{name}"], tensor, rtol=1e-6, atol=1e-8
                )


def test_infogan_equals_plain_torch(ring_data):
    """Rows with other codes and weights of information are as in plain torch."""

    def plain_of(row, start):
        codes = row.params["codes"]

        def told_of(epoch):
            rngs = {
                p: generator(row.seed, f"{p} code", epoch) for p in ("discriminator", "generator")
            }
            return lambda player, n, _: functional.one_hot(
                torch.randint(codes, (1, n), generator=rngs[player])[0], codes
            ).double()

        x = scaled(ring_data)
        return Plain(row, start, x, codes, 1 + codes, row.params["information"]), told_of

    settings = [{"codes": 8, "information": 1.0}, {"codes": 3, "information": 0.4, "units": 9}]
    assert_equal(InfoGAN(ring_data, dtype=torch.float64), settings, plain_of)


@pytest.mark.parametrize("condition", ["one_hot", "dense"])
def test_conditional_gan_equals_plain_torch(classes_data, condition):
    """Rows that are told classes are as in plain torch, where inputs are concatenated."""
    conditions = torch.eye(3).double()
    if condition == "dense":
        conditions = torch.stack([embedded(word) for word in classes_data.classes])
    x = torch.cat([scaled(classes_data), conditions[torch.tensor(classes_data.train.y)]], 1)

    def plain_of(row, start):
        def told_of(_):
            return lambda _player, _n, real: real[:, 5:]

        return Plain(row, start, x, len(conditions[0]), 1), told_of

    settings = [{"condition": condition}, {"condition": condition, "units": 7, "latent": 5}]
    assert_equal(ConditionalGAN(classes_data, dtype=torch.float64), settings, plain_of)


def test_codes_are_recovered():
    """On the ring, the code of a point is read off nearly always, and says about log 8 nats."""
    trainer = InfoGAN(data.load("ring", seed=0))
    params = {"units": 64, "learning_rate": 2e-3, "batch_size": 128, "average_half_life": 5000.0}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 3, 8), Row(1, params | {"information": 0.0}, 3, 8)])
    for _ in range(8):
        told, untold = (p.metrics for p in sorted(cohort.advance(), key=lambda p: p.key))
    assert told["code_accuracy"] > 0.9
    assert 0.8 * math.log(8) < told["mutual_information"] <= math.log(8)
    assert untold["code_accuracy"] < 0.5


def test_conditions_are_met():
    """Wines that were asked for lie next to real wines of that class."""
    trainer = ConditionalGAN(data.load("wine", seed=0))
    params = {"units": 64, "learning_rate": 3e-3, "batch_size": 32, "leak": 0.2}
    settings = [params, params | {"condition": "dense"}]
    for own in settings:
        cohort = trainer.cohort(trainer.structure(own))
        cohort.admit([Row(0, own, 3, 40)])
        met = [cohort.advance()[0].metrics["condition_accuracy"] for _ in range(40)]
        assert met[0] < 0.5, own
        assert met[-1] > 0.8, own


def test_words_that_share_letters_are_near():
    """The dense vector is of unit length, the same each time, and like that of like words."""
    versicolor, virginica, setosa = (embedded(w) for w in ("versicolor", "versicolour", "setosa"))
    assert torch.equal(versicolor, embedded("versicolor"))
    assert versicolor.norm() == pytest.approx(1.0)
    assert versicolor @ virginica > versicolor @ setosa + 0.3


def test_points_without_classes_are_refused(ring_data):
    """The message says what is wanted."""
    with pytest.raises(DataError, match="must have classes for the trainer conditional_gan"):
        ConditionalGAN(ring_data)
