"""Hides how trials become the data of the figures about parameters: importance, axes, slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from tuner.report import facts, scales
from tuner.report.data import StudyRecord, TrialRecord, optuna_study
from tuner.report.facts import UndrawableError
from tuner.report.progress_data import axis_notes
from tuner.report.scales import ParameterAxis, ValueAxis

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

Evaluator = Literal["ped_anova", "fanova"]

MIN_TRIALS = 10
MIN_BEST = 5  # Optuna's advice: at least 5 trials above the quantile that PED-ANOVA looks at
N_PED_ANOVA = 1000
N_FANOVA = 200  # 1.5 s on one core, where 1,000 trials take 21 s
N_LINES = 300
N_SLICE_POINTS = 800
N_AXES = 12
N_SLICES = 16


@dataclass(frozen=True)
class Importance:
    """How much each parameter matters.

    Attributes:
        shares: Parameter and share, summing to 1, most important first.
        basis: One sentence: what the shares say and what they were worked out from.
    """

    shares: tuple[tuple[str, float], ...]
    basis: str


def importance(study: StudyRecord, evaluator: Evaluator = "ped_anova") -> Importance:
    """Importance of the parameters that vary, by an evaluator of Optuna.

    A single objective is judged by the rank of complete and pruned trials (`facts.ranked`), so
    that a study in which few trials complete still tells something and one diverged loss does not
    outweigh the rest. Several objectives are judged by the values of complete trials.

    Args:
        study: At least 10 of its trials must have a value.
        evaluator: `ped_anova` asks what the best trials have in common and is the default; it
            takes conditional parameters and several objectives. `fanova` asks what explains the
            rank as a whole; it sees at most 200 trials and the parameters that all of them have.

    Raises:
        UndrawableError: Too few trials, too few parameters, or equal values.
    """
    trials = facts.ranked(study)
    if study.is_multi_objective:
        trials = [(trial, value) for trial, value in trials if _is_complete(study, trial)]
    if len(trials) < MIN_TRIALS:
        raise UndrawableError(
            f"Importance needs {MIN_TRIALS} trials with a value; there "
            f"{'is' if len(trials) == 1 else 'are'} {len(trials)}."
        )
    if len({trial.values or value for trial, value in trials}) == 1:
        raise UndrawableError("All trials have the same value, so no parameter matters.")
    names = [axis.name for axis in scales.parameter_axes(study) if axis.name in study.distributions]
    names = [name for name in names if len({repr(t.params.get(name)) for t, _ in trials}) > 1]
    if len(names) < 2:
        raise UndrawableError("Importance compares parameters, and fewer than two of them varied.")
    ranked = [trial for trial, _ in trials]
    if evaluator == "fanova":
        return _fanova(study, names, ranked)
    return _ped_anova(study, names, ranked)


def _is_complete(study: StudyRecord, trial: TrialRecord) -> bool:
    return all(facts.final_value(trial, k) is not None for k in range(len(study.objectives)))


def _judged(study: StudyRecord, ranked: Sequence[TrialRecord]) -> StudyRecord:
    """The study as if every ranked trial had completed with its rank as the value to minimize."""
    if study.is_multi_objective:
        return replace(study, trials=tuple(ranked))
    trials = [
        replace(trial, state="COMPLETE", values=(float(rank),), intermediate={})
        for rank, trial in enumerate(ranked)
    ]
    return replace(study, objectives=(("rank", "minimize", ""),), trials=tuple(trials))


def _ped_anova(study: StudyRecord, names: list[str], ranked: list[TrialRecord]) -> Importance:
    from optuna.importance import PedAnovaImportanceEvaluator

    sample = scales.even(ranked, N_PED_ANOVA)  # by rank, so the best share stays the best share
    share = min(0.5, max(0.1, MIN_BEST / len(sample)))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=share)
    shares = _shares(_judged(study, sample), names, evaluator)
    has_pruned = any(trial.state == "PRUNED" for trial in sample)
    how = ", pruned ones ranked by how far they came" if has_pruned else ""
    return Importance(
        shares,
        f"How much each parameter decides whether a trial is among the best "
        f"{math.ceil(share * len(sample)):,} of {_of_all(sample, ranked)}{how} (PED-ANOVA).",
    )


def _fanova(study: StudyRecord, names: list[str], ranked: list[TrialRecord]) -> Importance:
    from optuna.importance import FanovaImportanceEvaluator

    if study.is_multi_objective:
        raise UndrawableError("fANOVA takes one objective; use ped_anova for several.")
    common = [name for name in names if all(name in trial.params for trial in ranked)]
    if len(common) < 2:
        raise UndrawableError("fANOVA needs two parameters that every trial has.")
    sample = scales.even(ranked, N_FANOVA)
    shares = _shares(_judged(study, sample), common, FanovaImportanceEvaluator(seed=0))
    return Importance(
        shares,
        f"Share of the variation of the rank that each parameter explains, from "
        f"{_of_all(sample, ranked)} trials (fANOVA).",
    )


def _of_all(sample: Sequence[TrialRecord], ranked: Sequence[TrialRecord]) -> str:
    if len(sample) == len(ranked):
        return f"{len(sample):,}"
    return f"{len(sample):,} (a spread over all ranks of {len(ranked):,})"


def _shares(
    judged: StudyRecord, names: list[str], evaluator: BaseImportanceEvaluator
) -> tuple[tuple[str, float], ...]:
    """Parameters and their shares of the whole, largest first, ties by name."""
    from optuna.importance import get_param_importances

    found = get_param_importances(optuna_study(judged), evaluator=evaluator, params=names)
    return tuple(sorted(((n, float(s)) for n, s in found.items()), key=lambda i: (-i[1], i[0])))


def ranked_axes(study: StudyRecord) -> list[ParameterAxis]:
    """The axes of the parameters that vary, most important first where that is known.

    Raises:
        UndrawableError: No parameter varies.
    """
    axes = scales.parameter_axes(study)
    if not axes:
        raise UndrawableError("No parameter of this study varies.")
    try:
        order = [name for name, _ in importance(study).shares]
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
    axes = ranked_axes(study)
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
            tuple(_place(axis, trial) for axis in shown_axes),
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


def _place(axis: ParameterAxis, trial: TrialRecord) -> float | None:
    if axis.name not in trial.params:
        return None
    place = axis.position(trial.params[axis.name])
    return None if place is None else (place - axis.low) / (axis.high - axis.low)


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
    axes = ranked_axes(study)
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
