"""Losses on stacked, padded outputs against those of torch.nn, with autograd for gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from trials.stacked.losses import ABSENT, LOSSES, smoothed

K, B, C, N_CLASSES = 3, 6, 16, 5


def examples():
    """Logits with padded classes, true classes, and the one-hot targets of shape (K, B, C)."""
    rng = torch.Generator().manual_seed(3)
    logits = torch.randn(K, B, C, generator=rng, dtype=torch.float64) * 3
    logits[..., N_CLASSES:] = ABSENT
    classes = torch.randint(0, N_CLASSES, (K, B), generator=rng)
    return logits, classes, functional.one_hot(classes, C).double()


def test_cross_entropy_equals_torch():
    """Values and gradients over padded classes are torch's over the true ones."""
    logits, classes, targets = examples()
    true = logits[..., :N_CLASSES].clone().requires_grad_()
    expected = functional.cross_entropy(true.flatten(0, 1), classes.flatten(), reduction="none")
    expected.sum().backward()
    loss = LOSSES["classification"]
    values = loss.values(logits, targets)
    gradient = loss.gradient(logits, targets, torch.empty_like(logits))
    torch.testing.assert_close(values.flatten(), expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient[..., :N_CLASSES], true.grad, rtol=1e-12, atol=1e-12)
    assert not gradient[..., N_CLASSES:].any()


def test_squared_error_equals_torch():
    """Values and gradients are those of the squared error summed over outputs."""
    outputs = torch.linspace(-2, 2, 12, dtype=torch.float64).view(2, 6, 1).requires_grad_()
    targets = torch.linspace(3, -1, 12, dtype=torch.float64).view(2, 6, 1)
    expected = functional.mse_loss(outputs, targets, reduction="none").sum(-1)
    expected.sum().backward()
    loss = LOSSES["regression"]
    plain = outputs.detach()
    torch.testing.assert_close(loss.values(plain, targets), expected.detach())
    gradient = loss.gradient(plain, targets, torch.empty_like(plain))
    torch.testing.assert_close(gradient, outputs.grad)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 0.9), min_size=K, max_size=K))
def test_smoothing_equals_torch(shares):
    """The gradient of smoothed targets is torch's, row by row; padded classes get none."""
    logits, classes, targets = examples()
    smoothing = torch.tensor(shares, dtype=torch.float64).view(K, 1, 1)
    soft = smoothed(targets, smoothing, N_CLASSES, torch.empty_like(targets))
    gradient = LOSSES["classification"].gradient(logits, soft, torch.empty_like(logits))
    for k, share in enumerate(shares):
        true = logits[k, :, :N_CLASSES].clone().requires_grad_()
        functional.cross_entropy(
            true, classes[k], label_smoothing=share, reduction="sum"
        ).backward()
        torch.testing.assert_close(gradient[k, :, :N_CLASSES], true.grad, rtol=1e-12, atol=1e-12)
    assert not gradient[..., N_CLASSES:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_smoothing_by_nothing_or_in_place(dtype):
    """A share of 0 changes no bit, and the result may take the place of the targets."""
    _, _, targets = examples()
    targets = targets.to(dtype).expand(2, K, B, C).contiguous()
    smoothing = torch.tensor([0.0, 0.1, 0.3], dtype=dtype).view(K, 1, 1)
    soft = smoothed(targets, smoothing, N_CLASSES, torch.empty_like(targets))
    assert torch.equal(soft[:, 0], targets[:, 0])
    assert not torch.equal(soft[:, 1], targets[:, 1])
    assert smoothed(targets, smoothing, N_CLASSES, targets) is targets
    assert torch.equal(soft, targets)
