"""A GAN of convolutions with every norm and remedy, one row at a time, in plain torch."""

import dataclasses
import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.trials.gans.plain_game import Network, PlainGame, SpectralLinear
from trials.contract import Row
from trials.data import Dataset, Part


def images_of(side):
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


def cohort_of(trainer, settings, epochs):
    """A cohort of rows of these settings, and the rows."""
    cohort = trainer.cohort(trainer.structure(settings[0]))
    rows = [Row(k, own, 100 + k, epochs) for k, own in enumerate(settings)]
    cohort.admit(rows)
    return cohort, rows


def assert_plain(trainer, settings, game_of, epochs, n_epochs, rtol):
    """Rows have the losses and weights of plain games, which `game_of(row, weights)` makes."""
    cohort, rows = cohort_of(trainer, settings, epochs)
    weights = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    found = [{p.key: p.metrics for p in cohort.advance()} for _ in range(n_epochs)]
    for row, start in zip(rows, weights, strict=True):
        game = game_of(row, start)
        expected = [game.epoch(epoch) for epoch in range(n_epochs)]
        losses = [(f[row.key]["discriminator_loss"], f[row.key]["generator_loss"]) for f in found]
        np.testing.assert_allclose(losses, expected, rtol=rtol, atol=rtol / 100, err_msg=str(row))
        state = cohort.save(row.key)
        for player, network in (("generator", game.maker), ("discriminator", game.judge)):
            for name, tensor in network.body.named_parameters():
                own = state[f"{player}.parameters.{name}"]
                torch.testing.assert_close(own, tensor.detach(), rtol=1e-5, atol=1e-7)
        for name, tensor in game.maker.body.named_buffers():
            if name.split(".")[-1] in ("running_mean", "running_var"):
                torch.testing.assert_close(state[f"generator.buffers.{name}"], tensor)


def assert_bits(trainer, settings, chosen, epochs, n_epochs):
    """Some rows have the same bits in company, admitted late, and from a checkpoint alone."""
    together, rows = cohort_of(trainer, settings, epochs)
    found = [{p.key: dict(p.metrics) for p in together.advance()} for _ in range(n_epochs)]
    cohort, _ = cohort_of(trainer, settings[:1], epochs)
    cohort.advance()
    late = [dataclasses.replace(row, key=99 + row.key) for row in rows[chosen]]
    cohort.admit(late)
    curves = [{p.key: p.metrics for p in cohort.advance()} for _ in range(n_epochs - 1)]
    for row, own in zip(rows[chosen], late, strict=True):
        alone = trainer.cohort(trainer.structure(row.params))
        alone.admit([own], {own.key: cohort.save(own.key)})
        curve = [figures[own.key] for figures in curves] + [alone.advance()[0].metrics]
        assert curve == [figures[row.key] for figures in found]
        saved, expected = alone.save(own.key), together.save(row.key)
        assert all(torch.equal(tensor, expected[name]) for name, tensor in saved.items())


class VirtualMapNorm(nn.Module):
    """Normalises the maps of each point by the reference batch and itself."""

    def __init__(self, n):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))

    def forward(self, x):
        """The first 64 points are the reference."""
        fixed, own = x[:64], x[64:]
        over = (0, 2, 3)
        mean, square = (t.mean(over, keepdim=True) for t in (fixed, fixed**2))
        parts = [(fixed - mean) / (square - mean**2 + 1e-5).sqrt()]
        mean, square = (
            (64 * whole + t.mean((2, 3), keepdim=True)) / 65
            for whole, t in ((mean, own), (square, own**2))
        )
        parts.append((own - mean) / (square - mean**2 + 1e-5).sqrt())
        scale, shift = (t.view(1, -1, 1, 1) for t in (self.weight, self.bias))
        return torch.cat(parts) * scale + shift


class SpectralConv(nn.Conv2d):
    """A convolution's weight over its largest singular value, by one power iteration a pass."""

    def __init__(self, n_in, n_out, kernel=4, stride=2, padding=1):
        super().__init__(n_in, n_out, kernel, stride, padding)
        self.register_buffer("u", torch.zeros(n_out))
        self.iterates = True

    def forward(self, x):
        """The weight as a matrix of one row for each channel, as torch has it."""
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            v = functional.normalize(matrix.t() @ self.u, dim=0)
            if self.iterates:
                self.u = functional.normalize(matrix @ v, dim=0)
        weight = self.weight / (self.u @ matrix @ v)
        return functional.conv2d(x, weight, self.bias, self.stride, self.padding)


class Convolutions(Network):
    """Layers of one player, between points that are flat."""

    def __init__(self, modules, norm, reference, shape):
        nn.Module.__init__(self)
        self.body = nn.Sequential(*modules)
        self.norm, self.shape = norm, shape
        self.reference = None if reference is None else self._shaped(reference)
        self.double()

    def _shaped(self, points):
        return points if self.shape is None else points.view(-1, *self.shape)

    def forward(self, *groups):
        """Outputs of groups of flat points."""
        return super().forward(*(self._shaped(group) for group in groups)).flatten(1)


class PlainImageGame(PlainGame):
    """Training of one row on square images."""

    def norm_module(self, norm, n, tracks):
        """A list of the module, if there is one."""
        if norm == "batch":
            return [nn.BatchNorm2d(n, track_running_stats=tracks)]
        return [VirtualMapNorm(n)] if norm == "virtual" else []

    def players(self, latent, fixed):
        """Both networks."""
        s, side = self.s, round(self.n_features**0.5)
        widths = [1, *(s.channels * 2**i for i in range(s.layers))]
        top = (widths[-1], side >> s.layers, side >> s.layers)
        maker = [nn.Linear(s.latent, int(np.prod(top))), nn.Unflatten(1, top)]
        maker += [*self.norm_module(s.generator_norm, widths[-1], True), self.activation()]
        for n_in, n_out in zip(widths[:0:-1], widths[-2::-1], strict=True):
            maker.append(nn.ConvTranspose2d(n_in, n_out, 4, 2, 1))
            if n_out != 1:
                maker += [*self.norm_module(s.generator_norm, n_out, True), self.activation()]
        judge, widths[0] = [], s.packing
        is_spectral = s.discriminator_norm == "spectral"
        for i, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
            judge.append(
                SpectralConv(n_in, n_out) if is_spectral else nn.Conv2d(n_in, n_out, 4, 2, 1)
            )
            judge += self.norm_module(s.discriminator_norm, n_out, False) if i else []
            judge.append(self.activation())
        judge += [
            nn.Flatten(),
            (SpectralLinear if is_spectral else nn.Linear)(int(np.prod(top)), 1),
        ]
        seen = (s.packing, side, side)
        return (
            Convolutions(maker, s.generator_norm, latent, None),
            Convolutions(judge, s.discriminator_norm, fixed, seen),
        )
