"""The trials of a study as a table, in memory and in a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tuner.errors import InputError
from tuner.files import check_ordinary, whole_file
from tuner.report.text import encodable, inert_cell

if TYPE_CHECKING:
    from tuner.report.data import StudyRecord

_FIRST = ("number", "state")
_LAST = ("started", "ended", "attempts", "lane", "reason")


def frame(study: StudyRecord) -> pd.DataFrame:
    """One row a trial: number, state, a column for each objective and parameter, times, reason.

    Parameters are under `params_<name>`, as in Optuna's own table, since one may be called as an
    objective is; an objective that is called as another column is under `values_<name>`.
    """
    parameters = sorted({name for trial in study.trials for name in trial.params})
    others = {*_FIRST, *_LAST, *(f"params_{name}" for name in parameters)}
    names = _apart([name for name, _, _ in study.objectives], others)
    rows = []
    for trial in sorted(study.trials, key=lambda trial: trial.number):
        values = [*(trial.values or ()), *(None for _ in names)][: len(names)]
        rows.append(
            [trial.number, trial.state, *values]
            + [trial.params.get(name) for name in parameters]
            + [trial.started, trial.ended, trial.n_attempts, trial.lane, trial.reason]
        )
    columns = [*_FIRST, *names, *(f"params_{name}" for name in parameters), *_LAST]
    # pandas keeps text as UTF-8, so it refuses what that lacks.
    cells = [[encodable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    return pd.DataFrame(cells, columns=[encodable(name) for name in columns])


def write_frame(table: pd.DataFrame, path: Path) -> None:
    """Writes the table as its file's ending says: .csv, .parquet or .json; whole or not at all.

    Text that a spreadsheet would take for a formula gets an apostrophe before it in a CSV file.

    Raises:
        InputError: Another ending, or something else than an ordinary file is there.
        OSError: The file cannot be written.
    """
    check_ordinary(path, "export")
    ending = path.suffix.lower()
    with whole_file(path) as partial:
        if ending == ".csv":
            # All text is quoted: pandas would leave a lone carriage return bare.
            table = table.rename(columns=_inert).map(_inert)
            table.to_csv(partial, index=False, quoting=csv.QUOTE_NONNUMERIC)
        elif ending == ".parquet":
            _typed(table).to_parquet(partial, index=False)
        elif ending == ".json":
            table.to_json(partial, orient="records", date_format="iso", indent=1)
        else:
            raise InputError(f"export: file must end in .csv, .parquet or .json, got {path.name!r}")


def _apart(names: Sequence[str], others: Set[str]) -> list[str]:
    """The names, those that other columns have with `values_` before them."""
    taken = {*others, *names}
    apart = []
    for name in names:
        own = name
        while own in others or (own != name and own in taken):
            own = f"values_{own}"
        taken.add(own)
        apart.append(own)
    return apart


def _inert(cell: object) -> object:
    return inert_cell(cell) if isinstance(cell, str) else cell


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Columns as text that Parquet has no type for: mixed kinds (choices such as 1 and "auto"), and
    whole numbers beyond 64 bits.
    """
    untyped = [
        name
        for name in table.columns
        if table[name].dtype == object and not _has_type(list(table[name].dropna()))
    ]
    return table.astype(dict.fromkeys(untyped, str)) if untyped else table


def _has_type(cells: list[object]) -> bool:
    is_large = any(isinstance(cell, int) and not -(2**63) <= cell < 2**63 for cell in cells)
    return len({type(cell) for cell in cells}) <= 1 and not is_large
