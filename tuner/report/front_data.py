"""Hides how trials of several objectives become a front and the volume that it commands."""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuner.report import facts, scales, text
from tuner.report.data import StudyRecord, TrialRecord, optuna_study
from tuner.report.facts import UndrawableError
from tuner.report.progress_data import N_POINTS, axis_notes, nothing, thinning
from tuner.report.scales import ValueAxis

N_VOLUMES = 150  # trials of three objectives or more: each costs a volume over all before it
MOST_OBJECTIVES = 4  # beyond, one volume takes seconds


@dataclass(frozen=True)
class Pareto:
    """Two objectives against each other.

    Attributes:
        others: Trial, first and second value of those that another trial beats in both.
        front: The same of the Pareto front, in order of the first value.
        axes: Range of each objective.
        notes: What is left out, one sentence each.
    """

    others: tuple[tuple[int, float, float], ...]
    front: tuple[tuple[int, float, float], ...]
    axes: tuple[ValueAxis, ValueAxis]
    notes: tuple[str, ...]


def pareto(study: StudyRecord) -> Pareto:
    """Complete trials of two objectives, the front apart.

    Raises:
        UndrawableError: The study has another number of objectives, or no complete trial.
    """
    count = len(study.objectives)
    if count != 2:
        raise UndrawableError(
            f"The Pareto front is drawn for two objectives; this study has {count}."
        )
    front = set(facts.front_numbers(study))
    points = [(trial.number, first, second) for trial, (first, second) in _complete(study)]
    if not points:
        raise UndrawableError(nothing(study, "has both values"))
    others = [point for point in points if point[0] not in front]
    shown = scales.even(others, N_POINTS)
    directions = [direction for _, direction, _ in study.objectives]
    axes = (
        scales.value_axis([point[1] for point in points], directions[0]),
        scales.value_axis([point[2] for point in points], directions[1]),
    )
    best = sorted((p for p in points if p[0] in front), key=lambda point: (point[1], point[2]))
    beyond = [note for axis in axes for note in axis_notes(axis)]
    notes = (*thinning(len(shown), len(others), "dominated trial"), *beyond)
    return Pareto(tuple(shown), tuple(best), axes, notes)


@dataclass(frozen=True)
class Volumes:
    """How much the front commands as trials come.

    Attributes:
        reference: The corner that volumes are measured from, one value per objective.
        points: Trial number and hypervolume of the front up to it.
        notes: What is left out, one sentence each.
    """

    reference: tuple[float, ...]
    points: tuple[tuple[int, float], ...]
    notes: tuple[str, ...]


def volumes(study: StudyRecord) -> Volumes:
    """Hypervolume of the front after each complete trial, measured from the worst drawn values.

    The reference is the worst value of each objective, outliers left aside as on the axes; what
    lies beyond it commands nothing.

    Raises:
        UndrawableError: One objective or too many, or no complete trial.
    """
    count = len(study.objectives)
    if not 2 <= count <= MOST_OBJECTIVES:
        raise UndrawableError(
            f"Hypervolume is drawn for two to {MOST_OBJECTIVES} objectives; this study has {count}."
        )
    complete = _complete(study)
    if not complete:
        raise UndrawableError(nothing(study, "has all values"))
    reference = _reference(study, [values for _, values in complete])
    if count == 2:
        shown = _areas(study, complete, reference)
        points = scales.even(shown, N_POINTS)
        notes = thinning(len(points), len(shown), "trial")
        return Volumes(reference, tuple(points), tuple(notes))
    sample = scales.even(complete, N_VOLUMES)
    notes = (
        [f"Worked out from {text.plural(len(sample), 'trial')} of {len(complete):,}."]
        if len(sample) < len(complete)
        else []
    )
    return Volumes(reference, tuple(_optunas(study, sample, reference)), tuple(notes))


def _complete(study: StudyRecord) -> list[tuple[TrialRecord, tuple[float, ...]]]:
    """Complete trials with all their finite values, in order of number."""
    found = []
    for trial in facts.by_number(study):
        values = [facts.final_value(trial, k) for k in range(len(study.objectives))]
        known = tuple(value for value in values if value is not None)
        if len(known) == len(values):
            found.append((trial, known))
    return found


def _reference(study: StudyRecord, values: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    corner = []
    for k, (_, direction, _) in enumerate(study.objectives):
        own = [point[k] for point in values]
        axis = scales.value_axis(own, direction)
        low, high = (10.0**axis.low, 10.0**axis.high) if axis.is_log else (axis.low, axis.high)
        corner.append(max(min(own), low) if direction == "maximize" else min(max(own), high))
    return tuple(corner)


def _areas(
    study: StudyRecord,
    complete: Sequence[tuple[TrialRecord, tuple[float, ...]]],
    reference: tuple[float, ...],
) -> list[tuple[int, float]]:
    """Area of two objectives after each trial; each trial adds its own piece of the staircase."""
    signs = [-1.0 if direction == "maximize" else 1.0 for _, direction, _ in study.objectives]
    corner = (signs[0] * reference[0], signs[1] * reference[1])
    stairs: list[tuple[float, float]] = []  # rising in the first, falling in the second
    area = 0.0
    shown = []
    for trial, values in complete:
        area += _gain(stairs, (signs[0] * values[0], signs[1] * values[1]), corner)
        shown.append((trial.number, area))
    return shown


def _gain(
    stairs: list[tuple[float, float]], point: tuple[float, float], corner: tuple[float, float]
) -> float:
    """Area that `point` adds to that under `stairs`, into which it is put."""
    if point[0] >= corner[0] or point[1] >= corner[1]:
        return 0.0
    place = bisect_left(stairs, point)
    top = stairs[place - 1][1] if place else corner[1]
    if top <= point[1]:
        return 0.0
    gained, left = 0.0, point[0]
    while place < len(stairs) and stairs[place][1] >= point[1]:
        gained += (stairs[place][0] - left) * (top - point[1])
        left, top = stairs.pop(place)
    right = stairs[place][0] if place < len(stairs) else corner[0]
    stairs.insert(place, point)
    return gained + (right - left) * (top - point[1])


def _optunas(
    study: StudyRecord,
    sample: Sequence[tuple[TrialRecord, tuple[float, ...]]],
    reference: tuple[float, ...],
) -> list[tuple[int, float]]:
    """Optuna's own hypervolumes, read off its figure: it has no other public way to them."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.visualization import plot_hypervolume_history

    trials = tuple(replace(trial, intermediate={}) for trial, _ in sample)
    copy = optuna_study(replace(study, trials=trials))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=ExperimentalWarning)
        figure = plot_hypervolume_history(copy, reference)
    line = figure.data[0]
    numbers = [trial.number for trial, _ in sample]
    return [(n, float(y)) for n, y in zip(numbers, line.y, strict=True)]
