"""Hides how Plotly draws the distribution of results, of one study or of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from tuner.report import facts, spread_data, text, theme
from tuner.report.data import StudyRecord
from tuner.report.drawing import Drawing, join, new_figure, objective_title, value_layout
from tuner.report.theme import LIGHT


def distribution(studies: Sequence[StudyRecord], objective: int = 0) -> Drawing:
    """The share of complete trials at or below each value, a line per study.

    Args:
        studies: One, or several with the same objective.
        objective: Which one.

    Raises:
        UndrawableError: No study has a complete trial.
    """
    data = spread_data.distributions(studies, objective)
    figure = new_figure()
    is_single = len(studies) == 1
    for index, part in enumerate(data.parts[: len(theme.SERIES_LIGHT)]):
        figure.add_trace(
            go.Scatter(
                x=np.asarray(part.values, dtype=float),
                y=np.asarray(part.shares, dtype=float),
                mode="lines+markers" if len(part.values) == 1 else "lines",
                name=f"{text.label(part.name, 32)} ({part.n_trials:,})",
                hovertemplate="%{y:.0%} of the trials at or below %{x:.4g}<extra></extra>",
                line={
                    "shape": "hv",
                    "width": 2.2,
                    "color": LIGHT["complete"] if is_single else theme.SERIES_LIGHT[index],
                },
            )
        )
    figure.update_layout(
        theme.layout(400, margin=theme.MARGIN | ({"t": 8} if is_single else {})),
        xaxis=value_layout(data.axis, objective_title(studies[0], objective))
        | {"showline": True, "showgrid": False},
        yaxis={"title": {"text": "share of complete trials"}, "range": [0, 1.02]},
        showlegend=not is_single,
    )
    n_all = sum(part.n_trials for part in data.parts)
    lead = f"The share of {text.plural(n_all, 'complete trial')} whose result is at or below a"
    title = facts.named(studies[0], "Distribution of results", objective)
    return Drawing(title, join([f"{lead} value.", *data.notes]), figure)
