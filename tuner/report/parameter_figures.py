"""Hides how Plotly draws parameters: importance, parallel coordinates, slices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tuner.report import facts, importance_data, parameter_data, text, theme
from tuner.report.data import StudyRecord
from tuner.report.drawing import Drawing, join, new_figure, objective_title, value_layout
from tuner.report.importance_data import Evaluator, Importance
from tuner.report.parameter_data import Line, Parallel, Slice, Slices
from tuner.report.scales import ParameterAxis, ValueAxis
from tuner.report.theme import LIGHT

N_BARS = 20
INACTIVE = -0.1  # where a line passes an axis whose parameter its trial does not have
_SHADES = 8


def importance(
    study: StudyRecord, evaluator: Evaluator = "ped_anova", objective: int | None = None
) -> Drawing:
    """Bars of the parameters' importance, largest on top.

    Args:
        study: What to judge.
        evaluator: How.
        objective: Which of several; None for all together.

    Raises:
        UndrawableError: There is too little to compare.
    """
    data = importance_data.importance(
        study, evaluator, importance_data.N_RESAMPLES, objective=objective
    )
    shown = data.shares[:N_BARS]
    shares = [share for _, share in shown]
    names = [f"{text.label(name, 28)}  {_percent(share)}" for name, share in shown]
    figure = new_figure()
    figure.add_trace(
        go.Bar(
            x=np.asarray(shares),
            y=list(range(len(shown))),
            orientation="h",
            hoverinfo="skip",
            marker={"color": LIGHT["complete"], "cornerradius": 3},
            width=0.62,
        )
    )
    _add_whiskers(figure, data, [name for name, _ in shown])
    furthest = max([*shares, *(high for _, high in data.ranges.values())])
    figure.update_layout(
        theme.layout(
            90 + 28 * len(shown), margin={"l": theme.row_margin(names), "r": 16, "t": 8, "b": 8}
        ),
        xaxis={"visible": False, "range": [0, furthest * 1.02], "fixedrange": True},
        yaxis=rows_layout(names),
        showlegend=False,
    )
    rest = len(data.shares) - len(shown)
    note = f"{text.plural(rest, 'less important parameter')} left out." if rest else ""
    title = "Parameter importance"
    if objective is not None:
        title = facts.named(study, title, objective)
    elif study.is_multi_objective:
        title += ": all objectives"
    return Drawing(title, join([data.basis, note]), figure)


def rows_layout(names: Sequence[str]) -> dict[str, Any]:
    """Plotly's description of an axis with a row for each name, the first on top."""
    return {
        "tickvals": list(range(len(names))),
        "ticktext": list(names),
        "range": [len(names) - 0.4, -0.6],
        "showgrid": False,
        "fixedrange": True,
        "tickfont": {"color": LIGHT["ink"], "size": 12},
    }


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"


def _add_whiskers(figure: go.Figure, data: Importance, names: Sequence[str]) -> None:
    """A line over each bar from the low to the high end of its share over resamplings."""
    if not data.ranges:
        return
    ends = [data.ranges[name] for name in names]
    figure.add_trace(
        go.Scatter(
            x=np.asarray([end for low, high in ends for end in (low, high, math.nan)]),
            y=np.repeat(np.arange(len(ends), dtype=float), 3),
            mode="lines",
            hoverinfo="skip",
            line={"width": 2, "color": LIGHT["star"]},
        )
    )


def parallel(study: StudyRecord, objective: int = 0) -> Drawing:
    """Trials as lines over the parameters and the value, the best strongest.

    Raises:
        UndrawableError: No parameter varies, or no trial has a value.
    """
    data = parameter_data.parallel(study, objective)
    has_inactive = any(place is None for line in data.lines for place in line.places)
    figure = new_figure()
    for shade in range(_SHADES):
        group = [
            line
            for line in data.lines
            if min(_SHADES - 1, int(line.goodness**3 * _SHADES)) == shade
        ]
        if group:
            figure.add_trace(_line_trace(data, group, (shade + 0.5) / _SHADES))
    figure.add_trace(_line_trace(data, data.lines[-1:], None))
    _draw_axes(figure, data, study.objectives[objective][0], has_inactive)
    n_axes = len(data.axes) + 1
    figure.update_layout(
        theme.layout(400, margin={"l": 20, "r": 64, "t": 58, "b": 12}),
        xaxis={"visible": False, "range": [-0.15, n_axes - 1 + 0.1], "fixedrange": True},
        yaxis={
            "visible": False,
            "range": [INACTIVE - 0.06 if has_inactive else -0.04, 1.04],
            "fixedrange": True,
        },
        showlegend=False,
    )
    lead = "Trials across their parameters; the stronger the line, the better the trial."
    pruned = _pruned_sentence(study, objective)
    below = "Lines below an axis: the parameter was inactive." if has_inactive else ""
    best = f"Trial {data.lines[-1].number}, the best, stands out."
    title = facts.named(study, "Parallel coordinates", objective)
    return Drawing(title, join([lead, best, pruned, below, *data.notes]), figure)


