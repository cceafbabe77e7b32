"""Hides how numbers, durations and foreign text are written: easy to read, and inert."""

from __future__ import annotations

import html
import math
import re
from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")

DASH = "\N{EN DASH}"  # stands for a value that is not there

# Control and bidirectional formatting characters could reorder or hide what a reader sees.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)


def visible(text: object) -> str:
    r"""`text` on its own characters, with control and direction marks written as `\u....`."""
    return _UNSEEN.sub(lambda match: f"\\u{ord(match.group()):04x}", str(text))


def encodable(text: object) -> str:
    """`text` in UTF-8: what no encoding has, such as half a surrogate pair, becomes `?`."""
    return str(text).encode("utf-8", "replace").decode("utf-8")


def inert_cell(text: str) -> str:
    """`text` with an apostrophe before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def escaped(text: object) -> str:
    """`text` as inert HTML, for element content and for quoted attributes."""
    return html.escape(visible(text), quote=True)


def label(text: object, limit: int = 40) -> str:
    """`text` as an inert label of a Plotly figure: one line of at most `limit` characters.

    Plotly reads tags and entities in every text it draws, links included.
    """
    line = " ".join(visible(text).split())
    return html.escape(shortened(line, limit), quote=False)


def shortened(text: str, limit: int) -> str:
    """`text`, or its beginning and an ellipsis in `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def number(value: float, digits: int = 4) -> str:
    """`value` with four significant digits; whole numbers below a million in full."""
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**15 else f"{float_of(value):.{digits - 1}e}"
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return (
            f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
        )
    whole_digits = max(0, math.floor(math.log10(abs(value))) + 1)
    text = (
        f"{value:,.{max(0, digits - whole_digits)}f}" if abs(value) >= 1 else f"{value:.{digits}g}"
    )
    return text.rstrip("0").rstrip(".") if "." in text else text


def float_of(value: int) -> float:
    """`value` as a float, infinite beyond the range of floats."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def parameter(value: Any) -> str:
    """A parameter's value as a reader wants it: numbers shortened, anything else as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return number(value)


def duration(seconds: float) -> str:
    """`seconds` in the two largest units that matter, as in `3 h 05 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def plural(count: int, word: str) -> str:
    """`count` and `word`, as in `1 trial` or `1,204 trials`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
