"""Hides the colours: one palette told apart by the colour-blind, in a light and a dark version."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', "
    "'Liberation Sans', Arial, sans-serif"
)

LIGHT = {
    "ink": "#1b2330",
    "muted": "#5a6574",
    "line": "#e4e8ee",
    "axis": "#c5ccd6",
    "surface": "#ffffff",
    "complete": "#2b6cb0",
    "pruned": "#8e9aa9",
    "failed": "#c2410c",
    "running": "#0f8a6d",
    "waiting": "#b7bfc9",
    "interrupted": "#8d6bb8",
    "best": "#16243c",
    "star": "#e69f00",
}
DARK = {
    "ink": "#e7ebf1",
    "muted": "#9ba7b6",
    "line": "#262e3a",
    "axis": "#465062",
    "surface": "#161b24",
    "complete": "#63a9ee",
    "pruned": "#6f7b8b",
    "failed": "#ff8a50",
    "running": "#45c7a3",
    "waiting": "#4a5464",
    "interrupted": "#b498dc",
    "best": "#f4f7fb",
    "star": "#ffc24a",
}

# From pale to strong: lightness alone carries the order, so it survives grey print.
SCALE_LIGHT = ("#d3deea", "#9dc1de", "#5795ca", "#24629f", "#0b2f5e")
SCALE_DARK = ("#2a3748", "#2f5778", "#3f86ba", "#7dbbef", "#d8edff")

# Okabe and Ito's series, darkened where it is too pale on white; for studies side by side.
SERIES_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#b0568b", "#a87900", "#3aa0d6", "#3d3d3d")
SERIES_DARK = ("#56b4e9", "#ff8f4c", "#2fc49a", "#e08fc0", "#e6b422", "#9bd4f5", "#d0d0d0")

# Room for words, numbers and titles beside the axes. Where they need more, Plotly makes room and
# draws the whole figure a second time. It keeps the least of the four free, up to 12 pixels.
MARGIN = {"l": 60, "r": 20, "t": 42, "b": 54}
SMALL_MARGIN = {"l": 40, "r": 16, "t": 4, "b": 26}


def colorscale() -> list[list[Any]]:
    """Plotly's form of the ordered scale from 0 to 1, without the palest for single marks."""
    shades = SCALE_LIGHT[1:]
    return [[index / (len(shades) - 1), color] for index, color in enumerate(shades)]


def dark_of_light() -> dict[str, str]:
    """The dark version of every colour that figures use, for the page to swap them."""
    pairs = [(LIGHT[role], DARK[role]) for role in LIGHT]
    pairs += zip(SCALE_LIGHT, SCALE_DARK, strict=True)
    pairs += zip(SERIES_LIGHT, SERIES_DARK, strict=True)
    return dict(pairs)


def row_margin(names: Iterable[str], size: int = 12) -> int:
    """Pixels to the left of rows with these names in letters of `size` pixels, so and so wide."""
    return round(20 + 0.54 * size * max(map(len, names), default=0))


def template() -> dict[str, Any]:
    """Plotly's template of every figure: fonts, axes and hover in the light palette."""
    axis = {
        "gridcolor": LIGHT["line"],
        "linecolor": LIGHT["axis"],
        "zeroline": False,
        "automargin": True,
        "ticklabeloverflow": "allow",  # else the last word vanishes where it is a pixel too long
        "ticks": "outside",
        "ticklen": 5,
        "tickcolor": "rgba(0,0,0,0)",
        "title": {"font": {"size": 12, "color": LIGHT["muted"]}, "standoff": 10},
        "tickfont": {"size": 11, "color": LIGHT["muted"]},
    }
    hover = {
        "bgcolor": LIGHT["surface"],
        "bordercolor": LIGHT["axis"],
        "font": {"family": FONT, "size": 12, "color": LIGHT["ink"]},
        "align": "left",
    }
    tools = {"bgcolor": "rgba(0,0,0,0)", "color": LIGHT["axis"], "activecolor": LIGHT["muted"]}
    return {
        "layout": {
            "font": {"family": FONT, "size": 12, "color": LIGHT["ink"]},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": axis,
            "yaxis": axis,
            "hoverlabel": hover,
            "modebar": tools,
        }
    }


def layout(height: int, **changes: Any) -> dict[str, Any]:
    """Arguments of `Figure.update_layout` that every figure of the report shares.

    Args:
        height: Of the figure, in pixels.
        changes: Further arguments of the layout; they win.
    """
    legend = {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "y": 1.0,
        "yanchor": "bottom",
        "bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 12, "color": LIGHT["muted"]},
    }
    shared = {
        "height": height,
        "margin": MARGIN,
        "hovermode": "closest",
        "autotypenumbers": "strict",
        "legend": legend,
    }
    return shared | changes


def small_layout(**changes: Any) -> dict[str, Any]:
    """The layout of a figure that is one of several side by side, without titles and legend."""
    return layout(210, margin=SMALL_MARGIN, showlegend=False) | changes
