"""Sources: names, files and folders of a spec, and what they resolve to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trials.data import DataError, load, resolve


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a table, an archive and a folder in it."""
    rows = "".join(f"{i},{i / 3}\n" for i in range(20))
    (tmp_path / "t.csv").write_text("a,y\n" + rows)
    (tmp_path / "a.npz").write_bytes(b"")
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_paths_become_absolute(folder: Path) -> None:
    """Every form resolves to what another process can open, and resolving again changes nothing."""
    table = {"file": str(folder / "t.csv"), "target": "y"}
    assert resolve("iris") == "iris"
    assert resolve("t.csv", "y") == table
    assert resolve({"file": "t.csv", "target": "a"}, "y") == table
    assert resolve({"file": "./t.csv", "target": "y"}) == table
    assert resolve("a.npz") == {"file": str(folder / "a.npz")}
    assert resolve("idx:images") == {"idx": str(folder / "images")}
    assert resolve({"idx": "images"}) == {"idx": str(folder / "images")}
    assert resolve(resolve("t.csv", "y")) == table
    assert resolve({"file": "t.csv", "drop": ["b"]}, "y") == table | {"drop": ["b"]}


def test_all_forms_load_alike(folder: Path) -> None:
    """A shorthand and its mapping are the same data."""
    one, other = load("t.csv", target="y"), load({"file": "t.csv", "target": "y"})
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        ("nothing.csv", None, "data.file: no such file 'nothing.csv'"),
        ("t.csvv", None, "data: unknown data 't.csvv'"),
        ("./images", None, "data.file: must end in .csv, .csv.gz, .npz, got './images'"),
        ("a.npz", "y", "data.target: must be absent for .npz files, got 'y'"),
        ("idx:nowhere", None, "data.idx: must be a folder, got 'nowhere'"),
        ({"flie": "t.csv"}, None, "data: unknown key 'flie'; did you mean 'file'?"),
        ({}, None, "data: must have either file or idx, got nothing"),
        ({"file": "t.csv", "idx": "d"}, None, "data: must have either file or idx, got file, idx"),
        ({"file": 3}, None, "data.file: must be text, got 3"),
        ({"file": "t.csv", "target": 3}, None, "data.target: must be text, got 3"),
        ({"file": "t.csv", "drop": "a"}, None, "data.drop: must be a list of columns, got 'a'"),
        (
            {"file": "a.npz", "drop": ["a"]},
            None,
            "data.drop: must be with a file .csv, .csv.gz",
        ),
        (None, None, "data: must be a name, a file or a mapping, got None"),
    ],
)
def test_wrong_sources(folder: Path, source: Any, target: str | None, found: str) -> None:
    """What cannot be found or does not belong is named, with what there is."""
    with pytest.raises(DataError) as caught:
        resolve(source, target)
    assert caught.value.problems[0].startswith(found)
