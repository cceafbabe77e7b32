"""Stacked convolutions, row by row, against torch.nn with autograd, and the bits of a row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from trials.stacked.convolution import (
    GroupedConvolution,
    PatchConvolution,
    Patches,
    PatchMaking,
    Window,
)
from trials.stacked.workspace import Workspace

CPU = torch.device("cpu")
WINDOWS = [Window(3, 1, 1), Window(5, 1, 2), Window(4, 2, 1), Window(2, 2, 0)]
N_ROWS = 3


def random(*shape, dtype=torch.float64, seed=0):
    """Standard normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def joined(images):
    """Images (B, K, C, h, w) as (B, K * C, h, w)."""
    return images.flatten(1, 2)


def plain(convolve, x, weight, bias, slope, window):
    """Output, and the gradients at input, weight and bias, by autograd."""
    x, weight, bias = (t.clone().requires_grad_() for t in (x, weight, bias))
    y = convolve(x, weight, bias, stride=window.stride, padding=window.padding)
    return (y.detach(), *torch.autograd.grad(y, (x, weight, bias), slope))


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("is_transposed", [False, True])
def test_grouped_convolution_is_torchs(window, is_transposed):
    """Sums and all three gradients of every row equal conv2d's, or conv_transpose2d's."""
    n_batch, n_in, n_out, size = 4, 16, 32, (6, 4)
    kernel = (window.kernel, window.kernel)
    x = random(n_batch, N_ROWS, n_in, *size)
    channels = (n_in, n_out) if is_transposed else (n_out, n_in)
    weight, bias = random(N_ROWS, *channels, *kernel, seed=1), random(N_ROWS, n_out, seed=2)
    workspace = Workspace(CPU, torch.float64)
    stacked = GroupedConvolution(N_ROWS, n_in, n_out, window, workspace, "a", is_transposed)
    y = stacked.forward(joined(x), weight, bias)
    slope = random(*y.shape, seed=3)
    slopes, below = stacked.backward(slope), stacked.through(slope)
    units = window.inputs if is_transposed else window.outputs
    assert y.shape[2:] == tuple(units(n) for n in size)
    convolve = functional.conv_transpose2d if is_transposed else functional.conv2d
    for k in range(N_ROWS):
        own = slice(k * n_out, (k + 1) * n_out)
        expected = plain(convolve, x[:, k], weight[k], bias[k], slope[:, own], window)
        inputs = below.unflatten(1, (N_ROWS, n_in))[:, k]
        found = (y[:, own], inputs, slopes.weight[k], slopes.bias[k])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("n_channels", [1, 3])
def test_patch_convolution_is_torchs(window, n_channels):
    """Sums and all three gradients of every row equal conv2d's on images of few channels."""
    n_batch, n_out, size = 5, 16, (8, 7)
    patches = Patches(n_channels, size, window)
    x = random(n_batch, N_ROWS, n_channels, *size)
    weight = random(N_ROWS, n_out, n_channels, window.kernel, window.kernel, seed=1)
    bias = random(N_ROWS, n_out, seed=2)
    workspace = Workspace(CPU, torch.float64)
    stacked = PatchConvolution(N_ROWS, n_out, n_batch, patches, workspace, "a")
    y = stacked.forward(x, weight.flatten(2), bias)
    slope = random(*y.shape, seed=3)
    slopes, below = stacked.backward(slope), stacked.through(slope)
    for k in range(N_ROWS):
        own = slice(k * n_out, (k + 1) * n_out)
        expected = plain(functional.conv2d, x[:, k], weight[k], bias[k], slope[:, own], window)
        weights = slopes.weight[k].view(weight[k].shape)
        found = (y[:, own], below[:, k], weights, slopes.bias[k])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("window", [Window(4, 2, 1), Window(3, 1, 1)], ids=str)
