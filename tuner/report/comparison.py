"""Hides how several studies are set side by side: best so far by trials and by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import plotly.graph_objects as go

from tuner.report import facts, scales, text, theme
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.drawing import Drawing, join, new_figure, objective_title, time_unit, value_layout
from tuner.report.facts import UndrawableError
from tuner.report.progress_data import axis_notes
from tuner.report.scales import ValueAxis

N_STUDIES = 7  # colours that stay apart


@dataclass(frozen=True)
class Series:
    """One study's best so far.

    Attributes:
        name: The study.
        by_trial: Trials in order of number and best value at each improvement and at the end.
        by_time: Seconds of work and best value likewise.
    """

    name: str
    by_trial: tuple[tuple[float, float], ...]
    by_time: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Comparison:
    """Studies of one objective side by side.

    Attributes:
        leader: The study whose objective the axis shows.
        series: One per study that can be compared.
        axis: Range of the values.
        notes: Which studies are left out and why, one sentence each.
    """

    leader: StudyRecord
    series: tuple[Series, ...]
    axis: ValueAxis
    notes: tuple[str, ...]


def compare(studies: Sequence[StudyRecord]) -> Comparison:
    """Best so far of the studies that share the first one's objective.

    Raises:
        UndrawableError: No two studies share a single objective and have a complete trial.
    """
    alike = comparable(studies)
    series = [found for study in alike if (found := _series(study)) is not None]
    if len(series) < 2:
        raise UndrawableError(
            "Best-so-far curves need two studies with the same single objective and a complete "
            "trial each."
        )
    shown = series[:N_STUDIES]
    notes = []
    if len(alike) < len(studies):
        notes.append(
            f"Left out for other objectives: {len(studies) - len(alike)} of {len(studies)}."
        )
    if len(shown) < len(series):
        notes.append(f"The first {len(shown)} of {len(series)} studies are drawn.")
    values = [value for one in shown for _, value in one.by_trial]
    axis = scales.value_axis(values, alike[0].objectives[0][1])
    return Comparison(alike[0], tuple(shown), axis, (*notes, *axis_notes(axis)))


def comparable(studies: Sequence[StudyRecord]) -> list[StudyRecord]:
    """The studies with one objective that is the same as that of the first such study."""
    single = [study for study in studies if not study.is_multi_objective]
    return [study for study in single if study.objectives[0][:2] == single[0].objectives[0][:2]]


def _series(study: StudyRecord) -> Series | None:
    """The study's best so far, or None without a result."""
    direction = study.objectives[0][1]
    clock = facts.clock_of(study.trials)
    ended = [trial for trial in study.trials if trial.state in ("COMPLETE", "PRUNED", "FAIL")]
    ended.sort(key=_end_order)
    by_time = [
        (clock.at(trial.ended), value)
        for trial in ended
        if (value := facts.final_value(trial)) is not None and clock and trial.ended
    ]
    trials = facts.by_number(study)
    by_trial = [
        (trial.number + 1.0, value)
        for trial in trials
        if (value := facts.final_value(trial)) is not None
    ]
    if not by_trial:
        return None
    total_s = 0.0 if clock is None else clock.total_s
    return Series(
        study.name,
        _held(facts.improvements(by_trial, direction), trials[-1].number + 1.0),
        _held(facts.improvements(by_time, direction), total_s),
    )


def _held(best: Sequence[tuple[float, float]], end: float) -> tuple[tuple[float, float], ...]:
    """The improvements, the last of which holds until `end`."""
    return (*best, (end, best[-1][1])) if best and best[-1][0] < end else tuple(best)


def _end_order(trial: TrialRecord) -> tuple[bool, datetime, int]:
    return trial.ended is None, facts.local(trial.ended or datetime.max), trial.number


def by_trial(studies: Sequence[StudyRecord]) -> Drawing:
    """Best so far in order of trial number, a line per study.

    Raises:
        UndrawableError: No two studies can be compared.
    """
    data = compare(studies)
    figure = _lines(data, [series.by_trial for series in data.series], "trials", 1.0)
    others = ", and those that other processes added" * any(map(facts.added, studies))
    sentence = f"Failed and pruned trials count{others}."
    return Drawing("Best so far by trials", join([sentence, *data.notes]), figure)


def by_time(studies: Sequence[StudyRecord]) -> Drawing:
    """Best so far against seconds of work, a line per study.

    Raises:
        UndrawableError: No two studies can be compared.
    """
    data = compare(studies)
    longest = max((point[0] for series in data.series for point in series.by_time), default=0.0)
    size, unit = time_unit(longest)
    figure = _lines(data, [series.by_time for series in data.series], f"{unit} of work", size)
    caption = join(["Time in which no trial ran is not counted.", *data.notes])
    return Drawing("Best so far by time", caption, figure)


def _lines(
    data: Comparison, lines: Sequence[Sequence[tuple[float, float]]], title: str, size: float
) -> go.Figure:
    figure = new_figure()
    for index, (series, points) in enumerate(zip(data.series, lines, strict=True)):
        figure.add_trace(
            go.Scatter(
                x=np.asarray([place / size for place, _ in points], dtype=float),
                y=np.asarray([value for _, value in points], dtype=float),
                mode="lines",
                name=text.label(series.name, 32),
                hovertemplate="%{x:.4~g}: %{y:.4g}<extra></extra>",
                line={"shape": "hv", "width": 2.2, "color": theme.SERIES_LIGHT[index]},
            )
        )
    figure.update_layout(
        theme.layout(360),
        xaxis={
            "title": {"text": title},
            "showgrid": False,
            "showline": True,
            "rangemode": "tozero",
        },
        yaxis=value_layout(data.axis, objective_title(data.leader)),
        showlegend=True,
    )
    return figure
