"""Stacked players for images against torch.nn with autograd, row by row."""

import itertools

import pytest
import torch
from torch import nn

from trials.gans.image_players import ImageDiscriminator, ImageGenerator, Plan
from trials.stacked.activations import spans
from trials.stacked.layout import Layout
from trials.stacked.workspace import Workspace

N_ROWS, N_BATCH = 3, 8
ACTIVATIONS = ["tanh", "tanh", "leaky_relu"]
MODULES = {"tanh": nn.Tanh, "leaky_relu": nn.LeakyReLU}


def plans(side, n_layers):
    """The padded and the true shape."""
    image = (1, side, side)
    return Plan(image, n_layers, 16, 16, 16), Plan(image, n_layers, 5, 3, 1)


def drawn(seed, *modules):
    """The Sequential with parameters from a generator of its own."""
    network, rng = nn.Sequential(*modules).double(), torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data.uniform_(-0.3, 0.3, generator=rng)
    return network


def plain_discriminator(plan, activation, seed):
    """The Sequential of a row."""
    modules, stages = [], plan.stages
    for below, above in itertools.pairwise(stages):
        modules += [nn.Conv2d(below[0], above[0], 4, 2, 1), activation()]
    channels, height, width = stages[-1]
    return drawn(seed, *modules, nn.Flatten(), nn.Linear(channels * height * width, 1))


def plain_generator(plan, activation, seed):
    """The Sequential of a row."""
    stages = plan.stages[::-1]
    channels, height, width = stages[0]
    modules = [nn.Linear(plan.latent, channels * height * width), nn.Unflatten(1, stages[0])]
    for below, above in itertools.pairwise(stages):
        modules += [activation(), nn.ConvTranspose2d(below[0], above[0], 4, 2, 1)]
    return drawn(seed, *modules)


def stacked(kind, padded, layouts, networks):
    """The stacked network, its parameters and its gradient."""
    layout, true = layouts
    parameters = torch.stack([layout.pack(n.state_dict(), true) for n in networks])
    gradient = torch.zeros_like(parameters)
    network = kind(
        padded,
        layout,
        parameters,
        gradient,
        N_BATCH,
        spans(ACTIVATIONS),
        Workspace(parameters.device, parameters.dtype),
        "a",
    )
    return network, gradient


def random(*shape, seed=0):
    """Standard normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def assert_gradients(gradient, layouts, networks):
    """Every row of `gradient` is what autograd left in its network, and zero in the padding."""
    layout, true = layouts
    for row, network in zip(gradient, networks, strict=True):
        slopes = {name: p.grad for name, p in network.named_parameters()}
        found = layout.unpack(row, true)
        assert list(found) == list(slopes)
        for name, slope in slopes.items():
            torch.testing.assert_close(found[name], slope, rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(row, layout.pack(slopes, true), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("side", [8, 12])
def test_discriminator_is_torchs(side, n_layers):
    """Logits, gradients of parameters and at the images equal those of Conv2d and Linear."""
    padded, true = plans(side, n_layers)
    networks = [plain_discriminator(true, MODULES[n], seed) for seed, n in enumerate(ACTIVATIONS)]
    layouts = Layout(tuple(padded.discriminator())), Layout(tuple(true.discriminator()))
    network, gradient = stacked(ImageDiscriminator, padded, layouts, networks)
    x = random(N_ROWS, N_BATCH, side * side)
    out = network.forward(x, None, torch.empty(N_ROWS, N_BATCH, 16, dtype=x.dtype))
    slope = torch.zeros_like(out)
    slope[..., :1] = random(N_ROWS, N_BATCH, 1, seed=1)
    network.backward(slope)
    for k, plain in enumerate(networks):
        images = x[k].view(N_BATCH, 1, side, side).requires_grad_()
        logits = plain(images)
        torch.testing.assert_close(out[k, :, :1], logits, rtol=1e-10, atol=1e-10)
        logits.backward(slope[k, :, :1])
    assert_gradients(gradient, layouts, networks)
    network.forward(x.detach(), None, out)
    below = network.through(slope)
    for k, plain in enumerate(networks):
        images = x[k].detach().view(N_BATCH, 1, side, side).requires_grad_()
        (expected,) = torch.autograd.grad(plain(images), images, slope[k, :, :1])
        torch.testing.assert_close(below[k], expected.flatten(1), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("side", [8, 12])
def test_generator_is_torchs(side, n_layers):
    """Images and gradients of parameters equal those of Linear and ConvTranspose2d."""
    padded, true = plans(side, n_layers)
    networks = [plain_generator(true, MODULES[n], seed) for seed, n in enumerate(ACTIVATIONS)]
    layouts = Layout(tuple(padded.generator())), Layout(tuple(true.generator()))
    network, gradient = stacked(ImageGenerator, padded, layouts, networks)
    x = torch.zeros(N_ROWS, N_BATCH, 16, dtype=torch.float64)
    x[..., : true.latent] = random(N_ROWS, N_BATCH, true.latent)
    out = network.forward(x, None, torch.empty(N_ROWS, N_BATCH, side * side, dtype=x.dtype))
    slope = random(*out.shape, seed=1)
    network.backward(slope)
    for k, plain in enumerate(networks):
        images = plain(x[k, :, : true.latent]).flatten(1)
        torch.testing.assert_close(out[k], images, rtol=1e-10, atol=1e-10)
        images.backward(slope[k])
    assert_gradients(gradient, layouts, networks)
