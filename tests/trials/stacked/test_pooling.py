"""Stacked pooling against torch.nn with autograd."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from trials.stacked.pooling import POOLINGS
from trials.stacked.workspace import Workspace

PLAIN = {"max": functional.max_pool2d, "average": functional.avg_pool2d}


def pooled(name, x, slope):
    """Output and gradient at the input."""
    pooling = POOLINGS[name](Workspace(x.device, x.dtype), "a")
    return pooling.forward(x), pooling.backward(slope)


def plain(name, x, slope):
    """The same by autograd."""
    x = x.clone().requires_grad_()
    y = PLAIN[name](x, 2)
    return y.detach(), torch.autograd.grad(y, x, slope)[0]


@pytest.mark.parametrize("name", POOLINGS)
@settings(deadline=None)
@given(
    size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    n_levels=st.sampled_from([1, 3, 1000]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_pooling_is_torchs(name, size, n_levels, dtype, seed):
    """Values and gradients are torch's bit by bit, odd sizes and equal pixels included."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randint(0, n_levels, (2, 3, *size), generator=rng).to(dtype)
    slope = torch.randn(2, 3, size[0] // 2, size[1] // 2, generator=rng, dtype=dtype)
    for ours, theirs in zip(pooled(name, x, slope), plain(name, x, slope), strict=True):
        assert torch.equal(ours, theirs)


def test_a_gradient_of_pixels_that_nearly_agree_goes_to_the_larger():
    """The smallest difference that a number can have decides."""
    tiny = torch.finfo(torch.float32).smallest_normal * torch.finfo(torch.float32).eps
    x = torch.tensor([[[[0.0, tiny], [-tiny, 0.0]]]])
    _, below = pooled("max", x, torch.ones(1, 1, 1, 1))
    assert below.flatten().tolist() == [0.0, 1.0, 0.0, 0.0]


def test_a_plane_that_is_not_finite_leaves_the_others_alone():
    """Not-a-number and infinity in one plane change neither values nor gradients of another."""
    x = torch.arange(32.0).view(1, 2, 4, 4)
    broken = x.clone()
    broken[0, 0, 0, 0], broken[0, 0, 2, 2] = torch.nan, torch.inf
    slope = torch.ones(1, 2, 2, 2)
    expected = pooled("max", x, slope)
    for ours, theirs in zip(pooled("max", broken, slope), expected, strict=True):
        assert torch.equal(ours[:, 1], theirs[:, 1])