def _pruned_sentence(study: StudyRecord, objective: int) -> str:
    is_shown = any(trial.state == "PRUNED" for trial, _ in facts.ranked(study, objective))
    return "Pruned trials stand at their last value." if is_shown else ""


def _line_trace(data: Parallel, lines: Sequence[Line], shade: float | None) -> go.Scatter:
    """Lines of one shade as one path with gaps; shade None is the best trial's."""
    width = len(data.axes) + 2
    x = np.tile(np.asarray([*range(width - 1), math.nan]), len(lines))
    y: list[float] = []
    for line in lines:
        places = [INACTIVE if place is None else place for place in line.places]
        y += [*places, data.value_axis.position(line.value), math.nan]
    is_best = shade is None
    return go.Scatter(
        x=x,
        y=np.asarray(y),
        mode="lines+markers" if is_best else "lines",
        customdata=[line.number for line in lines for _ in range(width)],
        text=[
            f"<b>trial {line.number}</b> {text.number(line.value)}"
            for line in lines
            for _ in range(width)
        ],
        hoverinfo="text",
        line={
            "width": 2.6 if is_best else 1.2,
            "color": LIGHT["star"] if shade is None else _shade(shade),
        },
        marker={"size": 6, "color": LIGHT["star"]},
        opacity=1.0 if shade is None else 0.35 + 0.55 * shade,
    )


def _shade(share: float) -> str:
    return theme.SCALE_LIGHT[min(len(theme.SCALE_LIGHT) - 1, int(share * len(theme.SCALE_LIGHT)))]


def _draw_axes(figure: go.Figure, data: Parallel, value_title: str, has_inactive: bool) -> None:
    titles = [text.label(axis.name, 18) for axis in data.axes]
    titles.append(text.label(value_title, 18))
    ticks = [_relative_ticks(axis) for axis in data.axes] + [_value_ticks(data.value_axis)]
    words: list[dict[str, Any]] = []
    for place, (title, marks) in enumerate(zip(titles, ticks, strict=True)):
        words.append(_axis_name(title, place) | {"xanchor": "center" if place else "left"})
        words += [_tick(place, height, mark) for height, mark in marks]
        if has_inactive and place < len(data.axes):
            words.append(_tick(place, INACTIVE, text.DASH))
    line = {"type": "line", "y0": 0, "y1": 1, "line": {"width": 1.2, "color": LIGHT["axis"]}}
    shapes = [line | {"x0": place, "x1": place} for place in range(len(titles))]
    figure.update_layout(annotations=words, shapes=shapes)


def _axis_name(title: str, place: int) -> dict[str, Any]:
    """The name above an axis, every other one higher: names are wider than the gap between."""
    return {
        "x": place,
        "y": 1,
        "yshift": 18 + 15 * (place % 2),
        "text": f"<b>{title}</b>",
        "showarrow": False,
        "font": {"size": 11, "color": LIGHT["ink"]},
    }


def _tick(place: float, height: float, mark: str) -> dict[str, Any]:
    return {
        "x": place,
        "y": height,
        "xshift": 4,
        "xanchor": "left",
        "text": mark,
        "showarrow": False,
        "font": {"size": 10, "color": LIGHT["ink"]},
        "bgcolor": LIGHT["surface"],
        "opacity": 0.82,
        "borderpad": 1,
    }


def _relative_ticks(axis: ParameterAxis) -> list[tuple[float, str]]:
    span = axis.high - axis.low
    return [((place - axis.low) / span, text.label(mark, 14)) for place, mark in axis.ticks()]


def _value_ticks(axis: ValueAxis) -> list[tuple[float, str]]:
    shares = (0.04, 0.27, 0.5, 0.73, 0.96)
    places = [axis.low + share * (axis.high - axis.low) for share in shares]
    values = [10.0**place if axis.is_log else place for place in places]
    return [(share, text.number(v, digits=3)) for share, v in zip(shares, values, strict=True)]


def slice_drawings(study: StudyRecord, objective: int = 0) -> tuple[list[Drawing], str]:
    """One small figure per parameter, and the sentences that belong to all of them.

    Raises:
        UndrawableError: No parameter varies, or no trial has a value.
    """
    data = parameter_data.slices(study, objective)
    drawings = []
    for part in data.slices:
        figure = new_figure().add_traces(_slice_traces(part, data))
        figure.update_layout(
            theme.small_layout(),
            xaxis=axis_layout(part.axis, is_titled=False),
            yaxis=value_layout(data.value_axis),
        )
        drawings.append(Drawing(part.axis.name, "", figure))
    return drawings, _slices_caption(study, data, objective)


