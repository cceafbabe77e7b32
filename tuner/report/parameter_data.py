"""Hides how trials become the data of the figures over parameters: their axes, lines, slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tuner.report import facts, scales
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.facts import UndrawableError
from tuner.report.importance_data import importance
from tuner.report.progress_data import axis_notes
from tuner.report.scales import ParameterAxis, ValueAxis

N_LINES = 300
N_SLICE_POINTS = 250
N_AXES = 12
N_SLICES = 16


def ranked_axes(study: StudyRecord, objective: int = 0) -> list[ParameterAxis]:
    """The axes of the parameters that vary, most important first where that is known.

    Args:
        study: Of any number of objectives.
        objective: What parameters are important for.

    Raises:
        UndrawableError: No parameter varies.
    """
    axes = scales.drawn_axes(study)
    try:
        order = [name for name, _ in importance(study, objective=objective).shares]
    except UndrawableError:
        return axes
    place = {name: index for index, name in enumerate(order)}
    return sorted(axes, key=lambda axis: place.get(axis.name, len(place)))


@dataclass(frozen=True)
class Line:
    """One trial across the axes.

    Attributes:
        number: The trial.
        value: Its result, or the last value of a pruned trial.
        places: Between 0 and 1 on each parameter's axis; None where it is inactive.
        goodness: 0 for the worst rank of the drawn trials, 1 for the best.
    """

    number: int
    value: float
    places: tuple[float | None, ...]
    goodness: float


@dataclass(frozen=True)
class Parallel:
    """Trials as lines over parallel axes, worst first.

    Attributes:
        axes: The parameters, most important first.
        value_axis: The last axis, of the result.
        lines: One per trial.
        notes: What is left out, one sentence each.
    """

    axes: tuple[ParameterAxis, ...]
    value_axis: ValueAxis
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def parallel(study: StudyRecord, objective: int = 0) -> Parallel:
    """Complete and pruned trials over the axes of the parameters and of one objective.

    Raises:
        UndrawableError: No parameter varies, or no trial has a value.
    """
    axes = ranked_axes(study, objective)
    shown_axes = tuple(axes[:N_AXES])
    trials = _ranked(study, objective)
    places = range(len(trials))
    shown = scales.thinned(trials, N_LINES, places[: N_LINES // 2])
    value_axis = scales.value_axis([v for _, v in shown], study.objectives[objective][1])
    last = max(1, len(shown) - 1)
    lines = [
        Line(
            trial.number,
            value,
            tuple(axis.share(trial.params) for axis in shown_axes),
            1 - rank / last,
        )
        for rank, (trial, value) in enumerate(shown)
    ]
    notes = []
    if len(shown) < len(trials):
        notes.append(
            f"{len(shown):,} of {len(trials):,} trials are drawn: the "
            f"{N_LINES // 2} best and others spread evenly."
        )
    notes += _axes_note(len(shown_axes), len(axes))
    return Parallel(shown_axes, value_axis, tuple(reversed(lines)), tuple(notes))


def _axes_note(n_shown: int, n_all: int) -> list[str]:
    if n_shown == n_all:
        return []
    return [f"The {n_shown} most important of {n_all} parameters are shown."]


def _ranked(study: StudyRecord, objective: int) -> list[tuple[TrialRecord, float]]:
    found = facts.ranked(study, objective)
    if not found:
        raise UndrawableError("No trial has a value yet.")
    return found


@dataclass(frozen=True)
class Slice:
    """One parameter against the value.

    Attributes:
        axis: The parameter.
        numbers: Trials that have it, in order of number.
        places: Their position in axis units (log10 for a log axis).
        values: Their results, or the last value of a pruned trial.
        pruned: Which of them were pruned.
    """

    axis: ParameterAxis
    numbers: tuple[int, ...]
    places: tuple[float, ...]
    values: tuple[float, ...]
    pruned: tuple[bool, ...]


@dataclass(frozen=True)
class Slices:
    """Every parameter against the value.

    Attributes:
        slices: Most important parameter first.
        value_axis: Shared range of the values.
        n_trials: Highest trial number, for the colours.
        notes: What is left out, one sentence each.
    """

    slices: tuple[Slice, ...]
    value_axis: ValueAxis
    n_trials: int
    notes: tuple[str, ...]


def slices(study: StudyRecord, objective: int = 0) -> Slices:
    """The value of complete and pruned trials against each parameter.

    Raises:
        UndrawableError: No parameter varies, or no trial has a value.
    """
    axes = ranked_axes(study, objective)
    trials = _ranked(study, objective)
    shown = scales.thinned(trials, N_SLICE_POINTS, range(N_SLICE_POINTS // 4))
    shown.sort(key=lambda item: item[0].number)
    value_axis = scales.value_axis([v for _, v in shown], study.objectives[objective][1])
    found = [_slice(axis, shown) for axis in axes[:N_SLICES]]
    notes = []
    if len(shown) < len(trials):
        notes.append(
            f"{len(shown):,} of {len(trials):,} trials are drawn: the "
            f"{N_SLICE_POINTS // 4} best and others spread evenly."
        )
    notes += [*_axes_note(len(found), len(axes)), *axis_notes(value_axis)]
    last = max(trial.number for trial, _ in shown)
    return Slices(tuple(found), value_axis, last, tuple(notes))


def _slice(axis: ParameterAxis, trials: list[tuple[TrialRecord, float]]) -> Slice:
    placed = [
        (trial.number, place, value, trial.state == "PRUNED")
        for trial, value in trials
        if axis.name in trial.params
        and (place := axis.position(trial.params[axis.name])) is not None
    ]
    columns: tuple[tuple[Any, ...], ...] = tuple(zip(*placed, strict=True)) or ((), (), (), ())
    return Slice(axis, *columns)
