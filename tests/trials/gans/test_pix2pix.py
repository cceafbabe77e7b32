"""Image to image with pairs against plain torch, and that it beats the mean image."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.trials.gans.plain_game import SpectralLinear
from tests.trials.gans.plain_images import SpectralConv, images_of
from trials import data
from trials.contract import Row
from trials.data import DataError, Part
from trials.data.scaling import fit_scaling
from trials.gans.pix2pix import Pix2Pix, edges
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, normal_tape

SEED, SIDE, EPOCHS = 21, 8, 2
SMALL = {"channels": 5, "latent": 3, "batch_size": 16, "learning_rate": 0.002}


STRUCTURES = {
    "as it is": {},
    "batch normalisation": {"discriminator_norm": "batch"},
    "spectral and penalty": {"discriminator_norm": "spectral", "gradient_penalty": 2.0},
}


class PlainUnet(nn.Module):
    """The generator as torch.nn has it."""

    def __init__(self, channels, latent, activation):
        super().__init__()
        c, self.activation = channels, activation
        layers = {
            "0": nn.Conv2d(1, c, 4, 2, 1),
            "2": nn.Conv2d(c, 2 * c, 4, 2, 1),
            "4": nn.ConvTranspose2d(2 * c, c, 4, 2, 1),
            "6": nn.ConvTranspose2d(2 * c, 1, 4, 2, 1),
            "8": nn.Linear(latent, 2 * c * (SIDE // 4) ** 2),
        }
        self.layers = nn.ModuleDict(layers)

    def forward(self, z, drawn):
        """Images for edges `drawn`."""
        upper = self.activation(self.layers["0"](drawn))
        lower = self.layers["2"](upper)
        lower = self.activation(lower + self.layers["8"](z).view_as(lower))
        grown = self.activation(self.layers["4"](lower))
        return self.layers["6"](torch.cat([grown, upper], 1))


def plain_judge(channels, activation, norm):
    """The discriminator as torch.nn has it."""
    n_units = 2 * channels * (SIDE // 4) ** 2
    if norm == "spectral":
        first, second = SpectralConv(2, channels), SpectralConv(channels, 2 * channels)
        return nn.Sequential(
            first, activation, second, activation, nn.Flatten(), SpectralLinear(n_units, 1)
        )
    first, second = nn.Conv2d(2, channels, 4, 2, 1), nn.Conv2d(channels, 2 * channels, 4, 2, 1)
    own = [nn.BatchNorm2d(2 * channels, track_running_stats=False)] if norm == "batch" else []
    last = (activation, nn.Flatten(), nn.Linear(n_units, 1))
    return nn.Sequential(first, activation, second, *own, *last)


def slope_penalty(judge, real, fake, rng):
    """Mean squared difference of slopes from 1, between real pairs and made ones."""
    share = torch.empty(padded_batch(len(real))).uniform_(generator=rng)[: len(real)].double()
    share = share.view(-1, 1, 1, 1)
    x = (share * real + (1 - share) * fake).requires_grad_()
    spectral = [module for module in judge.modules() if hasattr(module, "iterates")]
    for module in spectral:
        module.iterates = False
    (slope,) = torch.autograd.grad(judge(x).sum(), x, create_graph=True)
    for module in spectral:
        module.iterates = True
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def plain_losses(dataset, row, maker, judge):
    """Mean adversarial losses per epoch of plain training on the row's own draws."""
    scaling = fit_scaling("standardize", dataset.train.x)
    x = torch.tensor(scaling.apply(dataset.train.x)).double()
    told = edges(torch.tensor(dataset.train.x)).double()
    rate, latent = row.params["learning_rate"], row.params["latent"]
    rules = [torch.optim.Adam(p.parameters(), lr=rate, betas=(0.5, 0.999)) for p in (maker, judge)]
    softplus = functional.softplus
    curve = []
    for epoch in range(EPOCHS):
        tapes = [generator(row.seed, f"{p} latent", epoch) for p in ("discriminator", "generator")]
        mixing = generator(row.seed, "penalised points", epoch)
        judged, made = [], []
        for points in data_order(row.seed, epoch, len(x)).split(16):
            n = len(points)
            size = (padded_batch(n), latent)
            noise = [normal_tape(tape, 1, size)[0, :n].double() for tape in tapes]
            real, drawn = x[points], told[points]
            fake = maker(noise[0], drawn).detach()
            pair = [torch.cat([images, drawn], 1) for images in (real, fake)]
            is_batch = any(isinstance(module, nn.BatchNorm2d) for module in judge)
            answers = [judge(p) for p in pair] if is_batch else judge(torch.cat(pair)).split(n)
            loss = softplus(-answers[0]).mean() + softplus(answers[1]).mean()
            rules[1].zero_grad()
            weight = row.params.get("gradient_penalty", 0.0)
            (loss + (weight * slope_penalty(judge, *pair, mixing) if weight else 0)).backward()
            rules[1].step()
            judged += [loss.item()] * n
            fake = maker(noise[1], drawn)
            loss = softplus(-judge(torch.cat([fake, drawn], 1))).mean()
            rules[0].zero_grad()
            (loss + row.params["closeness"] * (fake - real).abs().mean()).backward()
            rules[0].step()
            made += [loss.item()] * n
        curve.append((np.mean(judged), np.mean(made)))
    return curve


