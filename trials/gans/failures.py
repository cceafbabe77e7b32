"""How the training of a GAN fails, told from the figures of its epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, quantiles
from typing import TypeAlias

from trials.contract import Finding
from trials.stacked.watching import Watch

Epoch: TypeAlias = Mapping[str, float]
"""The figures of one epoch by name."""

History: TypeAlias = Sequence[Epoch]
"""Consecutive epochs; the first is epoch 1."""

ALWAYS_FINITE = ("relative_distance", "generator_loss", "discriminator_loss")
"""Figures that every game has; others may be nan where they mean nothing, as for some losses."""

COLLAPSE_EPOCHS = 16
"""So many epochs in a row without diversity are a collapse; a slow start may take 14."""
COLLAPSE_REACH = 0.6
"""Of real points in cells that samples reach: a generator below it leaves two fifths out."""

STRONG_EPOCHS = 12
"""Epochs over which the discriminator's accuracy is averaged."""
STRONG_ACCURACY = 0.93
"""Mean over real and generated points. 0.5 is a draw; healthy games stay near 0.75 to 0.9."""
STRONG_PROGRESS = 0.98
"""The generator still learns where its distance falls to this part from half to half."""

EXPLOIT_EPOCHS = 6
"""Epochs whose first half is compared with the second."""
EXPLOIT_FOOLED = 0.3
"""The discriminator tells at most this share of generated points: the generator wins."""
EXPLOIT_GROWTH = 1.1
"""Yet its distance from the data grows at least by this factor."""
EXPLOIT_DISTANCE = 1.0
"""And is above that of one point in the middle of the data."""

OSCILLATION_EPOCHS = 20
"""Epochs in which a game that converges gets nearer."""
OSCILLATION_DISTANCE = 0.5
"""Relative distance from the data at which a game that swings has not converged."""
OSCILLATION_REACH = 0.9
"""Of real points: samples that reach them in half of the epochs swing about the whole data.

So do healthy games with clipped critics, which then calm down (ring, 2026-11-21).
"""
OSCILLATION_SWING = 0.3
"""From the first to the ninth decile of the distance, over its median."""
OSCILLATION_PROGRESS = 0.9
"""The game does converge where the median distance falls to this part from half to half."""

DIVERGENCE_EPOCHS = 6
"""Epochs whose median is looked at: a single excursion is none."""
DIVERGENCE_DISTANCE = 4.0
"""Samples are so many times farther off than one point in the middle of the data."""
DIVERGENCE_LOSS = 50.0
"""Of either player: logits of that size are odds of e^50, from which no gradient leads back."""


@dataclass(frozen=True)
class Symptom:
    """A way in which a training failed, and when it showed.

    Attributes:
        kind: A key of `DETECTORS`.
        epoch: The first epoch at whose end it shows, from 1.
        text: What was seen, a sentence for people.
        figures: What it was seen by.
    """

    kind: str
    epoch: int
    text: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Detector:
    """How one kind of failure is told.

    Attributes:
        n_epochs: The last epochs that it looks at; it is silent before there are as many.
        needs: Figures that each of them must have, finite ones; it is silent without.
        sees: From these epochs to the figures that show the failure; None where they do not.
        text: What it says, with the names of its figures in braces.
        is_hopeless: Training on has not mended it in any run that was looked at.
    """

    n_epochs: int
    needs: tuple[str, ...]
    sees: Callable[[History], Mapping[str, float] | None]
    text: str
    is_hopeless: bool = False

    def symptom(self, kind: str, history: History, epoch: int) -> Symptom | None:
        """What it finds at the end of `epoch`, from 1, if anything."""
        if epoch < self.n_epochs:
            return None
        recent = history[epoch - self.n_epochs : epoch]
        if not all(math.isfinite(e.get(name, math.nan)) for e in recent for name in self.needs):
            return None
        figures = self.sees(recent)
        if figures is None:
            return None
        return Symptom(kind, epoch, self.text.format(n_epochs=self.n_epochs, **figures), figures)


def detect(history: History) -> list[Symptom]:
    """The first symptom of each kind, in the order of their epochs.

    Args:
        history: All epochs of a row so far, with the figures of its trainer. A detector is silent
            where a figure that it needs is not there.
    """
    first: dict[str, Symptom] = {}
    for epoch in range(1, len(history) + 1):
        for symptom in detect_at(history, epoch):
            first.setdefault(symptom.kind, symptom)
    return list(first.values())


def detect_at(history: History, epoch: int | None = None) -> list[Symptom]:
    """What shows at the end of one epoch, however often it showed before.

    Args:
        history: All epochs of a row so far.
        epoch: From 1 to their number; None for the last.
    """
    at = len(history) if epoch is None else epoch
    found = (detector.symptom(kind, history, at) for kind, detector in DETECTORS.items())
    return [symptom for symptom in found if symptom is not None]


def _non_finite(recent: History) -> Mapping[str, float] | None:
    last = recent[-1]
    n_broken = sum(not math.isfinite(last[name]) for name in ALWAYS_FINITE if name in last)
    return {"n_broken": float(n_broken)} if n_broken else None


