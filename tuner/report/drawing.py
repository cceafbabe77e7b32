"""Hides what all figures share: the words around them, the template, axes of values and time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from tuner.report import text, theme
from tuner.report.data import StudyRecord
from tuner.report.scales import ValueAxis
from tuner.report.theme import LIGHT

MIN_TOP = 30  # pixels above the axes under a title
TITLE_BASE = 30  # pixels to the foot of a title: Plotly puts there that of the first of its lines
CAPTION_LETTERS = 130


@dataclass(frozen=True)
class Drawing:
    """A figure with the words around it.

    Attributes:
        title: A few words.
        caption: What the figure shows and what it leaves out.
        figure: Without a title of its own.
    """

    title: str
    caption: str
    figure: go.Figure

    def titled(self, n_letters: int = CAPTION_LETTERS) -> go.Figure:
        """A copy of the figure that carries title and caption itself, for notebooks.

        Args:
            n_letters: About how many letters of the caption stand on a line.
        """
        figure = go.Figure(self.figure)
        caption = _wrapped(self.caption, n_letters)
        extra = TITLE_BASE + 21 * len(caption)
        top = max(MIN_TOP, figure.layout.margin.t or 0) + extra
        small = '<br><span style="font-size: 12px">{}</span>'  # <sup> would touch the title
        lines = "".join(small.format(text.label(line, 400)) for line in caption)
        figure.update_layout(
            title={
                "text": f"{text.label(self.title, 80)}{lines}",
                "x": 0,
                "xref": "container",
                "xanchor": "left",
                "y": 1,
                "yref": "container",
                "yanchor": "top",
                "pad": {"l": 14, "t": TITLE_BASE - 4},
                "font": {"size": 16},
            },
            margin={"t": top},
            height=figure.layout.height + extra,
            paper_bgcolor=LIGHT["surface"],
            plot_bgcolor=LIGHT["surface"],
        )
        return figure


def _wrapped(caption: str, width: int) -> list[str]:
    lines = [""]
    for word in caption.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def new_figure() -> go.Figure:
    """A figure in the report's template; given later, it would only be merged into Plotly's."""
    return go.Figure(layout={"template": theme.template()})


def objective_title(study: StudyRecord, objective: int = 0) -> str:
    """Name, unit and direction of an objective, as an inert axis title."""
    name, direction, unit = study.objectives[objective]
    return text.label(name, 28) + (f" [{text.label(unit, 20)}]" if unit else "") + f", {direction}"


def value_layout(axis: ValueAxis, title: str = "") -> dict[str, Any]:
    """Plotly's description of a value axis."""
    shown: dict[str, Any] = {"range": [axis.low, axis.high]}
    if title:  # an empty one takes the room of a title
        shown["title"] = {"text": title}
    if axis.is_log:
        shown |= {"type": "log", "tickformat": ".3~g", "dtick": _log_tick(axis)}
    else:
        plain = {"minexponent": 5, "separatethousands": True}  # 160,000, and 10^n from 10^6 on
        shown |= {"type": "linear", "exponentformat": "power"} | plain
    return shown


def _log_tick(axis: ValueAxis) -> Any:
    """One tick per decade, or per few decades on long axes; 1-2-5 on short ones."""
    decades = axis.high - axis.low
    return "D2" if decades < 2.5 else max(1, math.ceil(decades / 7))


def time_unit(longest_s: float) -> tuple[float, str]:
    """Seconds of the unit, and its name, that suit a time axis up to `longest_s`."""
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if longest_s >= 3 * size:
            return size, unit
    return 1.0, "seconds"


def join(sentences: Iterable[str]) -> str:
    """The sentences in one paragraph."""
    return " ".join(sentence for sentence in sentences if sentence)


def empty(sentence: str) -> go.Figure:
    """A figure that only says why there is nothing to draw."""
    figure = new_figure()
    figure.update_layout(
        theme.layout(160),
        xaxis={"visible": False},
        yaxis={"visible": False},
        annotations=[
            {
                "text": text.label(sentence, 300),
                "showarrow": False,
                "xref": "paper",
                "yref": "paper",
                "x": 0.5,
                "y": 0.5,
                "font": {"size": 14, "color": LIGHT["muted"]},
            }
        ],
    )
    return figure
