"""`check` names every mistake at once, and none that only follows from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.cli import main, service
from tuner.errors import InputError

Where = set[str]


def problems(path: Path, text: str) -> list[str]:
    """What is wrong with a spec file, each line without the file's name."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        service.check_spec(path, {"storage": f"sqlite:///{path.parent}/s.db"}, ())
    return [line.removeprefix(f"{path}:") for line in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (
            "trainer: mlp\nepochs: 0\ntrails: 5\ndata: digitz\nsampler: tpee\npruner: asha\n",
            ["2: epochs", "3: trails", "4: data", "5: sampler.name"],
        ),
        (
            "trainer: mlpp\nepochs: 0\nsampler: tpee\n",
            ["1: trainer", "2: epochs", "3: sampler.name"],
        ),
        # Nothing is said of what fits a trainer or data that are not known.
        ("trainer: 5\ntarget: y\nspace: {units: 5}\n", ["1: trainer"]),
        ("trainer: mlp\ndata: {file: a.csv, tiem: t}\ntarget: y\n", ["2: data.tiem"]),
        # Nor of a function without the space that it is called with.
        ("objective: own:f\nspace: 5\n", ["1: objective", "2: space"]),
        ("trainer: mlp\nspace: 5\nsampler: grid\nepochs: 0\n", ["2: space", "4: epochs"]),
        ("trials: 0\n", ["1: trials", "trainer"]),
        ("trainer: mlp\ntarget: a\ndata: {name: iris, target: b}\n", ["2: target"]),
        ("trainer: mlp\nlanes: 0\nartifacts: /dev/null\n", ["2: lanes", "3: artifacts"]),
    ],
)
def test_all_mistakes_are_named_at_once(tmp_path: Path, text: str, places: list[str]) -> None:
    """Mistakes in keys, in data and around the study come together, each with its line."""
    found = problems(tmp_path / "spec.yaml", text)
    assert sorted(":".join(line.split(":")[: 1 + line[0].isdigit()]) for line in found) == places


def test_launch_names_them_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options that cannot be read do not hide a sampler that is not there."""
    storage = f"sqlite:///{tmp_path}/s.db"
    given = ["--trainer", "mlp", "--trials", "0", "--sampler", "tpee", "--storage", storage]
    assert main(["launch", *given]) == 2
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "trials",
        "sampler.name",
    ]
    assert not (tmp_path / "s.db").exists()


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("sqlite:////nowhere/at/all.db", "/nowhere/at"),
        ("sqlite:////tmp", "must be a file"),
        ("mysql+nodriver://me:geheim@host/d", "its driver is missing"),
        ("me:geheim@host/d", "must be a database URL"),
    ],
)
@pytest.mark.parametrize("command", ["check", "launch", "show"])
def test_a_database_that_cannot_be_is_bad_input(
    capsys: pytest.CaptureFixture[str], command: str, storage: str, message: str
) -> None:
    """Every command refuses it with exit code 2, one line and no password."""
    given = ["s"] if command == "show" else ["--trainer", "mlp", "--data", "iris"]
    if command == "launch":
        given.append("--inline")
    assert main([command, *given, "--storage", storage]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert "geheim" not in said


def test_check_takes_a_good_spec(tmp_path: Path) -> None:
    """Nothing is written, and what was left open is filled in."""
    path = tmp_path / "spec.yaml"
    path.write_text("trainer: mlp\ndata: iris\n", encoding="utf-8")
    spec = service.check_spec(path, {"storage": f"sqlite:///{tmp_path}/s.db"}, ())
    assert spec.pruner is not None
    assert sorted(tmp_path.iterdir()) == [path]
