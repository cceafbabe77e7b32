"""Hides how the space that was given is set against where trials and the best of them lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.report import facts, scales, text
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.scales import ParameterAxis

BEST_SHARE = 0.1
MIN_BEST = 5
MOST_BEST = 50
EDGE = 0.05  # share of an axis that counts as its end
CROWD = 0.5  # share of the best that makes an end crowded
N_AXES = 24
N_MARKS = 200


@dataclass(frozen=True)
class Range:
    """One parameter as given, as searched, and where the best lie.

    Attributes:
        axis: The parameter over all it may be.
        tried: Places of the trials, between 0 and 1 on the axis.
        best: Numbers and places of the best trials.
        hint: A sentence where the best lie at an end that could be moved, else empty.
    """

    axis: ParameterAxis
    tried: tuple[float, ...]
    best: tuple[tuple[int, float], ...]
    hint: str


@dataclass(frozen=True)
class Ranges:
    """The space of a study.

    Attributes:
        ranges: One per parameter that varies, in the space's order.
        n_best: Trials that count as the best.
        notes: What is left out, one sentence each.
    """

    ranges: tuple[Range, ...]
    n_best: int
    notes: tuple[str, ...]

    @property
    def hints(self) -> tuple[str, ...]:
        """What the best trials say about the bounds."""
        return tuple(found.hint for found in self.ranges if found.hint)


def ranges(study: StudyRecord) -> Ranges:
    """Every parameter that varies with the places of all trials and of the best tenth.

    The best are those that come first by rank (`facts.ranked`), or the front of several
    objectives; at least 5, if there are so many, and at most 50.

    Raises:
        UndrawableError: No parameter varies.
    """
    axes = scales.drawn_axes(study)
    best = _best(study)
    trials = facts.by_number(study)
    shown = [_range(study, axis, trials, best) for axis in axes[:N_AXES]]
    notes = [f"The first {N_AXES} of {len(axes)} parameters are shown."] if axes[N_AXES:] else []
    if any(len(found.tried) == N_MARKS for found in shown):
        notes.append(f"At most {N_MARKS} trials are marked, spread evenly.")
    return Ranges(tuple(shown), len(best), tuple(notes))


def _best(study: StudyRecord) -> list[TrialRecord]:
    if study.is_multi_objective:
        front = set(facts.front_numbers(study))
        return [trial for trial in facts.by_number(study) if trial.number in front]
    ranked = [trial for trial, _ in facts.ranked(study)]
    return ranked[: min(MOST_BEST, max(MIN_BEST, math.ceil(BEST_SHARE * len(ranked))))]


def _range(
    study: StudyRecord,
    axis: ParameterAxis,
    trials: Sequence[TrialRecord],
    best: Sequence[TrialRecord],
) -> Range:
    placed = [place for trial in trials if (place := axis.share(trial.params)) is not None]
    found = [(t.number, place) for t in best if (place := axis.share(t.params)) is not None]
    hint = _hint(study, axis, [place for _, place in found])
    return Range(axis, tuple(scales.even(placed, N_MARKS)), tuple(found), hint)


def _hint(study: StudyRecord, axis: ParameterAxis, places: Sequence[float]) -> str:
    """What to change where most of the best lie at one end of a numeric parameter."""
    if axis.kind == "category" or len(places) < MIN_BEST or axis.name not in study.distributions:
        return ""
    n_low = sum(place <= EDGE for place in places)
    n_high = sum(place >= 1 - EDGE for place in places)
    n_crowd = max(n_low, n_high)
    is_low = n_low >= n_high
    if n_crowd < _crowd(axis) * len(places) or _is_natural(axis, is_low):
        return ""
    word, change = ("lower", "lower") if is_low else ("upper", "raise")
    return (
        f"{axis.name}: {n_crowd} of the best {len(places)} lie at the {word} bound "
        f"{text.number(_bound(axis, is_low))}; {change} it to see whether values beyond are "
        "better still."
    )


def _crowd(axis: ParameterAxis) -> float:
    """The share of the best that makes an end crowded; on few values chance alone gives much."""
    if not axis.is_integer or axis.kind == "log":
        return CROWD
    return min(1.0, max(CROWD, 2 / (axis.high - axis.low + 1)))


def _bound(axis: ParameterAxis, is_low: bool) -> float:
    place = axis.low if is_low else axis.high
    value = 10.0**place if axis.kind == "log" else place
    return float(round(value)) if axis.is_integer else value


def _is_natural(axis: ParameterAxis, is_low: bool) -> bool:
    """True for a bound that can hardly be moved: 0, a count of 1, and the 1 of a share."""
    bound = _bound(axis, is_low)
    if is_low:
        return bound == 0 or (axis.is_integer and bound == 1)
    return bound == 1 and axis.kind == "linear" and axis.low == 0
