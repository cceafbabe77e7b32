"""What cannot be used is refused with one line a mistake, before anything is written or run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crashes import N_TRIALS, launch, trials_of
from history import check_history
from stubs import StubTrainer

from tuner.cli import main
from tuner.errors import StudyExistsError

LAUNCH = ["launch", "--inline", "--no-report", "--study", "t", "--trials", "2"]
MLP = [*LAUNCH, "--trainer", "mlp", "--data", "iris"]


@pytest.fixture
def run(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str]]]:
    """Runs a command in a folder of its own; returns its code and what it complains of."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        code = main([*words, "--storage", url])
        return code, capsys.readouterr().err.splitlines()

    return call


def left_in(folder: Path) -> dict[str, bytes]:
    """Every file with what it holds."""
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


Harm = Callable[[Path], None]


def cut(path: Path) -> None:
    """The end of the file is missing."""
    path.write_bytes(path.read_bytes()[:-5000])


def overwrite(path: Path) -> None:
    """A page holds something else."""
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\0" * 4096
    path.write_bytes(bytes(content))


def replace(path: Path) -> None:
    """The file is a text."""
    path.write_text("no database\n" * 1000, encoding="utf-8")


def newer(path: Path) -> None:
    """A later version of the tuner made it."""
    _sql(path, "UPDATE tuner_version SET version = 99")


def newer_optuna(path: Path) -> None:
    """A later version of Optuna made it."""
    _sql(path, "UPDATE alembic_version SET version_num = 'v9'")


def older_optuna(path: Path) -> None:
    """An early version of Optuna made it."""
    _sql(path, "UPDATE alembic_version SET version_num = 'v2.6.0.a'")


def foreign(path: Path) -> None:
    """Another program made it."""
    path.unlink()
    _sql(path, "CREATE TABLE studies (name TEXT)")


def _sql(path: Path, statement: str) -> None:
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute(statement)
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()


@pytest.mark.parametrize(
    "harm", [cut, overwrite, replace, newer, newer_optuna, older_optuna, foreign]
)
def test_a_database_that_cannot_be_used_is_left_as_it_is(
    run: Callable[..., tuple[int, list[str]]], url: str, tmp_path: Path, harm: Harm
) -> None:
    """Whatever command: exit 3, one line that names the file, and not a byte is changed."""
    launch(url, trials=3)
    path = Path(url.removeprefix("sqlite:///"))
    harm(path)
    for extra in ("studies.db-wal", "studies.db-shm"):
        (tmp_path / extra).unlink(missing_ok=True)
    before = left_in(tmp_path)
    for words in (MLP, ["resume", "s", "--inline"], ["show", "s"], ["stop", "s"], ["studies"]):
        code, said = run(*words)
        assert code == 3, words
        assert len(said) == 1, words
        assert "studies.db" in said[0]
    assert left_in(tmp_path) == before


def test_a_database_in_use_is_exit_3_and_goes_on_later(
    run: Callable[..., tuple[int, list[str]]], url: str, undisturbed: list[Any]
) -> None:
    """A launch that waited too long for another process's lock says so; later it works."""
    import sqlite3

    launch(url)
    writer = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    code = main([*MLP, "--storage", f"{url}?timeout=0.1"])
    writer.execute("ROLLBACK")
    writer.close()
    assert code == 3
    assert run(*MLP)[0] == 0
    check_history(url, "t", n_trials=2)
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == undisturbed


