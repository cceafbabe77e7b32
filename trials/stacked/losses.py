"""Losses on stacked outputs: values of the reference losses, and gradients of all at the outputs.

Classification has one logit per class, two classes included; regression one output, which stands
for the standardised target. Trials are compared by the reference loss of their task, whatever
they learn by. Padded outputs carry nothing: padded classes have the bias `ABSENT`, so that their
probability is exactly zero, and a padded regression output is always zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

ABSENT = -1e30
"""Bias of a padded class: finite, so that differences of logits are never inf - inf."""


@dataclass(frozen=True)
class Loss:
    """A loss on outputs of shape (..., C) with targets of the same shape.

    Attributes:
        values: (outputs, targets) -> value per sample, shape (...).
        gradient: (outputs, targets, out) -> gradient of each sample's value, in `out`.
        padding: Bias of padded outputs.
    """

    values: Callable[[Tensor, Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor, Tensor], Tensor]
    padding: float


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return torch.log_softmax(outputs, -1).mul_(targets).sum(-1).neg_()


def _cross_entropy_gradient(outputs: Tensor, targets: Tensor, out: Tensor) -> Tensor:
    return torch.softmax(outputs, -1, out=out).sub_(targets)


def _squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square_().sum(-1)


def _squared_error_gradient(outputs: Tensor, targets: Tensor, out: Tensor) -> Tensor:
    return torch.sub(outputs, targets, out=out).mul_(2.0)


LOSSES: dict[str, Loss] = {
    "classification": Loss(_cross_entropy, _cross_entropy_gradient, ABSENT),
    "regression": Loss(_squared_error, _squared_error_gradient, 0.0),
}
"""Task -> its reference loss."""


@dataclass(frozen=True)
class Meaning:
    """What the outputs stand for.

    Attributes:
        n_outputs: True outputs, which come first among the C.
        shift: A regression's target is output * scale + shift in its own unit.
        scale: Above 0.
    """

    n_outputs: int
    shift: float = 0.0
    scale: float = 1.0


Slope: TypeAlias = Callable[[Tensor, Tensor, Meaning, Tensor], Tensor]
"""(outputs, targets, meaning, out) -> gradient of each sample's loss at the outputs, in `out`.

Outputs, targets and `out` have the shape (..., C). Where targets are all zero, as those of padded
points, and where outputs are padded, what it says is finite and is not to be used.
"""


def _softmax(outputs: Tensor, targets: Tensor, _meaning: Meaning, out: Tensor) -> Tensor:
    """Of `torch.nn.CrossEntropyLoss`; also of the divergence, as targets are not learnt."""
    return _cross_entropy_gradient(outputs, targets, out)


def _logistic(outputs: Tensor, targets: Tensor, meaning: Meaning, out: Tensor) -> Tensor:
    """Of `torch.nn.BCEWithLogitsLoss`: each class against the rest, the mean over classes."""
    return torch.sigmoid(outputs, out=out).sub_(targets).mul_(1.0 / meaning.n_outputs)


def _hinge(outputs: Tensor, targets: Tensor, meaning: Meaning, out: Tensor) -> Tensor:
    """Of `torch.nn.MultiMarginLoss`: the sum over the other classes through the number of classes.

    The class is the one with the largest target, so smoothing makes no difference.
    """
    classes = targets.argmax(-1, keepdim=True)
    torch.sub(outputs, outputs.gather(-1, classes), out=out)
    out.copy_(out > -1.0).scatter_(-1, classes, 0.0)
    n_violated = out.sum(-1, keepdim=True)
    return out.scatter_(-1, classes, n_violated.neg_()).mul_(1.0 / meaning.n_outputs)


def _brier(outputs: Tensor, targets: Tensor, meaning: Meaning, out: Tensor) -> Tensor:
    """Of `torch.nn.MSELoss` between probabilities and targets: the mean over classes."""
    chances = torch.softmax(outputs, -1)
    off = torch.sub(chances, targets, out=out)
    mean = (chances * off).sum(-1, keepdim=True)
    return off.sub_(mean).mul_(chances).mul_(2.0 / meaning.n_outputs)


def _squared(outputs: Tensor, targets: Tensor, _meaning: Meaning, out: Tensor) -> Tensor:
    """Of `torch.nn.MSELoss` on the standardised target."""
    return _squared_error_gradient(outputs, targets, out)


def _absolute(outputs: Tensor, targets: Tensor, _meaning: Meaning, out: Tensor) -> Tensor:
    """Of `torch.nn.L1Loss` on the standardised target."""
    return torch.sub(outputs, targets, out=out).sign_()


def _logarithmic(outputs: Tensor, targets: Tensor, meaning: Meaning, out: Tensor) -> Tensor:
    """Of the squared difference of log(1 + number), with numbers in the target's own unit.

    Below zero, where there are no such targets, the logarithm goes on along its tangent at zero:
    a network that begins there finds its way back.
    """
    said = outputs * meaning.scale + meaning.shift
    answers = (targets * meaning.scale + meaning.shift).clamp_min_(0.0)
    above = said.clamp_min(0.0)
    logarithm = torch.log1p(above).add_(said.clamp_max_(0.0))
    torch.sub(logarithm, answers.log1p_(), out=out)
    return out.mul_(2.0 * meaning.scale).div_(above.add_(1.0))


def _percentage(outputs: Tensor, targets: Tensor, meaning: Meaning, out: Tensor) -> Tensor:
    """Of |error| / |target|, both in the target's own unit: a share, not a percentage."""
    sizes = (targets * meaning.scale + meaning.shift).abs_()
    shares = torch.where(sizes > 0.0, meaning.scale / sizes, 0.0)
    return torch.sub(outputs, targets, out=out).sign_().mul_(shares)


SLOPES: dict[str, dict[str, Slope]] = {
    "classification": {
        "cross_entropy": _softmax,
        "logistic": _logistic,
        "hinge": _hinge,
        "mse": _brier,
        "kl": _softmax,
    },
    "regression": {
        "mse": _squared,
        "mae": _absolute,
        "msle": _logarithmic,
        "mape": _percentage,
    },
}
"""Task -> loss that a row may learn by, the reference loss first -> its gradient.

The negative log likelihood of a log-softmax is cross_entropy; kl, the divergence of the answer
from the targets, differs from it by the entropy of the targets, which no weight can change.
"""


def smoothed(targets: Tensor, smoothing: Tensor, n_classes: int, out: Tensor) -> Tensor:
    """One-hot targets of which each row moves a share to all classes alike.

    Target 1 becomes 1 - smoothing + smoothing / classes, target 0 becomes smoothing / classes;
    as `torch.nn.CrossEntropyLoss(label_smoothing=...)` has it. Padded classes keep the target 0;
    padded points get one, so their weight in the gradient must be 0.

    Args:
        targets: Shape (..., K, B, C).
        smoothing: Share that is moved, per row, shape (K, 1, 1), in [0, 1).
        n_classes: True classes, which come first among the C.
        out: Receives the result; may be `targets`.

    Source: Szegedy et al., CVPR (2016).
    """
    torch.addcmul(targets, targets, smoothing, value=-1.0, out=out)
    out[..., :n_classes].add_(smoothing, alpha=1.0 / n_classes)
    return out
