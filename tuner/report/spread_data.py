"""Hides how results become an empirical distribution: the share of trials at or below a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.report import facts, scales
from tuner.report.data import StudyRecord
from tuner.report.facts import UndrawableError
from tuner.report.progress_data import axis_notes
from tuner.report.scales import ValueAxis

N_POINTS = 500


@dataclass(frozen=True)
class Distribution:
    """The results of one study.

    Attributes:
        name: The study.
        values: Results in rising order, each once.
        shares: The share of complete trials at or below each, the last one 1.
        n_trials: Complete trials that it is made of.
    """

    name: str
    values: tuple[float, ...]
    shares: tuple[float, ...]
    n_trials: int


@dataclass(frozen=True)
class Distributions:
    """Results of studies of one objective.

    Attributes:
        parts: One per study.
        axis: Range of the values.
        notes: What is left out, one sentence each.
    """

    parts: tuple[Distribution, ...]
    axis: ValueAxis
    notes: tuple[str, ...]


def distributions(studies: Sequence[StudyRecord], objective: int = 0) -> Distributions:
    """The empirical distribution functions of the complete trials of each study.

    Raises:
        UndrawableError: No study has a complete trial.
    """
    parts = [found for study in studies if (found := _distribution(study, objective)) is not None]
    if not parts:
        raise UndrawableError("No trial is complete yet.")
    direction = studies[0].objectives[objective][1]
    axis = scales.value_axis([value for part in parts for value in part.values], direction)
    notes = [*axis_notes(axis)]
    if any(len(part.values) == N_POINTS < part.n_trials for part in parts):
        notes.append(f"{N_POINTS} points of each curve are drawn, spread evenly.")
    return Distributions(tuple(parts), axis, tuple(notes))


def _distribution(study: StudyRecord, objective: int) -> Distribution | None:
    values = sorted(
        value
        for trial in study.trials
        if (value := facts.final_value(trial, objective)) is not None
    )
    if not values:
        return None
    share_at = {value: (place + 1) / len(values) for place, value in enumerate(values)}
    shown = scales.even(list(share_at.items()), N_POINTS)
    return Distribution(
        study.name,
        tuple(value for value, _ in shown),
        tuple(share for _, share in shown),
        len(values),
    )
