"""Hides how Plotly draws progress: history, learning curves, timeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tuner.report import facts, progress_data, text, theme
from tuner.report.data import STATE_WORDS, State, StudyRecord, TrialRecord
from tuner.report.drawing import Drawing, join, new_figure, objective_title, time_unit, value_layout
from tuner.report.progress_data import Bar, Curve, Curves, History
from tuner.report.theme import LIGHT


def hover(trial: TrialRecord, lines: Sequence[str]) -> str:
    """Inert text that says which trial a mark is, then `lines` (inert already)."""
    state = STATE_WORDS[trial.state]
    reason = f": {text.label(trial.reason, 90)}" if trial.reason else ""
    return "<br>".join([f"<b>trial {trial.number}</b> {state}{reason}", *lines])


def history(study: StudyRecord, objective: int = 0) -> Drawing:
    """Values by trial number with the best so far; pruned and failed trials told apart.

    Raises:
        UndrawableError: No trial has a value.
    """
    data = progress_data.history(study, objective)
    complete, pruned, failed = data.complete, data.pruned, data.failed
    figure = new_figure()
    figure.add_traces(_history_marks(study, data, text.label(study.objectives[objective][0])))
    if data.best:
        figure.add_trace(_best_line(data.best))
    axis = data.axis
    if failed:  # their marks stand below all values
        axis = replace(axis, low=axis.low - 0.07 * (axis.high - axis.low))
    drawn = [*complete.numbers, *pruned.numbers, *failed]
    pad = max(1.0, 0.015 * (max(drawn) - min(drawn)))
    figure.update_layout(
        theme.layout(400),
        xaxis={
            "title": {"text": "trial"},
            "range": [min(drawn) - pad, max(drawn) + pad],
            "dtick": 1 if max(drawn) - min(drawn) < 8 else None,
            "showgrid": False,
            "showline": True,
        },
        yaxis=value_layout(axis, objective_title(study, objective)),
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        showlegend=True,
    )
    caption = join(["Every trial's value and the best so far.", *data.notes])
    return Drawing(facts.named(study, "History", objective), caption, figure)


def _history_marks(study: StudyRecord, data: History, name: str) -> list[go.Scatter]:
    """The trials of each state as marks; failed ones have no value and stand on the floor."""
    trials = {trial.number: trial for trial in study.trials}
    failed = data.failed
    groups: tuple[tuple[State, Sequence[int], Sequence[float], str], ...] = (
        ("PRUNED", data.pruned.numbers, data.pruned.values, "circle-open"),
        ("COMPLETE", data.complete.numbers, data.complete.values, "circle"),
        ("FAIL", failed, [0.025] * len(failed), "x-thin" if len(failed) < 60 else "line-ns"),
    )
    traces = []
    for state, numbers, values, symbol in groups:
        shown = [
            hover(trials[n], [] if state == "FAIL" else [f"{name} {text.number(v)}"])
            for n, v in zip(numbers, values, strict=True)
        ]
        if numbers:
            traces.append(_marks(state, numbers, values, shown, symbol))
    return traces


def _marks(
    state: State,
    numbers: Sequence[int],
    values: Sequence[float],
    shown: Sequence[str],
    symbol: str,
) -> go.Scatter:
    color = LIGHT[STATE_WORDS[state]]
    thin = symbol != "circle"
    line = {"width": 1.6 if thin else 0.8, "color": color if thin else LIGHT["surface"]}
    return go.Scatter(
        x=np.asarray(numbers, dtype=float),
        y=np.asarray(values, dtype=float),
        yaxis="y2" if state == "FAIL" else None,
        mode="markers",
        name=STATE_WORDS[state],
        text=list(shown),
        customdata=list(numbers),
        hoverinfo="text",
        marker={
            "symbol": symbol,
            "size": 5 if symbol == "circle-open" else 7,
            "color": color,
            "line": line,
        },
        opacity=0.75 if state == "PRUNED" else 1,
    )


def _best_line(points: Sequence[tuple[float, float]]) -> go.Scatter:
    return go.Scatter(
        x=np.asarray([place for place, _ in points], dtype=float),
        y=np.asarray([value for _, value in points], dtype=float),
        mode="lines",
        name="best so far",
        hoverinfo="skip",
        line={"shape": "hv", "width": 2.2, "color": LIGHT["best"]},
    )


def curves(
    study: StudyRecord,
    metric: str | None = None,
    objective: int = 0,
    limit: int = progress_data.N_CURVES,
) -> Drawing:
    """Values by step, one line per trial; states told apart, the best trial on top.

    Raises:
        UndrawableError: No trial reported a finite value by step.
    """
    data = progress_data.curves(study, metric, objective, limit)
    figure = new_figure()
    order: tuple[State, ...] = ("PRUNED", "FAIL", "RUNNING", "COMPLETE")
    for state in order:
        group = [curve for curve in data.curves if curve.state == state]
        if group:
            word = facts.state_word(study, state)
            figure.add_trace(_curve_trace(word, group, data.word))
    if data.best is not None:
        figure.add_trace(_best_curve(data.best, data.word))
    if metric is None:
        _mark_stops(figure, data)
    title = objective_title(study, objective) if metric is None else ""
    figure.update_layout(
        theme.layout(400) if metric is None else theme.small_layout(),
        xaxis=_step_axis(data.word, is_titled=metric is None),
        yaxis=value_layout(data.axis, title),
        showlegend=metric is None,
    )
    if metric is not None:
        return Drawing(metric, join(data.notes), figure)
    lead = "One line per trial; a ring is where a pruned one was stopped."
    caption = join([lead, _rung_sentence(data), *data.notes])
    return Drawing(facts.named(study, "Learning curves", objective), caption, figure)


def _step_axis(word: str, *, is_titled: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"showgrid": False, "showline": True}
    return shown | {"title": {"text": word}} if is_titled else shown


def _mark_stops(figure: go.Figure, data: Curves) -> None:
    """A ring where each drawn pruned trial was stopped, and a dotted line at every rung."""
    ends = [
        (curve.number, step, value)
        for curve in data.curves
        if curve.state == "PRUNED"
        for step, value in zip(curve.steps[-1:], curve.values[-1:], strict=True)
        if math.isfinite(value)
    ]
    if ends:
        figure.add_trace(
            go.Scatter(
                x=np.asarray([step for _, step, _ in ends], dtype=float),
                y=np.asarray([value for _, _, value in ends], dtype=float),
                customdata=[number for number, _, _ in ends],
                mode="markers",
                name="stopped",
                hovertemplate=f"<b>trial %{{customdata}}</b> stopped<br>{data.word} %{{x}}: "
                "%{y:.4g}<extra></extra>",
                marker={"symbol": "circle-open", "size": 5, "color": LIGHT["muted"]},
            )
        )
    for rung in data.rungs:
        figure.add_vline(x=rung.step, line={"width": 1, "dash": "dot", "color": LIGHT["axis"]})


def _rung_sentence(data: Curves) -> str:
    """What was stopped at which rung of how many that came there."""
    if not data.rungs:
        return ""
    stopped = [f"{r.n_stopped:,} of {r.n_came:,} at {data.word} {r.step:,}" for r in data.rungs]
    return f"Stopped at the dotted rungs: {', '.join(stopped)}."


def _curve_trace(state: str, group: Sequence[Curve], word: str) -> go.Scatter:
    """All curves of a state as one line with gaps, so that the browser draws one path."""
    steps: list[float] = []
    values: list[float] = []
    numbers: list[int] = []
    for curve in group:
        steps += [*curve.steps, math.nan]
        values += [*curve.values, math.nan]
        numbers += [curve.number] * (len(curve.steps) + 1)
    is_single = any(len(curve.steps) == 1 for curve in group)
    return go.Scatter(
        x=np.asarray(steps, dtype=float),
        y=np.asarray(values, dtype=float),
        customdata=np.asarray(numbers),
        mode="lines+markers" if is_single else "lines",
        marker={"size": 3},
        name=state,
        hovertemplate=f"<b>trial %{{customdata}}</b> {state}<br>"
        f"{word} %{{x}}: %{{y:.4g}}<extra></extra>",
        line={"width": 1.1, "color": LIGHT[state]},
        opacity=0.5 if state == STATE_WORDS["PRUNED"] else 0.65,
    )


def _best_curve(curve: Curve, word: str) -> go.Scatter:
    return go.Scatter(
        x=np.asarray(curve.steps, dtype=float),
        y=np.asarray(curve.values, dtype=float),
        customdata=[curve.number] * len(curve.steps),
        mode="lines+markers",
        name=f"best (trial {curve.number})",
        hovertemplate=f"<b>trial {curve.number}</b> best<br>"
        f"{word} %{{x}}: %{{y:.4g}}<extra></extra>",
        line={"width": 2.6, "color": LIGHT["star"]},
        marker={"size": 5, "color": LIGHT["star"]},
    )


def timeline(study: StudyRecord) -> Drawing:
    """Trials in time, by lane where it is known.

    Raises:
        UndrawableError: No trial has begun.
    """
    data = progress_data.timeline(study)
    longest_s = max(bar.end_s for bar in data.bars) or 1.0
    scale, unit = time_unit(longest_s)
    n_rows = sum(count for _, _, count in data.lanes)
    height = int(min(480, max(200, 110 + 12 * n_rows)))
    width = min(10.0, max(1.0, 0.72 * (height - 90) / n_rows))
    figure = new_figure()
    for state in STATE_WORDS:
        bars = [bar for bar in data.bars if bar.state == state]
        if bars:
            figure.add_trace(_bar_trace(facts.state_word(study, state), bars, scale, width))
    for _, first, _ in data.lanes[1:]:
        figure.add_hline(y=first - 0.5, line={"width": 1, "color": LIGHT["line"]})
    is_known = any(name != "no lane" for name, _, _ in data.lanes)
    names = [name if is_known else "" for name, _, _ in data.lanes]
    figure.update_layout(
        theme.layout(height, margin=theme.MARGIN | {"l": theme.row_margin(names, 11)}),
        xaxis={
            "title": {"text": f"{unit} since the first start"},
            "showline": True,
            "range": [-0.01 * longest_s / scale, 1.01 * longest_s / scale],
        },
        yaxis={
            "showgrid": False,
            "range": [n_rows - 0.4, -0.6],
            "tickvals": [first + (count - 1) / 2 for _, first, count in data.lanes],
            "ticktext": names,
        },
    )
    lead = "Each bar is a trial, stacked by lane." if is_known else "Each bar is a trial."
    return Drawing("Timeline", join([lead, *data.notes]), figure)


def _bar_trace(state: str, bars: Sequence[Bar], scale: float, width: float) -> go.Scatter:
    """All bars of a state as one thick line with gaps; the middle point is there to hover over."""
    ends = np.asarray([[bar.start_s, bar.end_s] for bar in bars]) / scale
    middle = ends.mean(axis=1)
    x = np.column_stack([ends[:, 0], middle, ends[:, 1], np.full(len(bars), math.nan)]).ravel()
    rows = np.repeat(np.asarray([float(bar.row) for bar in bars]), 4)
    facts_of = [[bar.number, round(bar.end_s - bar.start_s, 3)] for bar in bars for _ in range(4)]
    return go.Scatter(
        x=x,
        y=rows,
        customdata=facts_of,
        mode="lines",
        name=state,
        hovertemplate=f"<b>trial %{{customdata[0]}}</b> {state}<br>"
        "%{customdata[1]:.3~g} s<extra></extra>",
        line={"width": width, "color": LIGHT[state]},
    )
