"""What may reach a terminal: inert text, aligned tables and JSON that any reader accepts."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTION_MARKS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def inert(text: object) -> str:
    """`text` on one line in which nothing moves the cursor, colours or turns the terminal.

    Control characters, lone surrogates, line breaks and direction marks become their escapes.
    """
    return "".join(_escaped(character) for character in str(text))


def say(text: str = "") -> None:
    """Prints one line of a result to standard output; `text` may hold anything."""
    click.echo(inert(text))


def note(text: str) -> None:
    """Prints one line of progress or advice to standard error; `text` may hold anything."""
    click.echo(inert(text), err=True)


def complain(problems: Iterable[str]) -> None:
    """Prints each mistake as one line to standard error."""
    for problem in problems:
        note(problem)


def say_json(value: object) -> None:
    """Prints `value` as JSON in ASCII; numbers that JSON lacks become null."""
    click.echo(json.dumps(plain(value), indent=2, allow_nan=False))


def say_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints rows under headings, columns aligned; nothing is cut, whatever the width."""
    from rich.cells import cell_len

    cells = [[inert(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(headings))]
    for row in cells:
        padded = (
            text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def say_rows(names: Sequence[str], rows: Sequence[Sequence[object]], as_json: bool) -> None:
    """Prints rows as a table, or as a JSON list of objects with `names` as keys."""
    if as_json:
        say_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        shown = [[figure(cell) for cell in row] for row in rows]
        say_table([name.replace("_", " ") for name in names], shown)


def figure(value: object) -> str:
    """A value as people read it: six significant digits, `-` for nothing."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={figure(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(figure(item) for item in value) or "-"
    return str(value)


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: non-finite numbers as None, what it does not know as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)


def _escaped(character: str) -> str:
    is_hidden = unicodedata.category(character) in _HIDDEN or character in _DIRECTION_MARKS
    return repr(character)[1:-1] if is_hidden else character
