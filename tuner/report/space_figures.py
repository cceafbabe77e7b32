"""Hides how Plotly draws the space: what was given, what was tried, where the best lie."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tuner.report import space_data, text, theme
from tuner.report.data import StudyRecord
from tuner.report.drawing import Drawing, join, new_figure
from tuner.report.parameter_figures import rows_layout
from tuner.report.scales import ParameterAxis
from tuner.report.space_data import Range, Ranges
from tuner.report.theme import LIGHT

TICK = 0.2  # half the height of a trial's tick, in rows


def ranges(study: StudyRecord) -> Drawing:
    """A row per parameter: a line for what was given, ticks for trials, stars for the best.

    Raises:
        UndrawableError: No parameter varies.
    """
    data = space_data.ranges(study)
    n_rows = len(data.ranges)
    names = [text.label(found.axis.name, 28) for found in data.ranges]
    figure = new_figure()
    figure.add_traces([_given(n_rows), _tried(data), _best(data)])
    figure.update_layout(
        theme.layout(
            70 + 34 * n_rows, margin=theme.MARGIN | {"l": theme.row_margin(names), "b": 8}
        ),
        xaxis={"visible": False, "range": [-0.05, 1.05], "fixedrange": True},
        yaxis=rows_layout(names),
        annotations=[word for row, found in enumerate(data.ranges) for word in _ends(row, found)],
    )
    caption = join([*_caption(study, data), *data.notes])
    return Drawing("Space as given and as searched", caption, figure)


def _caption(study: StudyRecord, data: Ranges) -> tuple[str, ...]:
    """What is drawn, and what the best trials say, if there are any."""
    lead = "Lines are what was given, ticks the trials"
    if not data.n_best:
        return (f"{lead}; none of them has a value.",)
    who = "the Pareto front" if study.is_multi_objective else f"the {data.n_best} best trials"
    hints = data.hints or ("The best values do not crowd at a bound.",)
    return (f"{lead}, stars {who}.", *hints)


def _ends(row: int, found: Range) -> list[dict[str, Any]]:
    """The bounds in words, above both ends of a row."""
    ticks = found.axis.ticks(2)
    shared = {
        "y": row,
        "yshift": 13,
        "showarrow": False,
        "font": {"size": 10, "color": LIGHT["muted"]},
    }
    return [
        shared | {"x": 0.0, "xanchor": "left", "xshift": -4, "text": text.label(ticks[0][1], 16)},
        shared | {"x": 1.0, "xanchor": "right", "xshift": 4, "text": text.label(ticks[-1][1], 16)},
    ]


def _given(n_rows: int) -> go.Scatter:
    return go.Scatter(
        x=np.asarray([0.0, 1.0, math.nan] * n_rows),
        y=np.repeat(np.arange(n_rows, dtype=float), 3),
        mode="lines",
        name="given",
        hoverinfo="skip",
        line={"width": 3, "color": LIGHT["axis"]},
    )


def _tried(data: Ranges) -> go.Scatter:
    """A tick per trial, all of them one line with gaps, so that the browser draws one path."""
    places = [(row, place) for row, found in enumerate(data.ranges) for place in found.tried]
    return go.Scatter(
        x=np.asarray([x for _, place in places for x in (place, place, math.nan)]),
        y=np.asarray([y for row, _ in places for y in (row - TICK, row + TICK, math.nan)]),
        mode="lines",
        name="tried",
        hoverinfo="skip",
        line={"width": 1.2, "color": LIGHT["complete"]},
        opacity=0.4,
    )


def _beside(axis: ParameterAxis, place: float, number: int) -> float:
    """Stars of one choice stand side by side, always alike for a trial."""
    if axis.kind != "category":
        return place
    return place + 0.06 * ((number * 0.6180339887498949) % 1.0 - 0.5)


def _best(data: Ranges) -> go.Scatter:
    marks = [
        (row, number, place, found.axis)
        for row, found in enumerate(data.ranges)
        for number, place in found.best
    ]
    return go.Scatter(
        x=np.asarray([_beside(axis, place, number) for _, number, place, axis in marks]),
        y=np.asarray([row for row, _, _, _ in marks], dtype=float),
        customdata=[number for _, number, _, _ in marks],
        text=[
            f"<b>trial {number}</b><br>{text.label(axis.name)} = "
            f"{text.label(axis.words(axis.low + place * (axis.high - axis.low)))}"
            for _, number, place, axis in marks
        ],
        hoverinfo="text",
        mode="markers",
        name="best",
        marker={
            "symbol": "star",
            "size": 9,
            "color": LIGHT["star"],
            "line": {"width": 0.8, "color": LIGHT["surface"]},
        },
    )
