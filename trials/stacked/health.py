"""How a supervised training goes wrong, told from a row's figures, its units and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from trials.contract import Finding
from trials.stacked.signs import HEALTHY
from trials.stacked.watching import Watch

Epoch: TypeAlias = Mapping[str, float]
"""The figures of one epoch by name; losses over that of the best constant prediction."""

N_EPOCHS = 3
"""A finding shows in so many epochs one after the other: one bad epoch is none."""

DIVERGED = 10.0
"""The loss on the training part is so many times that of the best constant prediction."""
RECOVERING = 0.8
"""Yet a loss that falls to this part over `N_EPOCHS` is on its way back."""

SILENT = 0.6
"""Share of a layer's rectifiers that are zero for all points looked at; a third is usual."""

SATURATED = 0.9
"""Share of a layer's activations within 2 % of their bounds; confident networks have less."""

VANISHED = 1e-4
"""The gradient at the first hidden layer is this part of that at the last, or less."""

EXPLODED = 100.0
"""The gradient at the first hidden layer is so many times that at the last, or more."""

UNDERFITTED = 0.95
"""Share of the best constant's loss that is left on the training part."""
UNDERFITTING_EPOCH = 8
"""Before it, slow is not stuck."""

OVERFITTED = 0.25
"""The loss on unseen data exceeds that on the training part by this share of a constant's."""
OVERFITTED_RATIO = 2.0
"""And is so many times as large: where nothing is known, a gap is only noise."""


@dataclass(frozen=True)
class Detector:
    """How one way of going wrong is told.

    Attributes:
        shows: Whether an epoch's figures show it; false where a figure is nan.
        text: What it says, with figures of the epoch in braces.
        first_epoch: It is silent before.
        is_hopeless: Nothing that training does can mend it.
        is_mending: Whether it goes away from one epoch to a later one; then it is silent.
    """

    shows: Callable[[Epoch], bool]
    text: str
    first_epoch: int = N_EPOCHS
    is_hopeless: bool = False
    is_mending: Callable[[Epoch, Epoch], bool] = lambda _before, _after: False


def _overfits(epoch: Epoch) -> bool:
    seen, unseen = epoch["train_loss"], epoch["validation_loss"]
    return unseen - seen > OVERFITTED and unseen > OVERFITTED_RATIO * seen


DETECTORS: dict[str, Detector] = {
    "divergence": Detector(
        lambda epoch: epoch["train_loss"] > DIVERGED,
        "the loss on the training part is {train_loss:.3g} times that of a constant prediction",
        is_hopeless=True,
        is_mending=lambda before, after: after["train_loss"] < RECOVERING * before["train_loss"],
    ),
    "dead network": Detector(
        lambda epoch: epoch["silent_share"] >= 1.0,
        "all rectifiers of a layer are zero for every point: no gradient passes them",
        is_hopeless=True,
    ),
    "dead units": Detector(
        lambda epoch: epoch["silent_share"] > SILENT,
        "{silent_share:.0%} of the rectifiers of a layer are zero for every point",
    ),
    "saturated units": Detector(
        lambda epoch: epoch["saturated_share"] > SATURATED,
        "{saturated_share:.0%} of the activations of a layer are at their bounds",
    ),
    "vanishing gradients": Detector(
        lambda epoch: epoch["gradient_ratio"] < VANISHED,
        "the gradient at the first hidden layer is {gradient_ratio:.1e} of that at the last",
    ),
    "exploding gradients": Detector(
        lambda epoch: epoch["gradient_ratio"] > EXPLODED,
        "the gradient at the first hidden layer is {gradient_ratio:.1e} times that at the last",
    ),
    "underfitting": Detector(
        lambda epoch: DIVERGED >= epoch["train_loss"] > UNDERFITTED,
        "the loss on the training part is still {train_loss:.0%} of that of a constant prediction",
        first_epoch=UNDERFITTING_EPOCH,
    ),
    "overfitting": Detector(
        _overfits,
        "the loss is {validation_loss:.0%} of that of a constant prediction on unseen data, "
        "{train_loss:.0%} on the training part",
    ),
}
"""Kind of finding -> how it is told."""


def findings(constant_loss: float, recent: Sequence[Epoch], epoch: int) -> tuple[Finding, ...]:
    """What shows at the end of `epoch`, and showed at the ends of the epochs just before.

    Args:
        constant_loss: The reference loss of the best constant prediction, above 0.
        recent: The last epochs of a row with its losses and, if any, its signs, oldest first.
        epoch: Number of the last of them, from 1.
    """
    if len(recent) < N_EPOCHS:
        return ()
    last = _relative(recent[-1], constant_loss)
    shown = [kind for kind, detector in DETECTORS.items() if detector.shows(last)]
    if not shown:
        return ()
    before = [_relative(figures, constant_loss) for figures in recent[-N_EPOCHS:-1]]
    found = []
    for kind in shown:
        detector = DETECTORS[kind]
        is_lasting = all(map(detector.shows, before)) and not detector.is_mending(before[0], last)
        if is_lasting and epoch >= detector.first_epoch:
            found.append(Finding(kind, detector.text.format(**last), detector.is_hopeless))
    return tuple(found)


def _relative(figures: Epoch, constant_loss: float) -> Epoch:
    """The figures with losses over that of a constant prediction."""
    relative = {**HEALTHY, **figures}
    for name in _LOSSES:
        relative[name] /= constant_loss
    return relative


_LOSSES = ("train_loss", "validation_loss")


def watch_of(constant_loss: float, *, has_signs: bool) -> Watch:
    """What a cohort looks for after every epoch of a row.

    Args:
        constant_loss: The reference loss of the best constant prediction, above 0.
        has_signs: The rows measure the signs of `signs.HEALTHY`, which are not reported.
    """
    signs = tuple(HEALTHY) if has_signs else ()
    return Watch((*_LOSSES, *signs), N_EPOCHS, partial(findings, constant_loss), hidden=signs)
