"""Hides how Plotly draws lanes: rows over time, where time went, what separated rows."""

from __future__ import annotations

import plotly.graph_objects as go

from tuner.report import lane_data, text, theme
from tuner.report.data import StudyRecord
from tuner.report.drawing import Drawing, join, new_figure, time_unit
from tuner.report.theme import LIGHT, SERIES_LIGHT


def fills(study: StudyRecord) -> Drawing:
    """Rows in training over time, lane by lane, with the slots above them.

    Raises:
        UndrawableError: No lane has told anything.
    """
    data = lane_data.fills(study)
    longest_s = max(fill.seconds[-1] for fill in data.fills) or 1.0
    scale, unit = time_unit(longest_s)
    figure = new_figure()
    for place, fill in enumerate(data.fills):
        color = SERIES_LIGHT[place % len(SERIES_LIGHT)]
        x = [seconds / scale for seconds in fill.seconds]
        name = f"lane {fill.lane}"
        line = {"color": color, "width": 1.6}
        words = f"<b>{name}</b><br>%{{y:.1f}} rows<extra></extra>"
        figure.add_trace(go.Scatter(x=x, y=fill.rows, name=name, line=line, hovertemplate=words))
        dotted = {"color": color, "width": 1, "dash": "dot"}
        figure.add_trace(
            go.Scatter(x=x, y=fill.slots, line=dotted, showlegend=False, hoverinfo="skip")
        )
    top = max(max(fill.slots) for fill in data.fills)
    figure.update_layout(
        theme.layout(300),
        xaxis={"title": {"text": f"{unit} since the first lane came"}, "showline": True},
        yaxis={"title": {"text": "rows in training"}, "range": [0, 1.08 * max(top, 1.0)]},
    )
    caption = join(["Rows that trained together; dotted lines are the slots.", *data.notes])
    return Drawing("Lanes", caption, figure)


def time_use(study: StudyRecord) -> Drawing:
    """The shares of each lane's time, side by side.

    Raises:
        UndrawableError: No lane has told anything.
    """
    data = lane_data.time_use(study)
    figure = new_figure()
    names = [f"lane {lane}" for lane in data.lanes]
    for place, (name, shares) in enumerate(data.shares.items()):
        words = f"%{{y}} {name}: %{{x:.0%}}<extra></extra>"
        marker = {"color": SERIES_LIGHT[place]}
        figure.add_trace(
            go.Bar(
                x=shares, y=names, name=name, orientation="h", marker=marker, hovertemplate=words
            )
        )
    figure.update_layout(
        theme.layout(
            min(480, 130 + 60 * len(names)),
            margin=theme.MARGIN | {"l": theme.row_margin(names, 11), "b": 26},
        ),
        barmode="group",
        xaxis={"tickformat": ".0%", "rangemode": "tozero", "showline": True},
        yaxis={"autorange": "reversed", "showgrid": False},
    )
    lead = (
        "Training and waiting are the lane's; deciding, sampling and storing are the ledger's "
        "work for it, done while the lane trains."
    )
    return Drawing("Where time went", join([lead, *data.notes]), figure)


def stacks(study: StudyRecord) -> Drawing:
    """Mean rows of each kind of stack, as wide as its share of the epochs.

    Raises:
        UndrawableError: No lane has told anything.
    """
    data = lane_data.stacks(study)
    figure = new_figure()
    labels = [text.label(name, 72) for name, _, _ in data.rows]
    figure.add_trace(
        go.Bar(
            x=[share for _, share, _ in data.rows],
            y=labels,
            orientation="h",
            text=[f"{mean:.1f} rows" for _, _, mean in data.rows],
            textposition="auto",
            marker={"color": LIGHT["complete"]},
            hovertemplate="%{y}<br>%{x:.1%} of the epochs, %{text} on average<extra></extra>",
        )
    )
    figure.update_layout(
        theme.layout(
            min(480, 110 + 24 * len(labels)),
            margin=theme.MARGIN | {"l": theme.row_margin(labels, 11), "t": 8},
        ),
        xaxis={
            "title": {"text": "share of all row-epochs"},
            "tickformat": ".0%",
            "range": [0, 1.35 * max(share for _, share, _ in data.rows)],  # room for the words
            "nticks": 5,
            "tickangle": 0,
            "showline": True,
        },
        yaxis={"autorange": "reversed", "showgrid": False},
    )
    lead = "Rows that trained as one stack, and how many they were on average."
    return Drawing("What separated rows", join([lead, *data.notes]), figure)
