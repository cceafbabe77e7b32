"""Initial weights against those of torch.nn.init."""

import math

import pytest
import torch
from torch.nn import init

from search_spaces.deep_networks import CHOICES
from trials.stacked.drawing import draw
from trials.stacked.initializers import INITIALIZERS, draw_weight
from trials.stacked.layout import Layout, Part
from trials.stacked.noise import generator

BOUND = 1 / math.sqrt(300)

REFERENCES = {
    "uniform": lambda w, rng: init.uniform_(w, -BOUND, BOUND, generator=rng),
    "normal": lambda w, rng: init.normal_(w, 0.0, BOUND, generator=rng),
    "xavier_uniform": lambda w, rng: init.xavier_uniform_(w, generator=rng),
    "xavier_normal": lambda w, rng: init.xavier_normal_(w, generator=rng),
    "he_uniform": lambda w, rng: init.kaiming_uniform_(w, nonlinearity="relu", generator=rng),
    "he_normal": lambda w, rng: init.kaiming_normal_(w, nonlinearity="relu", generator=rng),
    "orthogonal": lambda w, rng: init.orthogonal_(w, generator=rng),
}


def test_every_initializer_of_the_space_is_there():
    """The table has the names that spaces may use, in their order."""
    assert tuple(INITIALIZERS) == CHOICES["initializer"]


@pytest.mark.parametrize("name", INITIALIZERS)
@pytest.mark.parametrize("n_out", [200, 300, 400])
def test_weights_equal_those_of_torch(name, n_out):
    """The same generator gives the weights of torch.nn.init, whichever side is longer."""
    ours = draw_weight(name, 300, n_out, generator(1, "weights"))
    theirs = torch.empty(n_out, 300, dtype=torch.float64)
    REFERENCES[name](theirs, generator(1, "weights"))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["xavier_uniform", "xavier_normal", "he_uniform", "orthogonal"])
def test_convolutions_equal_those_of_torch(name):
    """Windows of 3 x 3 count in both fans, as torch counts them."""
    part = Part("0.weight", (8, 5, 3, 3))
    ours = draw(Layout((part,)), name, generator(1, "weights"), torch.float64)["0.weight"]
    theirs = torch.empty(8, 5, 3, 3, dtype=torch.float64)
    REFERENCES[name](theirs, generator(1, "weights"))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("n_in", "n_out"), [(5, 9), (9, 5), (7, 7), (1, 4), (4, 1)])
def test_orthogonal_weights_keep_lengths(n_in, n_out):
    """Rows or columns, whichever are fewer, are orthonormal."""
    weight = draw_weight("orthogonal", n_in, n_out, generator(3, "weights"))
    product = weight @ weight.t() if n_out < n_in else weight.t() @ weight
    identity = torch.eye(min(n_in, n_out), dtype=torch.float64)
    torch.testing.assert_close(product, identity, rtol=0, atol=1e-12)