def slices(study: StudyRecord, objective: int = 0) -> Drawing:
    """All slices as one figure with one small plot per parameter.

    Raises:
        UndrawableError: No parameter varies, or no trial has a value.
    """
    data = parameter_data.slices(study, objective)
    n_columns = min(3, len(data.slices))
    n_rows = math.ceil(len(data.slices) / n_columns)
    figure = make_subplots(
        rows=n_rows,
        cols=n_columns,
        figure=new_figure(),
        shared_yaxes=True,
        vertical_spacing=min(0.2, 0.3 / n_rows),
        horizontal_spacing=0.04,
    )
    title = objective_title(study, objective)
    for index, part in enumerate(data.slices):
        row, column = index // n_columns + 1, index % n_columns + 1
        for trace in _slice_traces(part, data):
            figure.add_trace(trace, row=row, col=column)
        figure.update_xaxes(axis_layout(part.axis), row=row, col=column)
        shown = value_layout(data.value_axis, title if column == 1 else "")
        figure.update_yaxes(shown, row=row, col=column)
    figure.update_layout(theme.layout(80 + 240 * n_rows), showlegend=False)
    caption = _slices_caption(study, data, objective)
    return Drawing(facts.named(study, "Slices", objective), caption, figure)


def _slices_caption(study: StudyRecord, data: Slices, objective: int) -> str:
    name, direction, _ = study.objectives[objective]
    lead = (
        f"{name} ({direction}) against each parameter; the stronger the mark, the later the trial."
    )
    is_pruned = any(any(part.pruned) for part in data.slices)
    pruned = "Rings are pruned trials at their last value." if is_pruned else ""
    return join([lead, pruned, *data.notes])


def _slice_traces(part: Slice, data: Slices) -> list[go.Scatter]:
    """Pruned trials as rings below the complete ones as discs."""
    pruned = [index for index, is_pruned in enumerate(part.pruned) if is_pruned]
    complete = [index for index, is_pruned in enumerate(part.pruned) if not is_pruned]
    ring = {"size": 5, "symbol": "circle-open", "color": LIGHT["pruned"], "line": {"width": 1.1}}
    disc = {
        "size": 7,
        "color": np.asarray([part.numbers[index] for index in complete], dtype=float),
        "cmin": 0,
        "cmax": max(1, data.n_trials),
        "colorscale": theme.colorscale(),
        "line": {"width": 0.8, "color": LIGHT["best"]},
    }
    groups = ((pruned, ring, 0.6), (complete, disc, 1.0))
    return [_slice_trace(part, *group) for group in groups if group[0]]


def _slice_trace(
    part: Slice, indices: list[int], marker: dict[str, Any], opacity: float
) -> go.Scatter:
    axis = part.axis
    numbers = np.asarray([part.numbers[index] for index in indices])
    places = np.asarray([part.places[index] for index in indices], dtype=float)
    if axis.kind == "category":  # marks of a choice side by side, always alike for a trial
        places = places + 0.5 * ((numbers * 0.6180339887498949) % 1.0 - 0.5)
    elif axis.kind == "log":
        places = 10.0**places
    shown = [
        f"<b>trial {part.numbers[i]}</b>{' pruned' if part.pruned[i] else ''}"
        f"<br>{text.label(axis.name)} = {text.label(axis.words(part.places[i]))}"
        f"<br>{text.number(part.values[i])}"
        for i in indices
    ]
    return go.Scatter(
        x=places,
        y=np.asarray([part.values[index] for index in indices], dtype=float),
        customdata=numbers.tolist(),
        text=shown,
        hoverinfo="text",
        mode="markers",
        marker=marker,
        opacity=opacity,
    )


def axis_layout(axis: ParameterAxis, *, is_titled: bool = True) -> dict[str, Any]:
    """Plotly's description of a parameter's axis."""
    shown: dict[str, Any] = {"showline": True}
    if is_titled:
        shown["title"] = {"text": text.label(axis.name)}
    if axis.kind == "category":
        ticks = axis.ticks()
        return shown | {
            "range": [-0.5, axis.high + 0.5],
            "tickvals": [place for place, _ in ticks],
            "ticktext": [text.label(mark, 16) for _, mark in ticks],
            "showgrid": False,
        }
    pad = 0.04 * (axis.high - axis.low)
    shown["range"] = [axis.low - pad, axis.high + pad]
    if axis.kind == "linear":
        return shown | {"type": "linear", "exponentformat": "power", "nticks": 6}
    return shown | {
        "type": "log",
        "tickvals": [10.0**place for place, _ in axis.ticks()],
        "ticktext": [mark for _, mark in axis.ticks()],
    }
