"""A GAN of convolutions with every norm and remedy, one row at a time, in plain torch."""

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.trials.datasets import dataset_of
from tests.trials.gans.plain_game import Network, PlainGame, SpectralLinear


def images_of(side):
    """90 images of a bright square somewhere; 53 of them for training."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(90, 1, side, side), scale=0.1)
    for image, (row, column) in zip(x[:, 0], rng.integers(0, side - 3, (90, 2)), strict=True):
        image[row : row + 3, column : column + 3] += 1
    return dataset_of("images", "density", x, None)


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
