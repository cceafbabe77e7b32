"""What the cells of a text table are: numbers, truth values or words, and as which features."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

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

Block: TypeAlias = "tuple[str, NDArray[np.float64] | NDArray[np.bool_]]"
"""One feature: its name and its values, shape (N,)."""

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
        must = f"must have values, got none in {len(cells)} rows"
        problems.append(f"column {name!r}: {must}; leave it out by data.drop")
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
            hint = " with a point and no comma" * all(_has_comma(cells[row]) for row in strays)
            problems.append(f"column {name!r}, {where}: must be a number{hint}, got {found}")
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


def read_whole(role: str, name: str, cells: Sequence[str], problems: list[str]) -> Column | None:
    """As `read_column`, of a column that must have a value in every row.

    Args:
        role: What it is needed as: the target or the time.
        name: From the header.
        cells: The texts without surrounding space, one per row.
        problems: Grows by a line per mistake.
    """
    missing = [row for row, cell in enumerate(cells) if cell in MISSING]
    if missing:
        found = f"{cells[missing[0]]!r}, which stands for none"
        problems.append(
            f"{role} {name!r}, {rows_named(missing)}: must have a value, got {found}; "
            "write it otherwise, or leave these rows out"
        )
    column = read_column(name, cells, problems) if len(missing) < len(cells) else None
    return None if missing else column


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
    blocks: list[Block] = []
    notes = []
    words = []
    for column in columns:
        if column.kind != "words":
            blocks += _number_blocks(column)
            notes += [_gaps_note(column)] if column.missing else []
            continue
        levels = sorted({_word(cell) for cell in column.cells})
        if len(levels) > MAX_LEVELS:
            problems.append(
                f"column {column.name!r}: text must have at most {MAX_LEVELS} levels, "
                f"got {len(levels)}; leave it out by data.drop"
            )
            continue
        words.append(f"{column.name!r} {len(levels)}")
        blocks += _word_blocks(column, levels)
    if words:
        s = "s" * (len(words) > 1)
        notes.insert(0, f"{len(words)} text column{s} one-hot (levels: {', '.join(words)})")
    n = len(columns[0].cells) if columns else 0
    x = np.empty((n, 0 if problems else len(blocks)), dtype=np.float32)
    for place in range(x.shape[1]):
        x[:, place] = blocks[place][1]
    return x, tuple(name for name, _ in blocks), tuple(notes)


def _number_blocks(column: Column) -> list[Block]:
    """The numbers, and where some are missing 1 there and 0 elsewhere."""
    blocks: list[Block] = [(column.name, column.numbers)]
    if column.missing:
        blocks.append((f"{column.name} is missing", np.isnan(column.numbers)))
    return blocks


def _word_blocks(column: Column, levels: Sequence[str]) -> list[Block]:
    """For each level 1 where the cell holds it and 0 elsewhere."""
    words = np.array([_word(cell) for cell in column.cells])
    return [(f"{column.name}={level}", words == level) for level in levels]


def _gaps_note(column: Column) -> str:
    n = len(column.missing)
    return f"{n} missing numbers in {column.name!r} -> training median and an indicator"


def _number(cell: str) -> float | None:
    """The number that `cell` spells, or None."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _has_comma(cell: str) -> bool:
    """Whether `cell` would be a number but for commas: of a decimal fraction, or of thousands."""
    return "," in cell and _number(cell.replace(",", "")) is not None


def _word(cell: str) -> str:
    return "(missing)" if cell in MISSING else cell


def _strays(cells: Sequence[str], words: Sequence[int], n_present: int) -> list[int]:
    """Rows of words that stand among numbers by mistake; none in a column of words.

    Levels such as `1, 2, 3+` are words when each non-number is frequent. A column whose words
    all are numbers but for their commas is one of numbers.
    """
    if 2 * len(words) > n_present and not all(_has_comma(cells[row]) for row in words):
        return []
    counts = Counter(cells[row] for row in words)
    return [row for row in words if counts[cells[row]] < MIN_ROWS_PER_WORD]