OBJECTIVES = """
import sys
def needs_two(trial, other): ...
def keyword(*, trial): ...
number = 3
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--objective", "nowhere:f"],
        ["--objective", "mine:nothing"],
        ["--objective", "mine:number"],
        ["--objective", "mine:needs_two"],
        ["--objective", "mine:keyword"],
        ["--objective", "broken:f"],
        ["--objective", "leaving:f"],
        ["--trainer", "mlp", "--data", "iris", "--set", "space.learning_rate.low=2"],
        ["--trainer", "mlp", "--data", "nowhere"],
        ["--trainer", "mlp", "--data", "iris", "--set", "space.x=1"],
        ["--trainer", "mlp", "--data", "iris", "--sampler", "tpee"],
        ["--trainer", "mlp", "--data", "iris", "--lanes", "-1"],
    ],
    ids=lambda words: " ".join(words[-2:]),
)
def test_mistakes_are_exit_2_and_leave_no_database(
    run: Callable[..., tuple[int, list[str]]], tmp_path: Path, words: list[str]
) -> None:
    """Code that cannot be used, and a spec that makes no sense: one line, nothing is begun."""
    (tmp_path / "mine.py").write_text(OBJECTIVES, encoding="utf-8")
    (tmp_path / "broken.py").write_text("raise RuntimeError('no GPU')", encoding="utf-8")
    (tmp_path / "leaving.py").write_text("raise SystemExit(0)", encoding="utf-8")
    code, said = run(*LAUNCH, *words)
    assert code == 2
    assert len(said) == 1
    assert not (tmp_path / "studies.db").exists()
    assert not (tmp_path / "studies-artifacts").exists()


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(97 + n)}: &{chr(97 + n)} [{','.join(['*' + chr(96 + n)] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("trials: [1", 1),
        ("trials: 3\ntrials: 4", 2),
        ("trials:\n\t3", 2),
        (BOMB, None),
        ("study: !!python/object/apply:os.system ['touch ran']", 1),
        ("objective: builtins:repr", 1),
        ("trails: 3", 1),
        ("trainer: mlp\ntrials: many", 2),
        ("trainer: mlp\nspace:\n  dropout: {type: float, low: 0.9, high: 0.1}", 3),
        ("trainer: mlp\nspace:\n  learning_rate: {type: float, low: 0, high: 1, log: true}", 3),
        ("trainer: mlp\nspace:\n  activation: {type: categorical, choices: []}", 3),
        ("study: 'a\\0b'\ntrainer: 3", 2),
        ("\0", None),
    ],
    ids=range(13),
)
def test_bad_yaml_is_refused_and_runs_nothing(
    run: Callable[..., tuple[int, list[str]]], tmp_path: Path, text: str, line: int | None
) -> None:
    """Each mistake is exit 2 with file and line; no code ran and no database was made."""
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    for command in (["check"], ["launch", "--inline", "--no-report"]):
        code, said = run(command[0], "spec.yaml", *command[1:])
        assert code == 2
        assert said[0].startswith("spec.yaml:" if line is None else f"spec.yaml:{line}:")
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"]


ROWS = [f"{i},{i % 7},{'cd'[i % 2]}" for i in range(60)]


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([], "empty"),
        (["a,b,y"], "row"),
        (["a,b,y", "1,2,c"], "row"),
        (["a,b,z", *ROWS], "'y'"),
        (["a,b,y", *(f",{i},{'cd'[i % 2]}" for i in range(60))], "'a'"),
        (["a,b,y", *(f"{i},{i % 7},c" for i in range(60))], "class"),
        (["a,b,y", *ROWS, "1,2"], "62"),
        (["a,b,y", *ROWS, "1,2,"], "y"),
    ],
    ids=["empty", "header", "one row", "no column", "all NaN", "one class", "short", "no label"],
)
def test_bad_data_are_refused_by_column_and_row(
    run: Callable[..., tuple[int, list[str]]], tmp_path: Path, lines: list[str], named: str
) -> None:
    """A table that nothing can be trained on is exit 2 before there is a study."""
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    code, said = run(*LAUNCH, "--trainer", "mlp", "--data", "t.csv", "--target", "y")
    assert code == 2
    assert named in " ".join(said)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("keys", "difference"),
    [
        ({"space": {"x": {"type": "float", "low": -1.0, "high": 2.0}}}, "space"),
        ({"objectives": ["gain"]}, "objectives"),
        ({"data": "wine"}, "data"),
        ({"seed": 9}, "seed"),
        ({"sampler": {"name": "tpe"}}, "sampler"),
    ],
    ids=["space", "direction", "data", "seed", "sampler"],
)
def test_a_name_belongs_to_one_study(
    url: str, undisturbed: list[Any], keys: dict[str, Any], difference: str
) -> None:
    """The same name with another space, direction or data is refused with the difference."""
    launch(url)
    with pytest.raises(StudyExistsError, match=rf"exists with another spec \(.*{difference}"):
        launch(url, **keys)
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == undisturbed


def test_a_second_launch_is_told_who_runs_the_study(url: str, undisturbed: list[Any]) -> None:
    """It is told process and time of the owner, and leaves the study to it."""
    told: list[str] = []

    class Visited(StubTrainer):
        """Somebody else wants its study meanwhile."""

        def cohort(self, structure: object) -> Any:
            if not told:
                with pytest.raises(StudyExistsError) as caught:
                    launch(url)
                told.append(str(caught.value))
            return super().cohort(structure)

    launch(url, Visited)
    assert f"process {os.getpid()} on " in told[0]
    assert "since" in told[0]
    check_history(url, "s", n_trials=N_TRIALS)
    assert trials_of(url) == undisturbed
