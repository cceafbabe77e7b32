"""What is predicted: whether a target is made of classes or of numbers, by one rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from trials.data.errors import rows_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trials.data.dataset import Floats, Labels, Task

MAX_WHOLE_CLASSES = 20
"""More distinct whole numbers than these are taken for quantities, not for classes."""

MIN_ROWS_PER_NUMBER = 5
"""Whole numbers that occur less often than this are taken for quantities too."""

MAX_LISTED = 10

TaskWord = Literal["auto", "classification", "regression", "density"]


@dataclass(frozen=True, eq=False)
class Target:
    """The target of every sample.

    Attributes:
        name: Of the column.
        task: What is asked.
        y: Classes as int64 or numbers as float32, shape (N,).
        classes: The label of each class, in ascending order; empty for numbers.
        note: What was taken for what.
    """

    name: str
    task: Task
    y: Labels | Floats
    classes: tuple[str, ...]
    note: str


def read_target(
    name: str,
    values: Sequence[str] | NDArray[np.float64] | NDArray[np.bool_],
    task: TaskWord,
    problems: list[str],
    n_test: int = 0,
) -> Target | None:
    """The target, or None after adding to `problems` what is wrong with it.

    Args:
        name: As in messages.
        values: One per sample: text, truth values, or finite numbers.
        task: `auto` takes text, truth values, and at most 20 distinct whole numbers of at least
            5 rows each for classes, and other numbers for a regression.
        problems: Grows by a line per mistake.
        n_test: If above 0 the last so many samples are a test part given by the user; the
            others need a row of each class for training and one for validation, else for
            testing too.
    """
    column = np.asarray(values)
    is_number = column.dtype.kind == "f"
    labels, y, counts = np.unique(column, return_inverse=True, return_counts=True)
    if task == "auto":
        task = "regression" if is_number and not _are_classes(labels, counts) else "classification"
    if task == "regression" and not is_number:
        what = "truth values" if column.dtype.kind == "b" else f"text such as {str(column[0])!r}"
        problems.append(f"target {name!r}: must be numbers for a regression, got {what}")
        return None
    if task == "regression" and len(labels) < 2:
        problems.append(f"target {name!r}: must take several values, got {column[0]:g} everywhere")
        return None
    if task == "regression":
        note = f"target {name!r}: numbers from {column.min():g} to {column.max():g}, a regression"
        return Target(name, "regression", column.astype(np.float32), (), note)
    words = tuple(_label(label) for label in labels)
    found = _class_problems(name, words, y[: len(y) - n_test], 2 if n_test else 3)
    if found:
        problems += found
        return None
    shown = ", ".join(words[:MAX_LISTED]) + (", ..." if len(words) > MAX_LISTED else "")
    note = f"target {name!r}: {len(words)} classes {shown}"
    return Target(name, "classification", y.astype(np.int64), words, note)


def _class_problems(
    name: str, words: tuple[str, ...], drawn: NDArray[np.intp], min_rows: int
) -> list[str]:
    """Why the classes cannot be split: there is one only, or some have too few rows.

    Args:
        name: Of the target.
        words: The label of each class.
        drawn: Class of each sample that is to be split.
        min_rows: Least samples of a class, one for each part drawn.
    """
    if len(words) < 2:
        return [f"target {name!r}: must have at least two classes, got only {words[0]!r}"]
    counts = np.bincount(drawn, minlength=len(words))
    rare = np.flatnonzero(counts < min_rows)
    problems = []
    for k in rare[:MAX_LISTED]:
        rows = [int(row) for row in np.flatnonzero(drawn == k)]
        where = f" ({rows_named(rows)})" if rows else ""
        problems.append(
            f"target {name!r}: each class must have at least {min_rows} rows, one for every part "
            f"drawn, got {counts[k]} of class {words[k]!r}{where}"
        )
    if len(rare) > MAX_LISTED:
        problems.append(f"target {name!r}: {len(rare) - MAX_LISTED} further classes are as rare")
    return problems


def _are_classes(labels: NDArray[np.float64], counts: NDArray[np.int64]) -> bool:
    """Whether distinct numbers look like labels."""
    few = len(labels) <= MAX_WHOLE_CLASSES
    return few and bool((labels == np.rint(labels)).all() and counts.min() >= MIN_ROWS_PER_NUMBER)


def _label(value: object) -> str:
    """A label as it was given: whole numbers without a decimal point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
