"""Where equal neighbours begin and end, so that rows that are treated alike share one operation."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TypeVar

Key = TypeVar("Key")


def runs(keys: Iterable[Key]) -> list[tuple[Key, slice]]:
    """Each longest stretch of equal neighbours: its key and its rows, in order."""
    found = []
    start = 0
    for key, members in groupby(keys):
        stop = start + sum(1 for _ in members)
        found.append((key, slice(start, stop)))
        start = stop
    return found
