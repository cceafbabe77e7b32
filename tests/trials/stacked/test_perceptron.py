"""Stacked perceptrons of several depths against autograd, row by row."""

import pytest
import torch

from trials.stacked.activations import spans
from trials.stacked.layout import chain
from trials.stacked.perceptron import Perceptron
from trials.stacked.workspace import Workspace

INPUTS, WIDTH, OUTPUTS, BATCH = 16, 32, 16, 8
NAMES = ["tanh", "relu", "relu", "sigmoid"]
FUNCTIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}


def plain(network, depth, x, name, masks):
    """One row's outputs and, by its own layer names, its leaves."""
    leaves = {key: tensor.clone().requires_grad_() for key, tensor in network.items()}
    for layer in range(depth):
        x = x @ leaves[f"{2 * layer}.weight"].t() + leaves[f"{2 * layer}.bias"]
        x = FUNCTIONS[name](x)
        if masks is not None:
            x = x * masks[layer]
    last = 2 * depth
    return x @ leaves[f"{last}.weight"].t() + leaves[f"{last}.bias"], leaves


@pytest.mark.parametrize("depths", [[3, 3, 3, 3], [3, 2, 2, 1], [1, 1, 1, 1], [0, 0, 0, 0]])
@pytest.mark.parametrize("is_masked", [False, True])
def test_rows_of_all_depths_equal_autograd(depths, is_masked):
    """Outputs, gradients with their decay, and gradients at the inputs are each row's own."""
    rng = torch.Generator().manual_seed(3)
    n_room = 4 if depths[0] else 0
    room = chain(2, [INPUTS, *[WIDTH] * n_room, OUTPUTS])
    truth = [chain(2, [INPUTS, *[WIDTH] * depth, OUTPUTS]) for depth in depths]
    networks = [
        {n: torch.randn(s, generator=rng, dtype=torch.float64) for n, s in layout.shapes.items()}
        for layout in truth
    ]
    rows = zip(networks, truth, strict=True)
    parameters = torch.stack([room.pack(network, layout) for network, layout in rows])
    gradient = torch.zeros_like(parameters)
    x, slope = (torch.randn(4, BATCH, n, generator=rng).double() for n in (INPUTS, OUTPUTS))
    decay = torch.tensor([[0.0], [0.1], [0.2], [0.3]], dtype=torch.float64)
    masks = None
    if is_masked:
        reach = [sum(depth >= n_room - site for depth in depths) for site in range(n_room)]
        masks = [torch.rand(n, BATCH, WIDTH, generator=rng).double() for n in reach]
    stacked = Perceptron(
        room,
        parameters,
        gradient,
        BATCH,
        spans(NAMES),
        None,
        Workspace(x.device, x.dtype),
        "",
        depths,
    )
    outputs = stacked.forward(x, masks, torch.empty_like(slope))
    stacked.backward(slope, decay)
    to_inputs = stacked.through(slope)
    for k, (network, depth) in enumerate(zip(networks, depths, strict=True)):
        own = None if masks is None else [mask[k] for mask in masks[n_room - depth :]]
        inputs = x[k].clone().requires_grad_()
        expected, leaves = plain(network, depth, inputs, NAMES[k], own)
        torch.testing.assert_close(outputs[k], expected.detach(), rtol=1e-12, atol=1e-12)
        expected.backward(slope[k])
        torch.testing.assert_close(to_inputs[k], inputs.grad, rtol=1e-10, atol=1e-10)
        for name, found in room.unpack(gradient[k], truth[k]).items():
            penalty = decay[k] * network[name] if "weight" in name else 0.0
            torch.testing.assert_close(found, leaves[name].grad + penalty, rtol=1e-10, atol=1e-10)
