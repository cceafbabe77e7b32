"""Tables with a column of time, read as series."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trials.data.assemble import Content
from trials.data.columns import encode, read_column, read_whole
from trials.data.errors import DataError, nearest, rows_named
from trials.data.series import split_series
from trials.data.tables import cut_short, drop_problems, read_rows
from trials.data.targets import read_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trials.data.columns import Column
    from trials.data.dataset import Dataset

_TIME = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?)?)?Z?")
"""Times of one form of ISO 8601 are in order when their texts are."""


def load_series(
    path: Path,
    target: str | None,
    time: str,
    window: int | None,
    horizon: int | None,
    drop: Sequence[str] = (),
) -> Dataset:
    """The table in `path` as a series of the column `target`, its rows sorted by `time`.

    Args:
        path: A CSV file.
        target: The column to predict; must be numbers without gaps.
        time: The column of times: numbers, or dates such as 1949-01 or 2024-05-31 12:30.
        window: Rows that are to be seen; None leaves it to the trainer.
        horizon: Rows to look ahead; None leaves it to the trainer.
        drop: Columns that are left out.

    Raises:
        DataError: With every mistake in it, naming column and row.
    """
    where = f"data {path.name}"
    header, rows = read_rows(path, where)
    problems = [
        f"{key} must name a column, got {name!r}; {nearest(name, header)}"
        for key, name in (("target", target), ("time", time))
        if name not in header
    ]
    if target == time:
        problems.append(f"target and time must be different columns, got {time!r} for both")
    problems += drop_problems(drop, header, (target, time))
    if problems or target is None:
        raise DataError([f"{where}: {problem}" for problem in problems])
    cells = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    order = _order(time, cells[time], problems)
    answer = read_whole("target", target, cells[target], problems)
    names = [name for name in header if name not in (time, target, *drop)]
    columns = [answer, *(read_column(name, cells[name], problems) for name in names)]
    found = None if answer is None else _numbers(answer, problems)
    x, features, notes = encode([column for column in columns if column], problems)
    answers = None if found is None else read_target(target, found, "regression", problems)
    if problems or order is None or answers is None:
        raise DataError(cut_short([f"{where}: {problem}" for problem in problems]))
    answers = replace(answers, y=answers.y[order])
    content = Content(path.name.split(".")[0], "series", x[order], answers, features, notes)
    return split_series(content, window, horizon)


def _numbers(column: Column, problems: list[str]) -> NDArray[np.float64] | None:
    """The target's values; None after adding to `problems` why there are none."""
    if column.kind != "numbers":
        problems.append(f"target {column.name!r}: must be numbers, got {column.kind}")
        return None
    return column.numbers


def _order(time: str, cells: list[str], problems: list[str]) -> NDArray[np.intp] | None:
    """The rows in the order of time; None after adding to `problems` why there is none."""
    column = read_whole("time", time, cells, problems)
    if column is None:
        return None
    if column.kind != "numbers":
        strays = [row for row, cell in enumerate(cells) if not _TIME.fullmatch(cell)]
        strays = strays or [row for row, cell in enumerate(cells) if len(cell) != len(cells[0])]
        if strays:
            must = "must be a number, or a date like 1949-01 or 2024-05-31, all of one form"
            problems.append(
                f"time {time!r}, {rows_named(strays)}: {must}, got {cells[strays[0]]!r}"
            )
            return None
    times = column.numbers if column.kind == "numbers" else np.array(cells)
    again = {value for value, count in Counter(times.tolist()).items() if count > 1}
    if again:
        rows = [row for row, value in enumerate(times.tolist()) if value in again]
        problems.append(f"time {time!r}, {rows_named(rows)}: each time must occur once")
        return None
    return np.argsort(times, kind="stable")
