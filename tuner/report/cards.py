"""Hides how a figure or a text becomes a card of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from tuner.report import text
from tuner.report.drawing import Drawing
from tuner.report.facts import UndrawableError
from tuner.report.text import escaped

Room = Literal["", "wide", "wide sideways"]


class Canvas:
    """The figures of a page by the id of the element that shows each, as Plotly's JSON."""

    def __init__(self) -> None:
        self.figures: dict[str, str] = {}

    def place(
        self,
        key: str,
        title: str,
        draw: Callable[[], Drawing],
        room: Room = "",
        objective: int | None = None,
    ) -> str:
        """A card with the figure, or with the sentence that says why there is none.

        Args:
            key: Unique in the page; names the card, and with `-plot` the figure.
            title: Stands there when the figure cannot be drawn.
            draw: Draws the figure.
            room: `wide` takes the whole width; `wide sideways` keeps 720 pixels on a phone and
                moves under the finger.
            objective: The card is seen while the reader has chosen this one of several.
        """
        try:
            drawing = draw()
        except UndrawableError as reason:
            body = f'<p class="empty">{escaped(reason)}</p>'
            return card(key, title, body, f"card {room}".strip(), objective)
        note = f'<p class="note">{escaped(drawing.caption)}</p>' if drawing.caption else ""
        plot = f'<div class="room">{self.plot(key, drawing)}</div>'
        return card(key, drawing.title, note + plot, f"card {room}".strip(), objective)

    def plot(self, key: str, drawing: Drawing, quiet: bool = False) -> str:
        """The element that the page's script draws the figure into; `quiet` has no tool bar."""
        self.figures[f"{key}-plot"] = drawing.figure.to_json()
        return (
            f'<div class="plot" id="{key}-plot" style="height:{drawing.figure.layout.height}px" '
            f'role="img" aria-label="{escaped(drawing.title)}. {escaped(drawing.caption)}"'
            f"{' data-quiet' if quiet else ''}></div>"
        )

    def small(self, key: str, drawing: Drawing) -> str:
        """A figure without tools under its name, one of several side by side."""
        note = f'<p class="note">{escaped(drawing.caption)}</p>' if drawing.caption else ""
        name = f"<bdi>{escaped(text.shortened(drawing.title, 60))}</bdi>"
        return f"<div><h4>{name}</h4>{note}{self.plot(key, drawing, quiet=True)}</div>"


def card(
    key: str, title: str, body: str, classes: str = "card", objective: int | None = None
) -> str:
    """A section of the page that `key` leads to, with a heading.

    With an `objective` it is seen while the reader has chosen that one of several.
    """
    chosen = "" if objective is None else f' data-objective="{objective}"'
    return (
        f'<section class="{classes}" id="{key}"{chosen}><h3><bdi>{escaped(title)}</bdi></h3>'
        f"{body}</section>"
    )
