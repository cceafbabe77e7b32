"""NPZ files: their forms, and every reason to refuse one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trials.data import DataError, load

X = np.arange(60, dtype=np.float64).reshape(20, 3)
Y = np.arange(20) % 2


def npz(folder: Path, **arrays: Any) -> str:
    """The path of an archive written to `folder`."""
    np.savez(folder / "a.npz", **arrays)
    return str(folder / "a.npz")


def problems_of(path: str, **options: Any) -> tuple[str, ...]:
    """What loading complains of."""
    with pytest.raises(DataError) as caught:
        load(path, **options)
    return caught.value.problems


def test_table_with_text_labels(tmp_path: Path) -> None:
    """X and y are a table; labels may be text, truth values or numbers."""
    data = load(npz(tmp_path, x=X, y=np.array(["n", "y"])[Y]))
    assert (data.name, data.kind, data.task, data.classes) == (
        "a",
        "table",
        "classification",
        ("n", "y"),
    )
    assert data.feature_names == ("x0", "x1", "x2")
    assert load(npz(tmp_path, x=X, y=Y == 1)).classes == ("False", "True")
    assert load(npz(tmp_path, x=X, y=Y[:, None] + 3)).classes == ("3", "4")
    assert load(npz(tmp_path, x=X, y=X[:, 0] / 7)).task == "regression"


def test_images(tmp_path: Path) -> None:
    """Three axes, or four with one channel, are images; 8-bit values are divided by 255."""
    x = np.full((20, 4, 5), 255, dtype=np.uint8)
    data = load(npz(tmp_path, x=x, y=Y))
    assert (data.kind, data.shape, data.train.x.max()) == ("images", (1, 4, 5), 1.0)
    data = load(npz(tmp_path, x=x[:, None].astype(np.float32), y=Y))
    assert (data.shape, data.train.x.max()) == ((1, 4, 5), 255.0)


def test_points_without_labels(tmp_path: Path) -> None:
    """X alone is a set of points."""
    data = load(npz(tmp_path, x=X))
    assert (data.kind, data.task, data.train.y) == ("points", "density", None)


def test_given_test_part_is_kept(tmp_path: Path) -> None:
    """x_test is the test part as it is; the training samples are divided 3 to 1."""
    data = load(npz(tmp_path, x_train=X, y_train=Y, x_test=X[:4] + 100, y_test=Y[:4]), seed=5)
    assert (data.test.x == X[:4] + 100).all()
    assert [len(data.train), len(data.validation)] == [15, 5]


def test_missing_numbers(tmp_path: Path) -> None:
    """NaN in a table is a missing number: the training median and an indicator."""
    x = X.copy()
    x[3, 1] = np.nan
    data = load(npz(tmp_path, x=x, y=Y))
    assert data.feature_names[-1] == "x1 is missing"
    together = np.concatenate([data.train.x, data.validation.x, data.test.x])
    assert together[:, 3].sum() == 1
    assert np.isfinite(together).all()


WILD = X.copy()
WILD[3, 1] = np.inf


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        ({"x": X, "y": Y[:7]}, "y: must have one label per row of x, got (7,) for (20, 3)"),
        ({"x": X.astype(str), "y": Y}, "x: must be numbers, got <U32"),
        ({"x": X[:, 0], "y": Y}, "x: must have shape (N, D)"),
        ({"x": X[:0], "y": Y[:0]}, "x: must have shape (N, D)"),
        ({"x": np.zeros((20, 3, 4, 4)), "y": Y}, "x: must have shape (N, D)"),
        ({"x": WILD, "y": Y}, "x, column 1, row 4: must be a finite float32 number, got inf"),
        (
            {"x": np.full((20, 2, 2), np.nan), "y": Y},
            "x, column 0, rows 1, 2, 3, 4, 5 and 15 more: must be a finite float32 number, got nan",
        ),
        ({"x": X, "y": WILD[:, 1]}, "y, row 4: must be a finite float32 number, got inf"),
        (
            {"x": X, "y": np.array([" ", "b"])[Y]},
            "y, rows 1, 3, 5, 7, 9 and 5 more: must not be blank, got ' '; name that class",
        ),
        ({"x": X, "y": Y + 0j}, "y: must be numbers, truth values or text, got complex128"),
        ({"x": X, "y": Y * 0}, "target 'y': must have at least two classes, got only '0'"),
        ({"x": X[:3], "y": X[:3, 0]}, "must have at least 5 rows to split, got 3"),
        ({"x": X, "y": np.array([None] * 20)}, "must be an .npz file without pickles"),
        ({"z": X}, "must have the arrays x, y or x_train, y_train, x_test, y_test, got z"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y},
            "x_train and x_test: samples must be of one shape, got (20, 3) and (20, 2)",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y.astype(str)},
            "y_train and y_test: must be of one type, got two",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1},
            "target 'y': each class must have at least 2 rows, one for every part drawn, "
            "got 0 of class '2'",
        ),
    ],
)
def test_unfit_arrays_are_named(tmp_path: Path, arrays: dict[str, Any], found: str) -> None:
    """Each fault of an archive is one line that names the array, and the row where it has one."""
    problems = problems_of(npz(tmp_path, **arrays))
    assert problems[0].startswith("data a")
    assert found in problems[0]


def test_task_must_fit(tmp_path: Path) -> None:
    """A density has no labels, and classes need some."""
    assert problems_of(npz(tmp_path, x=X, y=Y), task="density") == (
        "data a.npz: y: must be absent for a density",
    )
    assert problems_of(npz(tmp_path, x=X), task="regression") == (
        "data a.npz: y: must be given for task 'regression'",
    )


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\x80\x04N."])
def test_files_that_are_no_archives(tmp_path: Path, content: bytes) -> None:
    """Empty, damaged and pickled files are refused, never executed."""
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    (found,) = problems_of(str(path))
    assert found.startswith("data a.npz: must be an .npz file without pickles")


def test_a_single_array_is_no_archive(tmp_path: Path) -> None:
    """An .npy file under the wrong name has no named arrays."""
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, X)
    (found,) = problems_of(str(tmp_path / "a.npz"))
    assert found.endswith("x_train, y_train, x_test, y_test, got none")