@pytest.mark.parametrize("structure", STRUCTURES.values(), ids=STRUCTURES)
def test_rows_equal_plain_torch(structure):
    """Rows of other widths, noise and closeness in one cohort are as in plain torch."""
    dataset = images_of(SIDE)
    trainer = Pix2Pix(dataset, dtype=torch.float64)
    some = [
        {"closeness": 10.0},
        {"closeness": 0.5, "channels": 7, "latent": 2},
        {"closeness": 3.0, "activation": "tanh"},
    ]
    rows = [Row(k, SMALL | own | structure, SEED + k, EPOCHS) for k, own in enumerate(some)]
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    starts = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    found = [{p.key: p.metrics for p in cohort.advance()} for _ in range(EPOCHS)]
    for row, start in zip(rows, starts, strict=True):
        activation = nn.Tanh() if "activation" in row.params else nn.LeakyReLU()
        channels = row.params["channels"]
        maker = PlainUnet(channels, row.params["latent"], activation).double()
        judge = plain_judge(channels, activation, structure.get("discriminator_norm")).double()
        for network, prefix in ((maker.layers, "generator."), (judge, "discriminator.")):
            own = {n.removeprefix(prefix): t for n, t in start.items() if n.startswith(prefix)}
            network.load_state_dict({n: t.double() for n, t in own.items()})
        expected = plain_losses(dataset, row, maker, judge)
        losses = [(f[row.key]["discriminator_loss"], f[row.key]["generator_loss"]) for f in found]
        np.testing.assert_allclose(losses, expected, rtol=1e-7)
        weights = trainer.weights(cohort.save(row.key), row.params)
        for network, prefix in ((maker.layers, "generator"), (judge, "discriminator")):
            for name, tensor in network.named_parameters():
                own = weights[f"{prefix}.{name}"]
                torch.testing.assert_close(own, tensor.detach(), rtol=1e-6, atol=1e-8)


def test_digits_are_drawn_from_their_edges():
    """Validation digits are nearer to the images of their edges than to the mean image."""
    trainer = Pix2Pix(data.load("digits", seed=0))
    params = {"channels": 16, "batch_size": 32, "learning_rate": 2e-3}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 1, 4)])
    distances = [cohort.advance()[0].metrics["validation_l1"] for _ in range(4)]
    answers = trainer.real.answers
    mean = (answers - answers.mean(0)).abs().mean().item()
    assert distances[-1] < 0.85 * mean


def test_edges_are_where_the_light_changes():
    """Within and without a square there are none."""
    image = torch.zeros(1, 1, 8, 8)
    image[..., 2:6, 2:6] = 1.0
    found = edges(image)[0, 0]
    assert found[3, 3] == found[0, 0] == -1
    assert found[2, 3] == found[1, 4] == 1


def test_other_images_are_refused():
    """The message says what is wanted."""
    part = Part(np.zeros((20, 2, 8, 8), dtype=np.float32), None)
    coloured = dataclasses.replace(images_of(SIDE), train=part, validation=part, test=part)
    for dataset in (images_of(10), coloured):
        with pytest.raises(DataError, match="images of one channel whose sides are multiples of 4"):
            Pix2Pix(dataset)
