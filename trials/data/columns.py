"""What the cells of a text table are: numbers, truth values or words, and as which features."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from trials.data.errors import rows_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trials.data.dataset import Floats

MAX_LEVELS = 50
"""A text column with more distinct texts than these is refused: it is a name, not a kind."""

MAX_FLOAT = float(np.finfo(np.float32).max)
MIN_ROWS_PER_WORD = 5
"""Among numbers, a word that occurs less often than this is taken for a mistake."""

MISSING = frozenset(
    ("", "NA", "N/A", "#N/A", "n/a", "na", "NaN", "nan", "NULL", "null", "None", "<NA>", "?")
)
TRUTH = {"true": 1.0, "false": 0.0}

ColumnKind = Literal["numbers", "truth", "words"]


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table.

    Attributes:
        name: From the header.
        kind: What its cells are.
        cells: The texts without surrounding space, one per row.
        numbers: For numbers and truth values, one per row with NaN where a cell is missing.
        missing: Rows without a value.
    """

    name: str
    kind: ColumnKind
    cells: Sequence[str]
    numbers: NDArray[np.float64]
    missing: Sequence[int]


def read_column(name: str, cells: Sequence[str], problems: list[str]) -> Column | None:
    """The column, or None after adding to `problems` what is wrong with it."""
    missing = [row for row, cell in enumerate(cells) if cell in MISSING]
    present = [(row, cell) for row, cell in enumerate(cells) if cell not in MISSING]
    if not present:
        problems.append(f"column {name!r}: must have values, got none in {len(cells)} rows")
        return None
    read = {row: _number(cell) for row, cell in present}
    words = [row for row, number in read.items() if number is None]
    if words:
        if all(cell.lower() in TRUTH for _, cell in present):
            numbers = [TRUTH.get(cell.lower(), math.nan) for cell in cells]
            return Column(name, "truth", cells, np.array(numbers), missing)
        strays = _strays(cells, words, len(present))
        if strays:
            found = ", ".join(repr(cells[row]) for row in strays[:3])
            where = rows_named(strays)
            problems.append(f"column {name!r}, {where}: must be a number, got {found}")
            return None
        return Column(name, "words", cells, np.full(len(cells), math.nan), missing)
    wild = [row for row, number in read.items() if number is None or not abs(number) <= MAX_FLOAT]
    if wild:
        found = ", ".join(repr(cells[row]) for row in wild[:3])
        where = rows_named(wild)
        problems.append(f"column {name!r}, {where}: must be a finite float32 number, got {found}")
        return None
    column = np.full(len(cells), math.nan)
    for row, number in read.items():
        column[row] = number
    return Column(name, "numbers", cells, column, missing)


def encode(
    columns: Sequence[Column], problems: list[str]
) -> tuple[Floats, tuple[str, ...], tuple[str, ...]]:
    """Features of all columns: numbers as they are, words one-hot.

    Missing numbers stay NaN and are told by a further column of 0 and 1; a missing word is a
    level of its own. Columns and levels are those of all rows, so that they do not depend on
    the split.

    Returns:
        x of shape (N, D), the names of its columns, and a note for every kind of column found.
    """
    parts: list[NDArray[np.float64]] = []
    names: list[str] = []
    words: list[tuple[str, int]] = []
    notes = []
    for column in columns:
        if column.kind == "words":
            levels = sorted({_word(cell) for cell in column.cells})
            if len(levels) > MAX_LEVELS:
                problems.append(
                    f"column {column.name!r}: text must have at most {MAX_LEVELS} levels, "
                    f"got {len(levels)}; leave the column out"
                )
                continue
            words.append((column.name, len(levels)))
            parts += [
                np.array([_word(c) == level for c in column.cells], float) for level in levels
            ]
            names += [f"{column.name}={level}" for level in levels]
            continue
        parts.append(column.numbers)
        names.append(column.name)
        if column.missing:
            parts.append(np.isnan(column.numbers).astype(np.float64))
            names.append(f"{column.name} is missing")
            notes.append(
                f"{len(column.missing)} missing numbers in {column.name!r} -> training median "
                "and an indicator"
            )
    if words:
        levels_named = ", ".join(f"{name!r} {n}" for name, n in words)
        s = "s" * (len(words) > 1)
        notes.insert(0, f"{len(words)} text column{s} one-hot (levels: {levels_named})")
    x = np.stack(parts, axis=1) if parts else np.empty((0, 0))
    return x.astype(np.float32), tuple(names), tuple(notes)


def _number(cell: str) -> float | None:
    """The number that `cell` spells, or None."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _word(cell: str) -> str:
    return "(missing)" if cell in MISSING else cell


def _strays(cells: Sequence[str], words: Sequence[int], n_present: int) -> list[int]:
    """Rows of words that stand among numbers by mistake; none in a column of words.

    Levels such as `1, 2, 3+` are words when each non-number is frequent.
    """
    if 2 * len(words) > n_present:
        return []
    counts = Counter(cells[row] for row in words)
    return [row for row in words if counts[cells[row]] < MIN_ROWS_PER_WORD]
