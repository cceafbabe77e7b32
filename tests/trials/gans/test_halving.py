"""Convolutions that halve and double sides, and their first and second derivatives."""

import pytest
import torch
from torch.nn import functional

from trials.gans.halving import doubled_maps, halved_maps

K = 2


def tensors(*shapes):
    """Draws in double precision that want gradients."""
    torch.manual_seed(0)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("n_rows", [1, K])
def test_both_are_those_of_torch(n_rows):
    """Values and gradients agree with grouped convolutions of torch."""
    large, small, weight = tensors(
        (3, n_rows * 2, 6, 4), (3, n_rows * 3, 3, 2), (n_rows * 3, 2, 4, 4)
    )
    pairs = (
        (
            halved_maps(large, weight, n_rows),
            functional.conv2d(large, weight, None, 2, 1, 1, n_rows),
        ),
        (
            doubled_maps(small, weight, n_rows),
            functional.conv_transpose2d(small, weight, None, 2, 1, 0, n_rows),
        ),
    )
    for (own, known), x in zip(pairs, (large, small), strict=True):
        torch.testing.assert_close(own, known)
        slope = torch.randn_like(own)
        for mine, theirs in zip(
            torch.autograd.grad(own, (x, weight), slope),
            torch.autograd.grad(known, (x, weight), slope),
            strict=True,
        ):
            torch.testing.assert_close(mine, theirs)


def test_second_derivatives_are_right():
    """Finite differences of the gradients agree, for both and through the weight's gradient."""
    large, small, weight = tensors((1, K, 4, 4), (1, K * 2, 2, 2), (K * 2, 1, 4, 4))
    assert torch.autograd.gradgradcheck(lambda x, w: halved_maps(x, w, K), (large, weight))
    assert torch.autograd.gradgradcheck(lambda x, w: doubled_maps(x, w, K), (small, weight))


def test_a_row_alone_has_the_same_bits():
    """As many channels in as out, forward and backward, alone and among others."""
    torch.manual_seed(1)
    x, weight, slope = torch.randn(8, 48, 8, 8), torch.randn(48, 16, 4, 4), torch.randn(8, 48, 4, 4)

    def computed(rows, n_rows):
        own = slice(16 * rows.start, 16 * rows.stop)
        maps, taps = x[:, own].clone().requires_grad_(), weight[own].clone().requires_grad_()
        y = halved_maps(maps, taps, n_rows)
        return y, *torch.autograd.grad(y, (maps, taps), slope[:, own])

    y, below, own = computed(slice(0, 3), 3)
    for k in range(3):
        alone = computed(slice(k, k + 1), 1)
        columns = slice(16 * k, 16 * (k + 1))
        assert torch.equal(alone[0], y[:, columns])
        assert torch.equal(alone[1], below[:, columns])
        assert torch.equal(alone[2], own[columns])
