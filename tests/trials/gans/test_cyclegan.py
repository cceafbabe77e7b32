"""Image to image without pairs against plain torch, and what it translates."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from trials import data
from trials.contract import Row
from trials.data import DataError, Part
from trials.gans.cyclegan import CycleGAN, bold
from trials.stacked.noise import data_order

EPOCHS = 2
SMALL = {"units": 12, "batch_size": 32, "learning_rate": 0.002, "layers": 1}


@pytest.fixture(scope="module")
def digits():
    """All digits."""
    return data.load("digits", seed=0)


def plain(widths, activation, weights, prefix):
    """The Sequential with the given weights."""
    modules = []
    for n_in, n_out in itertools.pairwise(widths):
        modules += [nn.Linear(n_in, n_out), activation]
    network = nn.Sequential(*modules[:-1]).double()
    own = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
    network.load_state_dict(own)
    return network


def plain_losses(x, row, weights):
    """Mean adversarial losses per epoch of plain training, and the four networks."""
    activation = nn.Tanh() if row.params.get("activation") == "tanh" else nn.LeakyReLU()
    hidden = [row.params["units"]]
    to_a, to_b, of_a, of_b = (
        plain([64, *hidden, n_out], activation, weights, f"{name}.")
        for name, n_out in (
            ("generator.to_a", 64),
            ("generator.to_b", 64),
            ("discriminator.of_a", 1),
            ("discriminator.of_b", 1),
        )
    )
    rules = [
        torch.optim.Adam([*p.parameters(), *q.parameters()], lr=0.002, betas=(0.5, 0.999))
        for p, q in ((to_a, to_b), (of_a, of_b))
    ]
    translate_a, translate_b = (lambda x: x + to_a(x)), (lambda x: x + to_b(x))
    softplus, cycle, curve = functional.softplus, row.params["cycle"], []
    for epoch in range(EPOCHS):
        judged, made = [], []
        for points in data_order(row.seed, epoch, len(x)).split(32):
            a, b = x[points].split(64, 1)
            fakes = translate_a(b).detach(), translate_b(a).detach()
            loss = sum(
                softplus(-judge(real)).mean() + softplus(judge(fake)).mean()
                for judge, real, fake in ((of_a, a, fakes[0]), (of_b, b, fakes[1]))
            )
            rules[1].zero_grad()
            loss.backward()
            rules[1].step()
            judged += [loss.item()] * len(points)
            fakes = translate_a(b), translate_b(a)
            loss = softplus(-of_a(fakes[0])).mean() + softplus(-of_b(fakes[1])).mean()
            back = (translate_a(fakes[1]) - a).abs().mean() + (
                translate_b(fakes[0]) - b
            ).abs().mean()
            rules[0].zero_grad()
            (loss + cycle * back).backward()
            rules[0].step()
            made += [loss.item()] * len(points)
        curve.append((np.mean(judged), np.mean(made)))
    networks = {
        "generator.to_a": to_a,
        "generator.to_b": to_b,
        "discriminator.of_a": of_a,
        "discriminator.of_b": of_b,
    }
    return curve, networks


def test_rows_equal_plain_torch(digits):
    """Rows of other widths and cycle weights in one cohort are as in plain torch."""
    few = Part(digits.train.x[:140], digits.train.y[:140])
    trainer = CycleGAN(dataclasses.replace(digits, train=few), dtype=torch.float64)
    x = trainer.real.points[: trainer.real.n_points]
    some = [{"cycle": 10.0}, {"cycle": 1.0, "units": 9}, {"cycle": 3.0, "activation": "tanh"}]
    rows = [Row(k, SMALL | own, 30 + k, EPOCHS) for k, own in enumerate(some)]
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    starts = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    found = [{p.key: p.metrics for p in cohort.advance()} for _ in range(EPOCHS)]
    for row, start in zip(rows, starts, strict=True):
        expected, networks = plain_losses(x, row, start)
        losses = [(f[row.key]["discriminator_loss"], f[row.key]["generator_loss"]) for f in found]
        np.testing.assert_allclose(losses, expected, rtol=1e-8)
        weights = trainer.weights(cohort.save(row.key), row.params)
        for prefix, network in networks.items():
            for name, tensor in network.state_dict().items():
                own = weights[f"{prefix}.{name}"]
                torch.testing.assert_close(own, tensor, rtol=1e-5, atol=1e-7)


def test_styles_are_translated_without_pairs(digits):
    """Translations come nearer to the true ones, which nobody is shown."""
    trainer = CycleGAN(digits)
    params = {"units": 64, "layers": 1, "batch_size": 32, "learning_rate": 2e-3, "cycle": 3.0}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 1, 8)])
    distances = [cohort.advance()[0].metrics["validation_l1"] for _ in range(8)]
    assert distances[-1] < 0.94 * distances[0]


def test_the_second_style_is_bold():
    """A lit pixel lights its neighbours."""
    image = torch.zeros(1, 1, 8, 8)
    image[..., 4, 4] = 16.0
    styled = bold(image)[0, 0]
    assert styled[3:6, 3:6].eq(16).all()
    assert styled.sum() == 16.0 * 9


def test_points_of_no_image_are_refused(classes_data):
    """The message says what is wanted."""
    with pytest.raises(DataError, match="must be images of one channel"):
        CycleGAN(classes_data)
