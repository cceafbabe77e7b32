"""Losses on stacked outputs: their value per sample and their gradient at the outputs.

Classification has one logit per class, two classes included, and cross-entropy; regression one
output and the squared error. Padded outputs carry nothing: padded classes have the bias
`ABSENT`, so their probability is exactly zero, and a padded regression output is always zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
