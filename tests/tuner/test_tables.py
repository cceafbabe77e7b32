"""Tables of trials can be written, whatever names and choices a study has, and mean the same."""

from __future__ import annotations

import csv
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tuner.errors import InputError
from tuner.report.data import StudyRecord, TrialRecord
from tuner.tables import frame, write_frame

MOMENT = datetime(2026, 1, 2, 3, 4, 5)


def study(*params: dict[str, Any], objectives: tuple[str, ...] = ("loss",)) -> StudyRecord:
    """A study of complete trials with these parameters."""
    values = tuple(float(n) for n in range(len(objectives)))
    trials = [
        TrialRecord(n, "COMPLETE", values, given, started=MOMENT, ended=MOMENT)
        for n, given in enumerate(params)
    ]
    return StudyRecord("s", tuple((name, "minimize", "") for name in objectives), tuple(trials))


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows as a spreadsheet gets them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("start", [*"=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"])
def test_no_text_is_a_formula(start: str, tmp_path: Path) -> None:
    """Neither a choice nor a name begins like one in a CSV file; numbers stay numbers."""
    given = study({f"{start}1": f"{start}1+1", "x": -1.5}, objectives=(f"{start}loss",))
    write_frame(frame(given), tmp_path / "t.csv")
    (row,) = read_csv(tmp_path / "t.csv")
    assert row[f"'{start}loss"] == "0.0"
    assert row[f"params_{start}1"] == f"'{start}1+1"
    assert row["params_x"] == "-1.5"


HOSTILE = (
    {"c": 1, "flag": True, "none": None, "big": 2**70, "text": "a\ud800\n\"',;"},
    {"c": "auto", "flag": False, "none": None, "big": 1},
    {"c": None, "flag": True, "none": None, "big": 0.5, "pair": "(1, 2)"},
)


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
@pytest.mark.parametrize(
    "given",
    [
        study(),
        study(*HOSTILE),
        study({"x": 1}, objectives=("number", "reason")),
        study({"x": 1.0}, {}, objectives=("a", "b")),
    ],
    ids=["empty", "hostile", "names of columns", "two objectives"],
)
def test_every_study_can_be_written(given: StudyRecord, ending: str, tmp_path: Path) -> None:
    """All rows and columns are there, and nothing else is left in the folder."""
    path = tmp_path / f"t.{ending}"
    table = frame(given)
    write_frame(table, path)
    if ending == "json":
        rows = json.loads(path.read_text(encoding="utf-8"))
        assert [set(row) for row in rows] == [set(table.columns)] * len(given.trials)
    elif ending == "csv":
        assert [set(row) for row in read_csv(path)] == [set(table.columns)] * len(given.trials)
    else:
        read = pd.read_parquet(path)
        assert (len(read), list(read.columns)) == (len(given.trials), list(table.columns))
    assert list(tmp_path.iterdir()) == [path]


def test_a_pruned_trial_of_several_objectives_has_empty_cells() -> None:
    """Also where another process told it a single value."""
    trials = (TrialRecord(0, "PRUNED", None), TrialRecord(1, "PRUNED", (1.0,)))
    table = frame(StudyRecord("s", (("a", "minimize", ""), ("b", "minimize", "")), trials))
    assert table["a"].isna().tolist() == [True, False]
    assert table["b"].isna().all()


@pytest.mark.parametrize(
    "objectives", [("params_x", "number"), ("number", "values_number"), ("values_number", "number")]
)
def test_every_column_has_a_name_of_its_own(objectives: tuple[str, ...]) -> None:
    """Objectives that are called as other columns are, or as those would be renamed."""
    table = frame(study({"x": 1.0}, objectives=objectives))
    assert len(set(table.columns)) == len(table.columns)
    assert table["params_x"].tolist() == [1.0]
    assert table["number"].tolist() == [0]


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    """A table is put in a file's place as a whole, which would destroy a device or a pipe."""
    path = tmp_path / "t.csv"
    os.mkfifo(path)
    with pytest.raises(InputError, match="no ordinary file"):
        write_frame(frame(study()), path)
    assert path.is_fifo()


def test_a_wrong_ending_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    """The message says which endings there are."""
    with pytest.raises(InputError, match=r"must end in \.csv, \.parquet or \.json"):
        write_frame(frame(study()), tmp_path / "t.xlsx")
    assert not list(tmp_path.iterdir())