def _divergence(recent: History) -> Mapping[str, float] | None:
    distance = median(_of(recent, "relative_distance"))
    losses = [max(abs(e["generator_loss"]), abs(e["discriminator_loss"])) for e in recent]
    loss = median(losses)
    if distance <= DIVERGENCE_DISTANCE and loss <= DIVERGENCE_LOSS:
        return None
    return {"relative_distance": distance, "loss": loss}


def _mode_collapse(recent: History) -> Mapping[str, float] | None:
    reach = max(_of(recent, "reach"))
    return {"reach": reach} if reach <= COLLAPSE_REACH else None


def _strong_discriminator(recent: History) -> Mapping[str, float] | None:
    told = [0.5 * (e["accuracy_real"] + e["accuracy_generated"]) for e in recent]
    before, after = _halves(_of(recent, "relative_distance"))
    accuracy, progress = fmean(told), _ratio(median(after), median(before))
    if accuracy < STRONG_ACCURACY or progress < STRONG_PROGRESS:
        return None
    loss = fmean(_of(recent, "discriminator_loss"))
    return {"accuracy": accuracy, "discriminator_loss": loss, "progress": progress}


def _exploited_weakness(recent: History) -> Mapping[str, float] | None:
    told = fmean(_of(recent, "accuracy_generated"))
    loss_before, loss_after = map(fmean, _halves(_of(recent, "generator_loss")))
    before, after = map(fmean, _halves(_of(recent, "relative_distance")))
    growth = _ratio(after, before)
    wins = told <= EXPLOIT_FOOLED and loss_after < loss_before
    if not wins or growth < EXPLOIT_GROWTH or after < EXPLOIT_DISTANCE:
        return None
    return {"accuracy_generated": told, "growth": growth, "relative_distance": after}


def _oscillation(recent: History) -> Mapping[str, float] | None:
    distances = _of(recent, "relative_distance")
    middle = median(distances)
    before, after = map(median, _halves(distances))
    is_off = middle >= OSCILLATION_DISTANCE and after >= OSCILLATION_DISTANCE
    if not is_off or after < OSCILLATION_PROGRESS * before:
        return None
    if median(_of(recent, "reach")) >= OSCILLATION_REACH:
        return None
    deciles = quantiles(distances, n=10)
    swing = _ratio(deciles[-1] - deciles[0], middle)
    if swing < OSCILLATION_SWING:
        return None
    return {"relative_distance": middle, "swing": swing}


DETECTORS: dict[str, Detector] = {
    "non-finite": Detector(
        1, (), _non_finite, "{n_broken:.0f} figures of the epoch are not finite", is_hopeless=True
    ),
    "divergence": Detector(
        DIVERGENCE_EPOCHS,
        ("relative_distance", "generator_loss", "discriminator_loss"),
        _divergence,
        "over {n_epochs} epochs the samples were {relative_distance:.3g} times as far off as one "
        "point in the middle of the data, and a loss was {loss:.3g}",
        is_hopeless=True,
    ),
    "mode collapse": Detector(
        COLLAPSE_EPOCHS,
        ("reach",),
        _mode_collapse,
        "in {n_epochs} epochs the samples reached at most {reach:.0%} of the data",
        is_hopeless=True,
    ),
    "strong discriminator": Detector(
        STRONG_EPOCHS,
        ("relative_distance", "accuracy_real", "accuracy_generated", "discriminator_loss"),
        _strong_discriminator,
        "over {n_epochs} epochs the discriminator told {accuracy:.0%} of the points, at a loss of "
        "{discriminator_loss:.3g}, and the generator learnt nothing from it",
    ),
    "exploited weakness": Detector(
        EXPLOIT_EPOCHS,
        ("relative_distance", "accuracy_generated", "generator_loss"),
        _exploited_weakness,
        "over {n_epochs} epochs the discriminator told {accuracy_generated:.0%} of the generated "
        "points, and with a falling loss they went off to a distance of {relative_distance:.3g}",
    ),
    "oscillation": Detector(
        OSCILLATION_EPOCHS,
        ("relative_distance", "reach"),
        _oscillation,
        "over {n_epochs} epochs the distance swung by {swing:.0%} around {relative_distance:.3g} "
        "and came no nearer",
    ),
}
"""Kind of failure -> how it is told."""


def _findings(recent: History, _epoch: int) -> tuple[Finding, ...]:
    return tuple(
        Finding(symptom.kind, symptom.text, DETECTORS[symptom.kind].is_hopeless)
        for symptom in detect_at(recent)
    )


WATCH = Watch(
    names=tuple(dict.fromkeys(name for d in DETECTORS.values() for name in d.needs)),
    n_epochs=max(detector.n_epochs for detector in DETECTORS.values()),
    find=_findings,
)
"""What a cohort of GANs looks for after every epoch of a row."""


def _of(recent: History, name: str) -> list[float]:
    return [epoch[name] for epoch in recent]


def _halves(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """The first and the second half; of an odd number, the one in the middle is in the second."""
    middle = len(values) // 2
    return values[:middle], values[middle:]


def _ratio(above: float, below: float) -> float:
    """`above` over `below`; infinite where `below` is 0."""
    return above / below if below else math.inf
