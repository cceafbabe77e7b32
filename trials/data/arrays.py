"""Arrays in NPZ files: x and y, or x_train, y_train, x_test and y_test; never pickles."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.npyio import NpzFile

from trials.data.assemble import Content, assemble
from trials.data.columns import MAX_FLOAT
from trials.data.dataset import Dataset, Kind
from trials.data.errors import DataError, rows_named
from trials.data.targets import TaskWord, read_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trials.data.dataset import Floats

    Arrays = dict[str, NDArray[Any]]

WHOLE = ("x", "y")
MAX_LISTED = 10
GIVEN_TEST = ("x_train", "y_train", "x_test", "y_test")


def load_arrays(path: Path, task: TaskWord, seed: int) -> Dataset:
    """The samples in `path`; without y they are points of a density.

    x has shape (N, D), or (N, h, w) or (N, 1, h, w) for images, whose 8-bit values are divided
    by 255; y has shape (N,). NaN in a table is a missing number.

    Raises:
        DataError: With every mistake in it.
    """
    where = f"data {path.name}"
    arrays = _read(path, where)
    problems: list[str] = []
    keys = ("x",) if "x" in arrays else ("x_train", "x_test")
    blocks = [_samples(key, arrays[key], problems) for key in keys]
    labels = [
        _labels(key, arrays[key], arrays["x" + key[1:]], problems)
        for key in ("y" + key[1:] for key in keys)
        if key in arrays
    ]
    _check_kinds(keys, blocks, labels, task, problems)
    if problems:
        raise DataError(f"{where}: {problem}" for problem in problems)
    n_test = len(blocks[1]) if len(blocks) > 1 else 0
    found = read_target("y", np.concatenate(labels), task, problems, n_test) if labels else None
    if problems:
        raise DataError(f"{where}: {problem}" for problem in problems)
    x = np.concatenate(blocks)
    names = tuple(f"x{place}" for place in range(int(np.prod(x.shape[1:]))))
    x, gap_names, notes = _with_indicators(x, names)
    kind: Kind = "images" if x.ndim == 4 else "table" if found else "points"
    name = path.name.split(".")[0]
    return assemble(Content(name, kind, x, found, names + gap_names, notes, n_test), seed)


def _read(path: Path, where: str) -> Arrays:
    """The archive's arrays, of which there are either `WHOLE`, x alone, or `GIVEN_TEST`."""
    arrays: Arrays = {}
    try:
        with path.open("rb") as file:  # np.load leaves a damaged file open
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, NpzFile):
                arrays = {name: np.asarray(loaded[name]) for name in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{where}: must be an .npz file without pickles: {error}") from error
    if "x" in arrays or set(GIVEN_TEST) <= set(arrays):
        return arrays
    must = f"must have the arrays {', '.join(WHOLE)} or {', '.join(GIVEN_TEST)}"
    raise DataError(f"{where}: {must}, got {', '.join(arrays) or 'none'}")


def _samples(key: str, x: NDArray[Any], problems: list[str]) -> Floats:
    """The samples as float32, (N, D) or (N, 1, h, w); what is wrong goes to `problems`."""
    nothing = np.empty((0, 1), dtype=np.float32)
    is_image = x.ndim == 3 or (x.ndim == 4 and x.shape[1] == 1)
    if not (is_image or x.ndim == 2) or x.size == 0:
        must = "must have shape (N, D), (N, h, w) or (N, 1, h, w) without a 0"
        problems.append(f"{key}: {must}, got {x.shape}")
        return nothing
    if x.dtype.kind not in "fiub":
        problems.append(f"{key}: must be numbers, got {x.dtype}")
        return nothing
    wide = x.reshape(len(x), -1).astype(np.float64)
    is_missing = np.isnan(wide) & (not is_image)
    wild = ~(np.abs(wide) <= MAX_FLOAT) & ~is_missing
    for column in np.flatnonzero(wild.any(axis=0))[:MAX_LISTED]:
        rows = [int(row) for row in np.flatnonzero(wild[:, column])]
        found = wide[rows[0], column]
        must = "must be a finite float32 number"
        problems.append(f"{key}, column {column}, {rows_named(rows)}: {must}, got {found}")
    if is_image and x.dtype == np.uint8:
        wide /= 255
    shape = (len(x), 1, *x.shape[-2:]) if is_image else x.shape
    return np.where(wild, 0.0, wide).astype(np.float32).reshape(shape)


def _labels(key: str, y: NDArray[Any], x: NDArray[Any], problems: list[str]) -> NDArray[Any]:
    """The targets as text, truth values or float64, one per sample."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != x.shape[:1]:
        problems.append(f"{key}: must have one label per row of x, got {y.shape} for {x.shape}")
    elif y.dtype.kind not in "fiubUS":
        problems.append(f"{key}: must be numbers, truth values or text, got {y.dtype}")
    elif y.dtype.kind in "US":
        y = y.astype(str)
        rows = [row for row, text in enumerate(y) if not text.strip()]
        if rows:
            found = f"{str(y[rows[0]])!r}; name that class, or leave these rows out"
            problems.append(f"{key}, {rows_named(rows)}: must not be blank, got {found}")
    elif y.dtype.kind != "b":
        y = y.astype(np.float64)
        rows = [int(row) for row in np.flatnonzero(~(np.abs(y) <= MAX_FLOAT))]
        if rows:
            must = "must be a finite float32 number"
            problems.append(f"{key}, {rows_named(rows)}: {must}, got {y[rows[0]]}")
    return y


def _check_kinds(
    keys: tuple[str, ...],
    blocks: list[Floats],
    labels: list[NDArray[Any]],
    task: TaskWord,
    problems: list[str],
) -> None:
    """Adds what does not fit together: training and test, targets and task."""
    if not problems and len({block.shape[1:] for block in blocks}) > 1:
        shapes = " and ".join(str(block.shape) for block in blocks)
        problems.append(f"{' and '.join(keys)}: samples must be of one shape, got {shapes}")
    if not problems and len({y.dtype.kind for y in labels}) > 1:
        problems.append("y_train and y_test: must be of one type, got two")
    if labels and task == "density":
        problems.append("y: must be absent for a density")
    if not labels and task not in ("auto", "density"):
        problems.append(f"y: must be given for task {task!r}")


def _with_indicators(
    x: Floats, names: tuple[str, ...]
) -> tuple[Floats, tuple[str, ...], tuple[str, ...]]:
    """`x` with a further column of 0 and 1 for each with missing numbers, their names, notes."""
    gaps = np.isnan(x)
    if not gaps.any():
        return x, (), ()
    places = np.flatnonzero(gaps.any(axis=0))
    counts = ", ".join(f"{names[place]} {gaps[:, place].sum()}" for place in places[:MAX_LISTED])
    note = f"missing numbers -> training median and an indicator ({counts})"
    wide = np.concatenate([x, gaps[:, places].astype(np.float32)], axis=1)
    return wide, tuple(f"{names[place]} is missing" for place in places), (note,)