@pytest.mark.parametrize("n_channels", [1, 3])
def test_patch_making_is_torchs(window, n_channels):
    """Images and all three gradients of every row equal conv_transpose2d's."""
    n_batch, n_in, size = 5, 16, (8, 6)
    patches = Patches(n_channels, size, window)
    x = random(n_batch, N_ROWS, n_in, *patches.units)
    weight = random(N_ROWS, n_in, n_channels, window.kernel, window.kernel, seed=1)
    bias = random(N_ROWS, n_channels, seed=2)
    workspace = Workspace(CPU, torch.float64)
    stacked = PatchMaking(N_ROWS, n_in, n_batch, patches, workspace, "a")
    y = stacked.forward(joined(x), weight.flatten(2), bias)
    slope = random(*y.shape, seed=3)
    slopes, below = stacked.backward(slope), stacked.through()
    convolve = functional.conv_transpose2d
    for k in range(N_ROWS):
        expected = plain(convolve, x[:, k], weight[k], bias[k], slope[:, k], window)
        inputs = below.unflatten(1, (N_ROWS, n_in))[:, k]
        found = (y[:, k], inputs, slopes.weight[k].view(weight[k].shape), slopes.bias[k])
        for ours, theirs in zip(found, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def row_results(make, x, weight, bias, slope, rows):
    """What each of `rows` gets when these rows are stacked: row -> tensors."""
    n_out = bias.shape[1]
    stacked = make(len(rows))
    grouped = isinstance(stacked, GroupedConvolution)
    images = x[:, rows]
    y = stacked.forward(joined(images) if grouped else images, weight[rows], bias[rows]).clone()
    slope = joined(slope[:, rows])
    slopes, below = stacked.backward(slope), stacked.through(slope)
    inputs = below.unflatten(1, (len(rows), -1)) if grouped else below
    sums = y.unflatten(1, (len(rows), n_out))
    return {
        row: [sums[:, k], inputs[:, k], slopes.weight[k], slopes.bias[k]]
        for k, row in enumerate(rows)
    }


def assert_own_bits(make, x, weight, bias, slope, rows):
    """The results of `rows` are bitwise those among all rows."""
    among_all = row_results(make, x, weight, bias, slope, list(range(len(weight))))
    for row, results in row_results(make, x, weight, bias, slope, rows).items():
        for ours, theirs in zip(results, among_all[row], strict=True):
            assert torch.equal(ours, theirs)


@settings(max_examples=25, deadline=None)
@given(
    n_batch=st.sampled_from([8, 16, 24, 40]),
    n_in=st.sampled_from([16, 32, 64]),
    n_out=st.sampled_from([16, 32, 64]),
    size=st.sampled_from([1, 2, 3, 4, 7, 8]),
    kernel=st.sampled_from([3, 5]),
    rows=st.lists(st.integers(0, 6), min_size=1, max_size=6, unique=True),
)
def test_company_changes_no_bit_of_a_grouped_convolution(n_batch, n_in, n_out, size, kernel, rows):
    """Between channels in whole lanes a row's bits are the same in any selection of rows."""
    window, n_rows, dtype = Window(kernel, 1, kernel // 2), 7, torch.float32
    x = random(n_batch, n_rows, n_in, size, size, dtype=dtype)
    weight = random(n_rows, n_out, n_in, kernel, kernel, dtype=dtype, seed=1)
    bias = random(n_rows, n_out, dtype=dtype, seed=2)
    slope = random(n_batch, n_rows, n_out, size, size, dtype=dtype, seed=3)

    def make(n):
        return GroupedConvolution(n, n_in, n_out, window, Workspace(CPU, dtype), "a")

    assert_own_bits(make, x, weight, bias, slope, rows)


@settings(max_examples=25, deadline=None)
@given(
    n_batch=st.sampled_from([8, 24, 64]),
    n_channels=st.sampled_from([1, 3]),
    n_out=st.sampled_from([16, 32]),
    size=st.sampled_from([2, 5, 7, 8, 14]),
    kernel=st.sampled_from([3, 5]),
    rows=st.lists(st.integers(0, 6), min_size=1, max_size=6, unique=True),
)
def test_company_changes_no_bit_of_a_patch_convolution(
    n_batch, n_channels, n_out, size, kernel, rows
):
    """A row's bits are the same in any selection of rows, whatever the images' channels."""
    window, n_rows, dtype = Window(kernel, 1, kernel // 2), 7, torch.float32
    patches = Patches(n_channels, (size, size), window)
    x = random(n_batch, n_rows, n_channels, size, size, dtype=dtype)
    weight = random(n_rows, n_out, patches.n_taps, dtype=dtype, seed=1)
    bias = random(n_rows, n_out, dtype=dtype, seed=2)
    slope = random(n_batch, n_rows, n_out, size, size, dtype=dtype, seed=3)

    def make(n):
        return PatchConvolution(n, n_out, n_batch, patches, Workspace(CPU, dtype), "a")

    assert_own_bits(make, x, weight, bias, slope, rows)
