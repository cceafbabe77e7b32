"""Activations in place, and their backward passes, against torch and autograd."""

import pytest
import torch
from torch.nn import functional

from search_spaces.deep_networks import CHOICES
from trials.stacked.activations import ACTIVATIONS, spans

REFERENCES = {
    "linear": lambda x: x * 1.0,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hard_tanh": functional.hardtanh,
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "softplus": functional.softplus,
}


def test_every_activation_of_the_space_is_there():
    """The table has the names that spaces may use, in their order."""
    assert tuple(ACTIVATIONS) == CHOICES["activation"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_torch(name):
    """Values and gradients are those of torch and autograd, from the output alone."""
    reference = REFERENCES[name]
    x = torch.linspace(-6, 6, 241, dtype=torch.float64)[1:] + 1e-3
    x.requires_grad_()
    expected = reference(x)
    slope = torch.linspace(-2, 3, 240, dtype=torch.float64)
    expected.backward(slope)
    output, gradient = x.detach().clone(), slope.clone()
    ACTIVATIONS[name].apply_(output)
    ACTIVATIONS[name].backward_(gradient, output)
    torch.testing.assert_close(output, expected.detach(), rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, x.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_units_at_zero(name):
    """An activation says whether it moves zeros, and passes no gradient of zero on as another."""
    value = float(REFERENCES[name](torch.zeros(1)))
    assert (value != 0) == ACTIVATIONS[name].moves_zero
    gradient = torch.zeros(3)
    ACTIVATIONS[name].backward_(gradient, torch.full((3,), value))
    assert torch.equal(gradient, torch.zeros(3))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_extreme_sums_stay_finite(name):
    """Sums of a thousand either way give finite values and gradients."""
    x = torch.tensor([-1e3, 1e3])
    gradient = torch.ones(2)
    ACTIVATIONS[name].apply_(x)
    ACTIVATIONS[name].backward_(gradient, x)
    assert x.isfinite().all()
    assert gradient.isfinite().all()


def test_spans_cover_rows_in_order():
    """Neighbours of one activation form one span."""
    found = spans(["relu", "relu", "tanh", "relu"])
    assert [(s.start, s.stop) for s, _ in found] == [(0, 2), (2, 3), (3, 4)]
    assert [a for _, a in found] == [ACTIVATIONS[n] for n in ("relu", "tanh", "relu")]
