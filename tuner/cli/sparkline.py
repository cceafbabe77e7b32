"""Hides how the best value over time becomes a few letters in a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

GLYPHS = "▁▂▃▄▅▆▇█"
ASCII_GLYPHS = "_.-=+*#@"
MOST_KEPT = 256
LOG_SPAN = 100.0  # highest over lowest from which positive values are drawn by their logarithm


class Trace:
    """Values at even distances of time; the distance doubles whenever too many are kept."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._every = 1
        self._n_seen = 0

    def add(self, value: float) -> None:
        """Notes the value of one more moment."""
        if self._n_seen % self._every == 0:
            self.values.append(value)
        self._n_seen += 1
        if len(self.values) > MOST_KEPT:
            self.values = self.values[::2]
            self._every *= 2


def sparkline(values: Sequence[float], width: int, ascii_only: bool = False) -> str:
    """Finite `values` as letters that rise with them, at most `width`; empty for fewer than two.

    Args:
        values: In order of time.
        width: Letters, at least 1; of more values an even spread is drawn, the last among them.
        ascii_only: Use letters that every terminal has.
    """
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2 or width < 1:
        return ""
    n = min(width, len(finite))
    shown = [finite[len(finite) - 1 - (len(finite) - 1) * k // max(1, n - 1)] for k in range(n)]
    shown.reverse()
    low, high = min(shown), max(shown)
    if low > 0 and high / low >= LOG_SPAN:
        shown = [math.log(value) for value in shown]
        low, high = math.log(low), math.log(high)
    glyphs = ASCII_GLYPHS if ascii_only else GLYPHS
    top = len(glyphs) - 1
    span = high - low or 1.0
    return "".join(glyphs[round(top * ((value - low) / span))] for value in shown)
