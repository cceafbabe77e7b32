"""The data that trials train on: named sets, tables, arrays and images, split by seed."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trials.data.dataset import Dataset, Part
from trials.data.errors import DataError, nearest
from trials.data.sources import Source, resolve_source

if TYPE_CHECKING:
    from trials.data.targets import TaskWord

__all__ = ["DATASETS", "DataError", "Dataset", "Part", "describe", "load", "resolve"]

DATASETS: dict[str, str] = {
    "breast_cancer": "trials.data.bundled:breast_cancer",
    "digits": "trials.data.bundled:digits",
    "diabetes": "trials.data.bundled:diabetes",
    "iris": "trials.data.bundled:iris",
    "wine": "trials.data.bundled:wine",
    "noisy_line": "trials.data.synthetic:noisy_line",
    "normal_vectors": "trials.data.synthetic:normal_vectors",
    "line": "trials.data.synthetic:line",
    "ring": "trials.data.synthetic:ring",
    "grid": "trials.data.synthetic:grid",
    "ratings": "trials.data.ratings:ratings",
    "swiss_roll": "trials.data.synthetic:swiss_roll",
    "airline": "trials.data.sequences:airline",
    "sentences": "trials.data.sequences:sentences",
    "addition": "trials.data.sequences:addition",
    "expressions": "trials.data.expressions:expressions",
}
"""Name in the CLI and the spec -> the function (seed) -> Dataset, imported when it is used."""

TASKS = ("auto", "classification", "regression", "density")


def load(
    source: Source, *, task: TaskWord = "auto", target: str | None = None, seed: int = 0
) -> Dataset:
    """The data that `source` names, split by `seed`.

    Args:
        source: A name of `DATASETS`; `x.csv`, `x.csv.gz` or `x.npz`; `idx:DIR`; or a mapping
            {file: ..., target: column} or {idx: DIR}. A `time: column` beside the file makes its
            rows a series, of which `window` rows are seen to predict the one `horizon` ahead;
            `drop: [column, ...]` leaves columns out.
        task: `auto` takes text, truth values, and at most 20 distinct whole numbers of at least
            5 rows each for classes, and other numbers for a regression. `density` takes all
            columns of a file without a target as points.
        target: The column of a table to predict; goes before the one in `source`.
        seed: What the split, and the draws of synthetic densities, derive from, at least 0.

    Raises:
        DataError: There is no such data, or it cannot be used; names columns and rows.
    """
    if task not in TASKS:
        raise DataError(f"task: unknown task {task!r}; {nearest(task, TASKS)}")
    found = resolve(source, target)
    if isinstance(found, str):
        data: Dataset = _function(found)(seed)
        if task not in ("auto", data.task):
            raise DataError(f"task: must be {data.task} for {found!r}, got {task}")
        return data
    if "idx" in found:
        from trials.data.idx import load_idx

        return load_idx(Path(found["idx"]), task, seed)
    path = Path(found["file"])
    if path.suffix == ".npz":
        from trials.data.arrays import load_arrays

        return load_arrays(path, task, seed)
    drop = found.get("drop") or ()
    if "time" in found:
        from trials.data.timed import load_series

        if task not in ("auto", "regression"):
            raise DataError(f"task: must be regression for a series, got {task}")
        ahead = found.get("window"), found.get("horizon")
        return load_series(path, found.get("target"), found["time"], *ahead, drop)
    from trials.data.tables import load_table

    return load_table(path, found.get("target"), task, seed, drop)


def resolve(source: Source, target: str | None = None) -> Source:
    """`source` in a form that any process reads alike: a name, or a mapping of absolute paths.

    Raises:
        DataError: There is no such name, file or folder.
    """
    return resolve_source(source, target, DATASETS)


def describe(name: str) -> str:
    """The named data set in a line.

    Raises:
        DataError: There is no data set of that name.
    """
    if name not in DATASETS:
        raise DataError(f"data: unknown data {name!r}; {nearest(name, DATASETS)}")
    text = inspect.getdoc(_function(name)) or ""
    return text.partition("\n")[0]


def _function(name: str) -> Any:
    module, _, function = DATASETS[name].partition(":")
    return getattr(import_module(module), function)
