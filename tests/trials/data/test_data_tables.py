"""CSV tables: what is taken for what, and every reason to refuse one."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trials.data import DataError, Dataset, load


def csv(folder: Path, header: str, rows: list[str], name: str = "t.csv") -> str:
    """The path of a table written to `folder`."""
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def all_x(data: Dataset) -> np.ndarray:
    """The samples of all parts."""
    return np.concatenate([data.train.x, data.validation.x, data.test.x])


def all_y(data: Dataset) -> np.ndarray:
    """The targets of all parts."""
    return np.concatenate([p.y for p in (data.train, data.validation, data.test)])


def problems_of(source: Any, **options: Any) -> tuple[str, ...]:
    """What loading complains of."""
    with pytest.raises(DataError) as caught:
        load(source, **options)
    return caught.value.problems


GRADES = [f"{i},{'red' if i % 3 else 'blue'},{'abc'[i % 3]}" for i in range(30)]


def test_text_features_and_text_target(tmp_path: Path) -> None:
    """Words become one-hot columns, a text target classes, and the notes say so."""
    data = load(csv(tmp_path, "size,colour,grade", GRADES), target="grade")
    assert (data.name, data.kind, data.task) == ("t", "table", "classification")
    assert data.feature_names == ("size", "colour=blue", "colour=red")
    assert data.classes == ("a", "b", "c")
    assert data.target_name == "grade"
    assert [len(p) for p in (data.train, data.validation, data.test)] == [18, 6, 6]
    rows = {tuple(x): int(y) for x, y in zip(all_x(data), all_y(data), strict=True)}
    assert rows == {(i, i % 3 == 0, i % 3 > 0): i % 3 for i in range(30)}
    assert data.notes == (
        "target 'grade': 3 classes a, b, c",
        "1 text column one-hot (levels: 'colour' 2)",
    )


def test_classes_need_not_start_at_zero(tmp_path: Path) -> None:
    """Whole numbers from 1 are classes in the order of their values, 10 behind 2."""
    rows = [f"{i},{(1, 2, 10)[i % 3]}" for i in range(30)]
    data = load(csv(tmp_path, "a,y", rows), target="y")
    assert data.classes == ("1", "2", "10")
    assert set(all_y(data)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("targets", "task"),
    [
        ([i % 20 for i in range(100)], "classification"),
        ([i % 21 for i in range(105)], "regression"),
        ([i % 20 for i in range(99)], "regression"),
        ([i % 2 + 0.5 for i in range(100)], "regression"),
        ([i % 2 == 0 for i in range(100)], "classification"),
        ([f"{i % 2}.0" for i in range(100)], "classification"),
    ],
)
def test_auto_task(tmp_path: Path, targets: list[object], task: str) -> None:
    """At most 20 distinct whole numbers of at least 5 rows each are classes, others are not."""
    path = csv(tmp_path, "a,y", [f"{i},{target}" for i, target in enumerate(targets)])
    assert load(path, target="y").task == task


def test_task_can_be_said(tmp_path: Path) -> None:
    """Few whole numbers can be a regression, and fractions can be classes."""
    path = csv(tmp_path, "a,y", [f"{i},{i % 2}" for i in range(30)])
    regression = load(path, target="y", task="regression")
    assert (regression.task, all_y(regression).dtype) == ("regression", np.float32)
    halves = csv(tmp_path, "a,y", [f"{i},{i % 2 / 2}" for i in range(30)])
    assert load(halves, target="y", task="classification").classes == ("0", "0.5")


def test_points_without_target(tmp_path: Path) -> None:
    """With task density a table without target is a set of points."""
    path = csv(tmp_path, "a,b", [f"{i},{-i}" for i in range(20)])
    data = load(path, task="density")
    assert (data.kind, data.task, data.train.y, data.shape) == ("points", "density", None, (2,))
    assert problems_of(path, task="density", target="a") == (
        "data t.csv: target must be absent for a density, got 'a'",
    )


def test_heavy_imbalance(tmp_path: Path) -> None:
    """A class of 3 rows in 1,000 is in each of the three parts."""
    rows = [f"{i},{'rare' if i in (5, 500, 900) else 'common'}" for i in range(1000)]
    data = load(csv(tmp_path, "a,y", rows), target="y", seed=7)
    for part in (data.train, data.validation, data.test):
        assert (part.y == 1).sum() == 1


def test_missing_numbers(tmp_path: Path) -> None:
    """A missing number becomes the median of training and is marked in a column of its own."""
    rows = [f"{'' if i % 5 == 0 else i},{i},{i / 7}" for i in range(50)]
    data = load(csv(tmp_path, "a,b,y", rows), target="y", seed=1)
    assert data.feature_names == ("a", "a is missing", "b")
    train = data.train.x
    median = np.median(train[train[:, 1] == 0, 0])
    for x in (data.train.x, data.validation.x, data.test.x):
        gaps = x[:, 2] % 5 == 0
        assert (x[:, 1] == gaps).all()
        assert (x[gaps, 0] == median).all()
        assert (x[~gaps, 0] == x[~gaps, 2]).all()
    assert "10 missing numbers in 'a' -> training median and an indicator" in data.notes


def test_dropped_columns_are_not_even_read(tmp_path: Path) -> None:
    """Columns that are left out may hold anything; the rest is as in a table without them."""
    rows = [f"{i},row {i},{i / 3}" for i in range(60)]
    data = load({"file": csv(tmp_path, "a,id,y", rows), "target": "y", "drop": ["id"]})
    bare = load(csv(tmp_path, "a,y", [f"{i},{i / 3}" for i in range(60)], "bare.csv"), target="y")
    assert data.feature_names == ("a",)
    assert data.fingerprint == bare.fingerprint
    assert np.array_equal(data.train.x, bare.train.x)


def test_all_wrong_names_to_drop_are_told_at_once(tmp_path: Path) -> None:
    """Columns that there are not, the target and a wrong target are told together."""
    table = {"file": csv(tmp_path, "a,b,y", [f"{i},{i},{i / 3}" for i in range(20)])}
    assert problems_of(table | {"target": "y", "drop": ["aa", "y", "zz"]}) == (
        "data t.csv: drop must name columns, got 'aa', 'zz'; did you mean 'a'? (a, b, y)",
        "data t.csv: drop must not name the target or the column of time, got 'y'",
    )
    assert problems_of(table | {"target": "q", "drop": ["zz"]}) == (
        "data t.csv: no column 'q'; a, b, y",
        "data t.csv: drop must name columns, got 'zz'; a, b, y",
    )
    assert problems_of(table | {"target": "y", "drop": ["a", "b"]}) == (
        "data t.csv: must have a column beside the target 'y', got none",
    )


def test_a_series_leaves_columns_out(tmp_path: Path) -> None:
    """A column that is dropped is no feature of a series; time must stay."""
    rows = [f"{i},row {i},{i / 3},{i % 4}" for i in range(60)]
    table = {"file": csv(tmp_path, "t,id,y,a", rows), "target": "y", "time": "t"}
    assert load(table | {"drop": ["id"]}).feature_names == ("y", "a")
    assert problems_of(table | {"drop": ["t"]}) == (
        "data t.csv: drop must not name the target or the column of time, got 't'",
    )


def test_truth_and_levels_that_look_like_numbers(tmp_path: Path) -> None:
    """Truth values are 0 and 1; `1, 2, 3+` is text when each word is frequent."""
    rows = [f"{i % 2 == 0},{('1', '2', '4', '3+')[i % 4]},{i / 3}" for i in range(40)]
    data = load(csv(tmp_path, "flag,children,y", rows), target="y")
    names = ("flag", "children=1", "children=2", "children=3+", "children=4")
    assert data.feature_names == names
    assert set(all_x(data)[:, 0]) == {0, 1}


def test_missing_word_is_a_level(tmp_path: Path) -> None:
    """An empty cell among words is a level of its own."""
    rows = [f"{('x', 'y', 'NA')[i % 3]},{i / 3}" for i in range(40)]
    data = load(csv(tmp_path, "a,y", rows), target="y")
    assert data.feature_names == ("a=(missing)", "a=x", "a=y")


def test_quotes_marks_and_gzip(tmp_path: Path) -> None:
    """Quoted commas and newlines, a byte order mark, CRLF and gzip are read as meant."""
    text = 'a,"b, c",y\r\n' + "".join(f'{i}, "x\n{i % 2}",{i / 3}\r\n' for i in range(20))
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(text.encode("utf-8-sig")))
    data = load(str(path), target="y")
    assert data.feature_names == ("a", "b, c=x\n0", "b, c=x\n1")


@settings(max_examples=30, deadline=None)
@given(row=st.integers(0, 29), value=st.floats(-1e6, 1e6, width=32), seed=st.integers(0, 99))
@example(row=0, value=-0.0, seed=0)
def test_fingerprint_follows_content_only(
    tmp_path_factory: pytest.TempPathFactory, row: int, value: float, seed: int
) -> None:
    """Another seed, name or spelling changes nothing; another number changes the fingerprint."""
    folder = tmp_path_factory.mktemp("t")
    numbers = [i / 7 for i in range(30)]
    rows = [f"{number!r},{i}.5" for i, number in enumerate(numbers)]
    data = load(csv(folder, "a,y", rows), target="y")
    spelt = [f" {number:.17e},{i}.50" for i, number in enumerate(numbers)]
    again = load(csv(folder, "a,y", spelt, "other.csv"), target="y", seed=seed)
    assert again.fingerprint == data.fingerprint
    rows[row] = f"{value!r},{row}.5"
    changed = load(csv(folder, "a,y", rows), target="y", seed=seed)
    same = np.float32(value) == np.float32(numbers[row])
    assert (changed.fingerprint == data.fingerprint) == same


def table(cells: dict[str, list[object]]) -> tuple[str, list[str]]:
    """A header and rows from columns."""
    rows = [",".join(map(str, row)) for row in zip(*cells.values(), strict=True)]
    return ",".join(cells), rows


NUMBERS: list[object] = [i / 3 for i in range(20)]


def changed(row: int, value: object) -> list[object]:
    """The numbers with one replaced."""
    return [*NUMBERS[:row], value, *NUMBERS[row + 1 :]]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (
            {"a": changed(4, "abc"), "y": NUMBERS},
            "column 'a', row 5: must be a number, got 'abc'",
        ),
        (
            {"a": changed(4, "inf"), "y": NUMBERS},
            "column 'a', row 5: must be a finite float32 number, got 'inf'",
        ),
        (
            {"a": changed(0, "1e39"), "y": NUMBERS},
            "column 'a', row 1: must be a finite float32 number, got '1e39'",
        ),
        (
            {"a": [""] * 20, "y": NUMBERS},
            "column 'a': must have values, got none in 20 rows; leave it out by data.drop",
        ),
        (
            {"a": NUMBERS, "y": ["NaN"] * 20},
            "target 'y', rows 1, 2, 3, 4, 5 and 15 more: must have a value, got 'NaN', which "
            "stands for none; write it otherwise, or leave these rows out",
        ),
        (
            {"a": NUMBERS, "y": [*[" "] * 7, *"abc" * 4, "a"]},
            "target 'y', rows 1, 2, 3, 4, 5 and 2 more: must have a value, got '', which "
            "stands for none; write it otherwise, or leave these rows out",
        ),
        ({"a": NUMBERS, "y": changed(9, "x")}, "column 'y', row 10: must be a number, got 'x'"),
        (
            {"a": NUMBERS, "y": ["only"] * 20},
            "target 'y': must have at least two classes, got only 'only'",
        ),
        (
            {"a": NUMBERS, "y": [*["p"] * 18, "q", "q"]},
            "target 'y': each class must have at least 3 rows, one for every part drawn, "
            "got 2 of class 'q' (rows 19, 20)",
        ),
        ({"y": NUMBERS}, "must have a column beside the target 'y', got none"),
        (
            {"a": [f'"{n},5"' for n in range(20)], "y": NUMBERS},
            "column 'a', rows 1, 2, 3, 4, 5 and 15 more: must be a number with a point and no "
            "comma, got '0,5', '1,5', '2,5'",
        ),
        (
            {"a": [*range(8), *(f'"-{n},000.5"' for n in range(12))], "y": NUMBERS},
            "column 'a', rows 9, 10, 11, 12, 13 and 7 more: must be a number with a point and no "
            "comma, got '-0,000.5', '-1,000.5', '-2,000.5'",
        ),
    ],
)
def test_bad_cells_name_column_and_row(
    tmp_path: Path, cells: dict[str, list[object]], found: str
) -> None:
    """Each fault of a table is one line with the file, the column and the row."""
    assert problems_of(csv(tmp_path, *table(cells)), target="y") == (f"data t.csv: {found}",)


def test_levels_with_commas_are_words(tmp_path: Path) -> None:
    """Lists of codes, each of them frequent, are no numbers that were written with a comma."""
    rows = [f'"{1 + i % 2},2",{i / 3}' for i in range(20)]
    assert load(csv(tmp_path, "codes,y", rows), target="y").feature_names == (
        "codes=1,2",
        "codes=2,2",
    )


def test_many_levels_are_refused(tmp_path: Path) -> None:
    """Text of 50 levels is one-hot; of 51 it is refused by name."""
    for n, is_fine in ((50, True), (51, False)):
        rows = [f"name{i % n},{i / 3}" for i in range(2 * n)]
        path = csv(tmp_path, "who,y", rows)
        if is_fine:
            assert load(path, target="y").shape == (50,)
        else:
            assert problems_of(path, target="y") == (
                "data t.csv: column 'who': text must have at most 50 levels, got 51; "
                "leave it out by data.drop",
            )


def test_text_target_is_no_regression(tmp_path: Path) -> None:
    """A regression on words is refused with one of them."""
    path = csv(tmp_path, "size,colour,grade", GRADES)
    assert problems_of(path, target="grade", task="regression") == (
        "data t.csv: target 'grade': must be numbers for a regression, got text such as 'a'",
    )


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """Faults of several columns are reported together."""
    cells = {"a": changed(1, "x"), "b": [""] * 20, "y": ["z"] * 20}
    assert len(problems_of(csv(tmp_path, *table(cells)), target="y")) == 3


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "data t.csv: must have a header and rows, got an empty file"),
        (b"\n\n", "data t.csv: must have a header and rows, got an empty file"),
        (b"a,y\n", "data t.csv: must have at least 5 rows to split, got 0"),
        (b"a,y\n1,2\n", "data t.csv: must have at least 5 rows to split, got 1"),
        (b"a,a\n" + b"1,2\n" * 9, "data t.csv: column 2 must have a name of its own, got 'a'"),
        (b",y\n" + b"1,2\n" * 9, "data t.csv: column 1 must have a name of its own, got ''"),
        (
            b"a,y\n1,2\n1,2,3\n" + b"1,2\n" * 9,
            "data t.csv: row 2 (line 3) must have 2 cells, got 3",
        ),
        (
            b"a;y\n" + b"1,5;2\n" * 9,
            "data t.csv: must have commas between its columns, got ';' as in 'a;y'",
        ),
        (
            b"a\ty\n" + b"1\t2\n" * 9,
            "data t.csv: must have commas between its columns, got '\\t' as in 'a\\ty'",
        ),
        (b"a,y\n\xff,2\n", "data t.csv: must be UTF-8 text, got byte 0xff"),
        (b'a,y\n1,"2\n', "data t.csv: line 2 is no CSV: unexpected end of data"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, found: str) -> None:
    """Empty, short, ragged, badly named and undecodable files are refused in one line."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert problems_of(str(path), target="y") == (found,)


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    """A cut or foreign .gz file is an error of the data, not of the program."""
    whole = gzip.compress(b"a,y\n" + os.urandom(500).hex().encode())
    for content in (whole[:-50], b"a,y\n1,2\n"):
        (tmp_path / "t.csv.gz").write_bytes(content)
        (found,) = problems_of(str(tmp_path / "t.csv.gz"), target="y")
        assert found.startswith("data t.csv.gz: cannot be read: ")


def test_target_must_be_a_column(tmp_path: Path) -> None:
    """A target that is missing or misspelt is answered with the columns there are."""
    path = csv(tmp_path, "size,colour,grade", GRADES)
    assert problems_of(path) == (
        "data t.csv: target must name a column, got none; size, colour, grade",
    )
    assert problems_of(path, target="grad") == (
        "data t.csv: no column 'grad'; did you mean 'grade'? (size, colour, grade)",
    )


def test_errors_travel() -> None:
    """A DataError keeps its problems through pickling, as between processes."""
    assert pickle.loads(pickle.dumps(DataError(["a", "b"]))).problems == ("a", "b")


@pytest.mark.slow
def test_california_housing() -> None:
    """The real table: 20,640 districts, one text column, 207 missing numbers."""
    path = Path(os.environ["TUNER_DATA"]) / "california-housing.csv"
    data = load(str(path), target="median_house_value")
    assert (data.task, data.shape) == ("regression", (14,))
    assert [len(p) for p in (data.train, data.validation, data.test)] == [12384, 4128, 4128]
    assert (
        "207 missing numbers in 'total_bedrooms' -> training median and an indicator" in data.notes
    )
    assert "1 text column one-hot (levels: 'ocean_proximity' 5)" in data.notes
