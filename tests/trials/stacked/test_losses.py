"""Losses on stacked, padded outputs against those of torch.nn, with autograd for gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from search_spaces.deep_networks import CHOICES
from trials.stacked.losses import ABSENT, LOSSES, SLOPES, Meaning, smoothed
from trials.stacked.settings import SUPERVISED_AXES

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


def test_the_words_of_spaces_are_the_losses_there_are():
    """A loss that a space may name exists for a task, and the other way round."""
    names = {name for losses in SLOPES.values() for name in losses}
    assert set(CHOICES["loss"]) == names == set(SUPERVISED_AXES["loss"].values())
    assert CHOICES["class_weights"] == SUPERVISED_AXES["class_weights"].values()


OF_CLASSES = {
    "cross_entropy": lambda logits, classes: functional.cross_entropy(
        logits, classes, reduction="sum"
    ),
    "logistic": lambda logits, classes: (
        functional.binary_cross_entropy_with_logits(
            logits, functional.one_hot(classes, N_CLASSES).double()
        )
        * len(logits)
    ),
    "hinge": lambda logits, classes: functional.multi_margin_loss(logits, classes, reduction="sum"),
    "mse": lambda logits, classes: (
        functional.mse_loss(logits.softmax(-1), functional.one_hot(classes, N_CLASSES).double())
        * len(logits)
    ),
    "kl": lambda logits, classes: functional.kl_div(
        logits.log_softmax(-1), functional.one_hot(classes, N_CLASSES).double(), reduction="sum"
    ),
}


@pytest.mark.parametrize("name", SLOPES["classification"])
def test_losses_of_classes_have_the_gradient_of_torch(name):
    """Each loss pulls at true outputs as torch's own; padded classes get nothing."""
    logits, classes, targets = examples()
    true = logits[..., :N_CLASSES].flatten(0, 1).clone().requires_grad_()
    OF_CLASSES[name](true, classes.flatten()).backward()
    slope = SLOPES["classification"][name]
    found = slope(logits, targets, Meaning(N_CLASSES), torch.empty_like(logits))
    torch.testing.assert_close(found[..., :N_CLASSES].flatten(0, 1), true.grad)
    assert not found[..., N_CLASSES:].any()


@pytest.mark.parametrize("name", ["logistic", "mse", "kl"])
def test_smoothed_targets_have_the_gradient_of_torch(name):
    """Losses that take shares of classes take smoothed ones as torch does."""
    logits, _, targets = examples()
    shares = torch.tensor([0.0, 0.1, 0.4], dtype=torch.float64).view(K, 1, 1)
    soft = smoothed(targets, shares, N_CLASSES, torch.empty_like(targets))
    true = logits[..., :N_CLASSES].clone().requires_grad_()
    answers = soft[..., :N_CLASSES]
    losses = {
        "logistic": lambda: functional.binary_cross_entropy_with_logits(true, answers),
        "mse": lambda: functional.mse_loss(true.softmax(-1), answers),
        "kl": lambda: functional.kl_div(
            true.log_softmax(-1).view(-1, N_CLASSES),
            answers.reshape(-1, N_CLASSES),
            reduction="batchmean",
        ),
    }
    (losses[name]() * K * B).backward()
    slope = SLOPES["classification"][name]
    found = slope(logits, soft, Meaning(N_CLASSES), torch.empty_like(logits))
    torch.testing.assert_close(found[..., :N_CLASSES], true.grad)


@pytest.mark.parametrize("name", SLOPES["classification"])
def test_losses_of_classes_are_stable(name):
    """Logits of any size have a finite gradient, and a wrong answer that is sure is felt."""
    logits = torch.tensor([[3e4, -3e4, ABSENT], [-3e4, 3e4, ABSENT]])
    targets = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    found = SLOPES["classification"][name](logits, targets, Meaning(2), torch.empty_like(logits))
    assert found.isfinite().all()
    assert not found[0].any()
    assert found[1].any() == (name != "mse")


OF_NUMBERS = {
    "mse": lambda said, answers, unit: functional.mse_loss(said / unit, answers / unit),
    "mae": lambda said, answers, unit: functional.l1_loss(said / unit, answers / unit),
    "msle": lambda said, answers, _: functional.mse_loss(said.log1p(), answers.log1p()),
    "mape": lambda said, answers, _: ((said - answers).abs() / answers.abs()).mean(),
}


@pytest.mark.parametrize("name", SLOPES["regression"])
def test_losses_of_numbers_have_the_gradient_of_the_formula(name):
    """Losses of a standardised output are those of the number it stands for."""
    rng = torch.Generator().manual_seed(4)
    outputs = torch.rand(40, 1, generator=rng, dtype=torch.float64).mul_(4.0).sub_(1.9)
    targets = torch.rand(40, 1, generator=rng, dtype=torch.float64).mul_(4.0).sub_(1.9)
    shift, scale = 20.0, 10.0
    free = outputs.clone().requires_grad_()
    loss = OF_NUMBERS[name](free * scale + shift, targets * scale + shift, scale)
    (loss * len(outputs)).backward()
    slope = SLOPES["regression"][name]
    found = slope(outputs, targets, Meaning(1, shift, scale), torch.empty_like(outputs))
    torch.testing.assert_close(found, free.grad)


@pytest.mark.parametrize("name", SLOPES["regression"])
def test_losses_of_numbers_are_finite_everywhere(name):
    """Negative answers of the network, and a target of zero, give finite gradients."""
    outputs = torch.tensor([[-1e4], [-1.0], [0.0], [1e4]])
    targets = torch.tensor([[-2.0], [0.0], [-2.0], [-2.0]])
    slope = SLOPES["regression"][name]
    found = slope(outputs, targets, Meaning(1, 6.0, 3.0), torch.empty_like(outputs))
    assert found.isfinite().all()
    assert name == "mape" or (found[0] < 0).all()
