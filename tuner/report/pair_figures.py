"""Hides how Plotly draws pairs of parameters: contours of the smoothed rank, and every rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tuner.report import facts, pair_data, text, theme
from tuner.report.data import StudyRecord
from tuner.report.drawing import Drawing, join, new_figure
from tuner.report.pair_data import Pair, Pairs
from tuner.report.parameter_figures import axis_layout
from tuner.report.scales import ParameterAxis
from tuner.report.theme import LIGHT

N_BEST = 10  # trials marked on a contour
HEIGHT = 320


def contours(study: StudyRecord, objective: int = 0) -> Drawing:
    """How good trials are around each place of the most important pairs, side by side.

    Raises:
        UndrawableError: Fewer than two parameters vary, or too few trials have a value.
    """
    data = pair_data.pairs(study, objective)
    figure = _side_by_side(data, _contour_traces)
    lead = (
        "Mean rank of the trials around each place: the stronger the colour, the better. "
        f"Stars are the {min(N_BEST, len(data.pairs[0].numbers))} best trials; where none was "
        "tried nothing is shown."
    )
    return Drawing(facts.named(study, "Contours", objective), join([lead, *data.notes]), figure)


def ranks(study: StudyRecord, objective: int = 0) -> Drawing:
    """Every trial by the most important pairs, coloured by its rank.

    Raises:
        UndrawableError: Fewer than two parameters vary, or too few trials have a value.
    """
    data = pair_data.pairs(study, objective)
    figure = _side_by_side(data, _rank_traces)
    lead = "Each mark is a trial; the stronger, the better its rank among all."
    if any(trial.state == "PRUNED" for trial, _ in facts.ranked(study, objective)):
        lead += " Pruned trials come after the complete ones, those that went furthest first."
    return Drawing(facts.named(study, "Ranks", objective), join([lead, *data.notes]), figure)


def _side_by_side(data: Pairs, traces: Any) -> go.Figure:
    n = len(data.pairs)
    figure = make_subplots(rows=1, cols=n, figure=new_figure(), horizontal_spacing=0.36 / n)
    for column, pair in enumerate(data.pairs, start=1):
        for trace in traces(pair):
            figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(_layout(pair.x), row=1, col=column)
        figure.update_yaxes(_layout(pair.y), row=1, col=column)
    figure.update_layout(
        theme.layout(HEIGHT, margin={"l": 76, "r": 28, "t": 8, "b": 50}), showlegend=False
    )
    return figure


def _layout(axis: ParameterAxis) -> dict[str, Any]:
    """A parameter's axis in axis units, so that a surface of evenly spaced places fits."""
    shown = axis_layout(axis) | {"type": "linear", "showgrid": False, "showline": True}
    if axis.kind == "category":
        return shown
    ticks = axis.ticks()
    return shown | {
        "tickvals": [place for place, _ in ticks],
        "ticktext": [mark for _, mark in ticks],
    }


def _contour_traces(pair: Pair) -> list[Any]:
    surface = np.asarray(pair.surface, dtype=float)
    shared = {
        "x": np.asarray(pair.grid[0]),
        "y": np.asarray(pair.grid[1]),
        "z": surface,
        "zmin": 0.0,
        "zmax": 1.0,
        "colorscale": theme.colorscale(),
        "showscale": False,
        "hoverinfo": "skip",
    }
    is_smooth = "category" not in (pair.x.kind, pair.y.kind)
    field = (
        go.Contour(**shared, ncontours=9, line={"width": 0.6, "color": LIGHT["surface"]})
        if is_smooth
        else go.Heatmap(**shared, xgap=pair.x.kind == "category", ygap=pair.y.kind == "category")
    )
    best = range(max(0, len(pair.numbers) - N_BEST), len(pair.numbers))
    marker = {
        "symbol": "star",
        "size": 9,
        "color": LIGHT["star"],
        "line": {"width": 0.8, "color": LIGHT["surface"]},
    }
    return [field, _marks(pair, best, marker)]


def _rank_traces(pair: Pair) -> list[Any]:
    marker = {
        "size": 7,
        "color": np.asarray(pair.goodness, dtype=float),
        "cmin": 0,
        "cmax": 1,
        "colorscale": theme.colorscale(),
        "line": {"width": 0.6, "color": LIGHT["best"]},
    }
    return [_marks(pair, range(len(pair.numbers)), marker)]


def _marks(pair: Pair, indices: Sequence[int], marker: dict[str, Any]) -> go.Scatter:
    shown = [
        f"<b>trial {pair.numbers[i]}</b>"
        f"<br>{text.label(pair.x.name)} = {text.label(pair.x.words(pair.places[i][0]))}"
        f"<br>{text.label(pair.y.name)} = {text.label(pair.y.words(pair.places[i][1]))}"
        f"<br>better than {math.floor(100 * pair.goodness[i])} % of the trials"
        for i in indices
    ]
    numbers = np.asarray([pair.numbers[i] for i in indices])
    places = np.asarray([pair.places[i] for i in indices], dtype=float).reshape(-1, 2)
    return go.Scatter(
        x=_apart(pair.x, places[:, 0], numbers, 0.6180339887498949),
        y=_apart(pair.y, places[:, 1], numbers, 0.7548776662466927),
        customdata=numbers.tolist(),
        text=shown,
        hoverinfo="text",
        mode="markers",
        marker=marker,
    )


def _apart(axis: ParameterAxis, places: Any, numbers: Any, ratio: float) -> Any:
    """Places on which marks of one choice stand side by side, always alike for a trial."""
    if axis.kind != "category":
        return places
    return places + 0.6 * ((numbers * ratio) % 1.0 - 0.5)
