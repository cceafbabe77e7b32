"""Hides how Plotly draws several objectives: the Pareto front and its hypervolume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from tuner.report import front_data, text, theme
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.drawing import Drawing, join, new_figure, objective_title, value_layout
from tuner.report.figures import hover
from tuner.report.theme import LIGHT


def pareto(study: StudyRecord) -> Drawing:
    """Two objectives against each other with the Pareto front.

    Raises:
        UndrawableError: The study has another number of objectives, or no complete trial.
    """
    data = front_data.pareto(study)
    trials = {trial.number: trial for trial in study.trials}
    names = [text.label(name) for name, _, _ in study.objectives]
    figure = new_figure()
    groups = (("dominated", data.others, False), ("Pareto front", data.front, True))
    for name, points, is_front in groups:
        if points:
            shown = [_pareto_hover(trials[number], names, (a, b)) for number, a, b in points]
            figure.add_trace(_pareto_trace(name, points, shown, is_front))
    first, second = data.axes
    figure.update_layout(
        theme.layout(440),
        xaxis=value_layout(first, objective_title(study, 0)) | {"showline": True},
        yaxis=value_layout(second, objective_title(study, 1)),
    )
    caption = "No trial is better in both objectives than one on the front."
    return Drawing("Pareto front", join([caption, *data.notes]), figure)


def _pareto_hover(trial: TrialRecord, names: Sequence[str], values: Sequence[float]) -> str:
    lines = [f"{name} {text.number(value)}" for name, value in zip(names, values, strict=True)]
    params = [
        f"{text.label(key, 30)} = {text.label(text.parameter(value), 30)}"
        for key, value in list(trial.params.items())[:12]
    ]
    return hover(trial, [*lines, *params])


def _pareto_trace(
    name: str, points: Sequence[tuple[int, float, float]], shown: Sequence[str], is_front: bool
) -> go.Scatter:
    color = LIGHT["best"] if is_front else LIGHT["complete"]
    return go.Scatter(
        x=np.asarray([first for _, first, _ in points], dtype=float),
        y=np.asarray([second for _, _, second in points], dtype=float),
        customdata=[number for number, _, _ in points],
        text=list(shown),
        hoverinfo="text",
        mode="lines+markers" if is_front else "markers",
        name=name,
        line={"width": 1.4, "color": color, "shape": "linear"},
        marker={
            "size": 9 if is_front else 7,
            "color": LIGHT["star"] if is_front else color,
            "line": {
                "width": 1.2 if is_front else 0.8,
                "color": color if is_front else LIGHT["surface"],
            },
        },
        opacity=1 if is_front else 0.7,
    )


def volumes(study: StudyRecord) -> Drawing:
    """Hypervolume of the front by trial number.

    Raises:
        UndrawableError: One objective or too many, or no complete trial.
    """
    data = front_data.volumes(study)
    figure = new_figure()
    figure.add_trace(
        go.Scatter(
            x=np.asarray([number for number, _ in data.points], dtype=float),
            y=np.asarray([volume for _, volume in data.points], dtype=float),
            customdata=[number for number, _ in data.points],
            mode="lines+markers" if len(data.points) < 60 else "lines",
            marker={"size": 4},
            hovertemplate="after trial %{x}: %{y:.4g}<extra></extra>",
            line={"shape": "hv", "width": 2.2, "color": LIGHT["best"]},
        )
    )
    figure.update_layout(
        theme.layout(440),
        xaxis={"title": {"text": "trial"}, "showgrid": False, "showline": True},
        yaxis={"title": {"text": "hypervolume"}, "rangemode": "tozero"},
    )
    corner = ", ".join(
        f"{name} {text.number(value)}"
        for (name, _, _), value in zip(study.objectives, data.reference, strict=True)
    )
    lead = (
        "The volume between the Pareto front so far and the worst values drawn "
        f"({corner}); it grows when the front does."
    )
    return Drawing("Hypervolume", join([lead, *data.notes]), figure)
