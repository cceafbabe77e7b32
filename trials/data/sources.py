"""Where data comes from: which names, files and folders a spec may give, and where they lie."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from trials.data.errors import DataError, nearest

Source: TypeAlias = str | Mapping[str, Any]

KEYS = ("file", "idx", "target", "time", "window", "horizon", "drop")
COUNTS = ("window", "horizon")
SUFFIXES = (".csv", ".csv.gz", ".npz")
TABLES = SUFFIXES[:2]
IDX = "idx:"


def resolve_source(source: Source, target: str | None, names: Collection[str]) -> Source:
    """`source` as a name, or as a mapping with an absolute path that exists.

    Args:
        source: A name; a file; `idx:` and a folder; or {file, target} or {idx}. A series has
            `time` beside the file, and perhaps `window` and `horizon`; a table may have `drop`,
            the names of columns that are left out.
        target: The column to predict; goes before the one in `source`.
        names: The data sets that have a name.

    Raises:
        DataError: There is no such name or path, or keys are unknown.
    """
    if isinstance(source, str):
        return _from_text(source, target, names)
    if not isinstance(source, Mapping):
        raise DataError(f"data: must be a name, a file or a mapping, got {source!r}")
    problems = [
        f"data: unknown key {key!r}; {nearest(key, KEYS)}" for key in source if key not in KEYS
    ]
    if ("file" in source) == ("idx" in source):
        problems.append(f"data: must have either file or idx, got {_keys(source)}")
    for key in KEYS:
        value = source.get(key)
        if key in COUNTS:
            problems += _count_problems(key, source)
        elif key == "drop":
            problems += _drop_problems(value)
        elif (
            not isinstance(value, str) and not (key == "target" and value is None) and key in source
        ):
            problems.append(f"data.{key}: must be text, got {value!r}")
    problems += [
        f"data.{key}: must be with a file {', '.join(TABLES)}"
        for key in ("time", "drop")
        if key in source and not str(source.get("file")).endswith(TABLES)
    ]
    if problems:
        raise DataError(problems)
    target = target if target is not None else source.get("target")
    if "idx" in source:
        return _folder(source["idx"], target)
    further = {key: source[key] for key in ("time", *COUNTS, "drop") if key in source}
    return dict(_file(source["file"], target)) | further


def _drop_problems(value: object) -> list[str]:
    """What is wrong with the names of columns that are left out; None stands for none."""
    is_list = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    return (
        [] if value is None or is_list else [f"data.drop: must be a list of columns, got {value!r}"]
    )


def _count_problems(key: str, source: Mapping[str, Any]) -> list[str]:
    """What is wrong with a count of rows of a series."""
    if key not in source:
        return []
    value = source[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return [f"data.{key}: must be a whole number of at least 1, got {value!r}"]
    return [] if "time" in source else [f"data.{key}: must be with time, the column of times"]


def _from_text(source: str, target: str | None, names: Collection[str]) -> Source:
    if source in names:
        if target is not None:
            raise DataError(f"data.target: must be absent for {source!r}, got {target!r}")
        return source
    if source.startswith(IDX):
        return _folder(source.removeprefix(IDX), target)
    if source.endswith(SUFFIXES) or "/" in source or "\\" in source:
        return _file(source, target)
    hint = nearest(source, names)
    raise DataError(f"data: unknown data {source!r}; {hint}, or a file {', '.join(SUFFIXES)}")


def _folder(text: str, target: str | None) -> Source:
    if target is not None:
        raise DataError(f"data.target: must be absent for IDX files, got {target!r}")
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        raise DataError(f"data.idx: must be a folder, got {text!r}")
    return {"idx": str(path)}


def _file(text: str, target: str | None) -> dict[str, str]:
    path = Path(text).expanduser().absolute()
    problems = []
    if not text.endswith(SUFFIXES):
        problems.append(f"data.file: must end in {', '.join(SUFFIXES)}, got {text!r}")
    elif not path.is_file():
        problems.append(f"data.file: no such file {text!r}")
    if target is not None and text.endswith(".npz"):
        problems.append(f"data.target: must be absent for .npz files, got {target!r}")
    if problems:
        raise DataError(problems)
    return {"file": str(path)} | ({} if target is None else {"target": target})


def _keys(source: Mapping[str, Any]) -> str:
    return ", ".join(str(key) for key in source) or "nothing"
