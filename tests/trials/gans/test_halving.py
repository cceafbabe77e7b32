"""Convolutions that halve and double sides, and their first and second derivatives."""

import pytest
import torch
from torch.nn import functional

from trials.gans.halving import doubled_maps, halved_maps

K = 2


def tensors(*shapes, dtype=torch.float64):
    """Draws that want gradients."""
    rng = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, dtype=dtype, generator=rng) for shape in shapes]
    return [tensor.requires_grad_() for tensor in drawn]


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
        (slope,) = tensors(own.shape)
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
    shapes = (8, 48, 8, 8), (48, 16, 4, 4), (8, 48, 4, 4)
    x, weight, slope = tensors(*shapes, dtype=torch.float32)

    def computed(rows, n_rows):
        own = slice(16 * rows.start, 16 * rows.stop)
        maps, taps = x[:, own].contiguous(), weight[own].contiguous()
        y = halved_maps(maps, taps, n_rows)
        return y, *torch.autograd.grad(y, (maps, taps), slope[:, own])

    y, below, own = computed(slice(0, 3), 3)
    for k in range(3):
        alone = computed(slice(k, k + 1), 1)
        columns = slice(16 * k, 16 * (k + 1))
        assert torch.equal(alone[0], y[:, columns])
        assert torch.equal(alone[1], below[:, columns])
        assert torch.equal(alone[2], own[columns])
