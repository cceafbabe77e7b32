"""The trials of a study as a table, in memory and in a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tuner.errors import InputError

if TYPE_CHECKING:
    from tuner.report.data import StudyRecord

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def frame(study: StudyRecord) -> pd.DataFrame:
    """One row a trial: number, state, a column for each objective and parameter, times, reason.

    Parameters are under `params_<name>`, as in Optuna's own table, since one may be called as an
    objective is.
    """
    names = [name for name, _, _ in study.objectives]
    parameters = sorted({name for trial in study.trials for name in trial.params})
    rows = []
    for trial in sorted(study.trials, key=lambda trial: trial.number):
        values = trial.values or (None,) * len(names)
        rows.append(
            [trial.number, trial.state, *values]
            + [trial.params.get(name) for name in parameters]
            + [trial.started, trial.ended, trial.n_attempts, trial.lane, trial.reason]
        )
    columns = ["number", "state", *names, *(f"params_{name}" for name in parameters)]
    columns += ["started", "ended", "attempts", "lane", "reason"]
    return pd.DataFrame(rows, columns=columns)


def write_frame(table: pd.DataFrame, path: Path) -> None:
    """Writes the table as its file's ending says: .csv, .parquet or .json; whole or not at all.

    Text that a spreadsheet would take for a formula gets an apostrophe before it in a CSV file.

    Raises:
        InputError: Another ending.
        OSError: The file cannot be written.
    """
    ending = path.suffix.lower()
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if ending == ".csv":
            table.rename(columns=_inert).map(_inert).to_csv(partial, index=False)
        elif ending == ".parquet":
            _typed(table).to_parquet(partial, index=False)
        elif ending == ".json":
            table.to_json(partial, orient="records", date_format="iso", indent=1)
        else:
            raise InputError(f"export: file must end in .csv, .parquet or .json, got {path.name!r}")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Columns of mixed kinds (choices such as 1 and "auto") as text, since Parquet has no mix."""
    mixed = [
        name
        for name in table.columns
        if table[name].dtype == object and len({type(cell) for cell in table[name].dropna()}) > 1
    ]
    return table.astype(dict.fromkeys(mixed, str)) if mixed else table
