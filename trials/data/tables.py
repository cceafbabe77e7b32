"""Tables in CSV files: comma-separated, UTF-8, a header, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

from trials.data.assemble import MIN_ROWS, Content, assemble
from trials.data.columns import encode, read_column, read_whole
from trials.data.dataset import Dataset, Kind
from trials.data.errors import DataError, nearest
from trials.data.targets import Target, TaskWord, read_target

MAX_PROBLEMS = 20
SEPARATORS = (";", "\t", "|")
"""What other programs write between columns."""


def load_table(
    path: Path, target: str | None, task: TaskWord, seed: int, drop: Sequence[str] = ()
) -> Dataset:
    """The table in `path`, with `target` as what is predicted, without the columns in `drop`.

    Raises:
        DataError: With every mistake in it, naming column and row.
    """
    where = f"data {path.name}"
    header, rows = read_rows(path, where)
    problems = [*_target_problems(target, task, header), *drop_problems(drop, header, (target,))]
    if problems:
        raise DataError([f"{where}: {problem}" for problem in problems])
    texts = [[row[place] for row in rows] for place in range(len(header))]
    columns = [
        read_column(name, cells, problems)
        for name, cells in zip(header, texts, strict=True)
        if name != target and name not in drop
    ]
    x, names, notes = encode([column for column in columns if column], problems)
    if not columns:
        problems.append(f"must have a column beside the target {target!r}, got none")
    found = None if target is None else _target(target, texts[header.index(target)], task, problems)
    if problems:
        raise DataError(cut_short([f"{where}: {problem}" for problem in problems]))
    kind: Kind = "table" if found else "points"
    return assemble(Content(path.name.split(".")[0], kind, x, found, names, notes), seed)


def _target_problems(target: str | None, task: TaskWord, header: Sequence[str]) -> list[str]:
    """Why `target` cannot be what is predicted."""
    if task == "density":
        return [] if target is None else [f"target must be absent for a density, got {target!r}"]
    if target is None:
        return [f"target must name a column, got none; {', '.join(header)}"]
    return [] if target in header else [f"no column {target!r}; {nearest(target, header)}"]


def drop_problems(
    drop: Sequence[str], header: Sequence[str], needed: Sequence[str | None]
) -> list[str]:
    """Why columns cannot be left out: there are none of that name, or they are needed."""
    strangers = [name for name in drop if name not in header]
    kept = [name for name in drop if name in needed]
    problems = []
    if strangers:
        hint = nearest(strangers[0], header)
        problems.append(f"drop must name columns, got {', '.join(map(repr, strangers))}; {hint}")
    if kept:
        names = ", ".join(map(repr, kept))
        problems.append(f"drop must not name the target or the column of time, got {names}")
    return problems


def _target(name: str, cells: list[str], task: TaskWord, problems: list[str]) -> Target | None:
    column = read_whole("target", name, cells, problems)
    if column is None:
        return None
    values = column.numbers if column.kind == "numbers" else column.cells
    return read_target(name, values, task, problems)


def read_rows(path: Path, where: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows, all of one length, cells without surrounding space.

    Raises:
        DataError: With every mistake in the form of the file.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True, skipinitialspace=True)
            lines = [(reader.line_num, [cell.strip() for cell in line]) for line in reader if line]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: must be UTF-8 text, got byte {error.object[error.start]:#04x}"
        ) from error
    except csv.Error as error:
        raise DataError(f"{where}: line {reader.line_num} is no CSV: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where}: cannot be read: {error}") from error
    if not lines:
        raise DataError(f"{where}: must have a header and rows, got an empty file")
    header, rows = lines[0][1], lines[1:]
    for mark in SEPARATORS:
        if len(header) == 1 and all(mark in "".join(cells) for _, cells in lines):
            must = f"must have commas between its columns, got {mark!r}"
            raise DataError(f"{where}: {must} as in {header[0]!r}")
    problems = [
        f"{where}: column {place + 1} must have a name of its own, got {name!r}"
        for place, name in enumerate(header)
        if not name or name in header[:place]
    ]
    problems += [
        f"{where}: row {row + 1} (line {line}) must have {len(header)} cells, got {len(cells)}"
        for row, (line, cells) in enumerate(rows)
        if len(cells) != len(header)
    ]
    if len(rows) < MIN_ROWS:
        problems.append(f"{where}: must have at least {MIN_ROWS} rows to split, got {len(rows)}")
    if problems:
        raise DataError(cut_short(problems))
    return header, [cells for _, cells in rows]


def cut_short(problems: list[str]) -> list[str]:
    """The first problems, and how many more there are."""
    more = len(problems) - MAX_PROBLEMS
    return problems if more <= 0 else [*problems[:MAX_PROBLEMS], f"... and {more} more"]
