"""Hides how Plotly draws what a generator made, with a slider over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tuner.report import facts, text, theme
from tuner.report.data import SampleSeries, StudyRecord
from tuner.report.drawing import Drawing, new_figure
from tuner.report.theme import LIGHT

HEIGHT = 420
SLIDER_MARGIN = {"l": 44, "r": 8, "t": 8, "b": 100}
PAD = 0.08  # of the span of the data, around the points


def samples(series: SampleSeries, study: StudyRecord) -> Drawing:
    """The frames of one trial, the last one shown until the slider is moved."""
    figure = new_figure()
    draw = _draw_points if series.kind == "points" else _draw_images
    steps = draw(figure, series)
    word = facts.step_word(study)
    last = len(series.epochs) - 1
    figure.update_layout(
        sliders=[
            {
                "active": last,
                "steps": [
                    step | {"label": str(epoch)}
                    for step, epoch in zip(steps, series.epochs, strict=True)
                ],
                "currentvalue": {"prefix": f"{word} ", "font": {"size": 12}},
                "pad": {"t": 24, "b": 4},
                "ticklen": 3,
                "font": {"size": 10, "color": LIGHT["muted"]},
                "bgcolor": LIGHT["line"],
                "bordercolor": LIGHT["axis"],
            }
        ]
    )
    return Drawing(f"trial {series.trial}: {series.why}", "", figure)


def _draw_points(figure: go.Figure, series: SampleSeries) -> list[dict[str, Any]]:
    """A trace of the real points and one per epoch; a step shows its own."""
    has_real = series.real is not None
    if has_real:
        figure.add_trace(_points(series.real, "real", LIGHT["pruned"], True, 0.5))
    last = len(series.epochs) - 1
    for place, (epoch, frame) in enumerate(zip(series.epochs, series.frames, strict=True)):
        name = f"made at {epoch}"
        figure.add_trace(_points(frame, name, LIGHT["complete"], place == last, 0.85))
    shown = [frame for frame in (series.real, *series.frames) if frame is not None]
    every = np.concatenate([np.asarray(frame, dtype=float).reshape(-1, 2) for frame in shown])
    ranges = [_range(every[:, axis]) for axis in (0, 1)]
    figure.update_layout(
        theme.layout(HEIGHT, margin=SLIDER_MARGIN),
        showlegend=False,
        xaxis={"range": ranges[0], "showline": True},
        yaxis={"range": ranges[1], "showline": True, "scaleanchor": "x"},
    )
    n = len(series.epochs)
    return [
        {
            "method": "restyle",
            "args": ["visible", [True] * has_real + [other == place for other in range(n)]],
        }
        for place in range(n)
    ]


def _points(
    frame: Sequence[Sequence[float]], name: str, color: str, is_visible: bool, opacity: float
) -> go.Scatter:
    points = np.asarray(frame, dtype=float).reshape(-1, 2)
    return go.Scatter(
        x=points[:, 0],
        y=points[:, 1],
        mode="markers",
        name=text.label(name),
        visible=is_visible,
        hoverinfo="skip",
        marker={"size": 4, "color": color},
        opacity=opacity,
    )


def _range(values: Any) -> list[float]:
    """From lowest to highest of the middle 98 %, so that one stray point hides nothing."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return [-1.0, 1.0]
    low, high = np.quantile(finite, [0.01, 0.99])
    pad = PAD * (high - low) or 1.0
    return [float(low - pad), float(high + pad)]


def _draw_images(figure: go.Figure, series: SampleSeries) -> list[dict[str, Any]]:
    """One picture per epoch over each other; a step shows its own."""
    n = len(series.epochs)
    shared = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "sizex": 1, "sizey": 1}
    pictures = [
        shared | {"source": source, "visible": place == n - 1, "layer": "below"}
        for place, source in enumerate(series.frames)
    ]
    figure.add_trace(go.Scatter(x=[None], y=[None], showlegend=False))
    figure.update_layout(
        theme.layout(HEIGHT, margin=SLIDER_MARGIN | {"l": 8}),
        images=pictures,
        xaxis={"visible": False},
        yaxis={"visible": False},
    )
    return [
        {
            "method": "relayout",
            "args": [{f"images[{other}].visible": other == place for other in range(n)}],
        }
        for place in range(n)
    ]
