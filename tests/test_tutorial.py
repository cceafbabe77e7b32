"""The tutorial does what it says: its blocks run as written and answer as shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tuner.cli.app import commands

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FILE = "houses.yaml"


def alike(line: str) -> str:
    """A line of output without what differs from machine to machine.

    That is every number, the folder it ran in, the parameters that won, and how columns are
    filled with spaces.
    """
    line = re.sub(r"^  \w+ = .*", "  a parameter", line)
    line = re.sub(r"/\S+(?=/tuner-artifacts)", "", line)
    line = re.sub(r"\d[\d.e+-]*", "#", line)
    return re.sub(r" +", " ", line).strip()


def lines_of(text: str) -> list[str]:
    """The command lines of a block; a backslash at its end carries a line on."""
    return text.replace("\\\n", " ").splitlines()


def run(program: list[str], folder: Path) -> str:
    """What a program of the page writes to standard output; it must succeed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    environment.pop("TUNER_STORAGE", None)
    ran = subprocess.run(
        program,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert ran.returncode == 0, f"{shlex.join(program)}: {ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which all blocks were run, in their order, and what they said."""
    folder = tmp_path_factory.mktemp("houses")
    said = ""
    for language, text in BLOCKS:
        if language == "python":
            run([sys.executable, "-c", text], folder)
        elif language == "yaml":
            (folder / FILE).write_text(text, encoding="utf-8")
        elif language == "sh":
            for program, *words in map(shlex.split, lines_of(text)):
                assert program == "tuner"
                said += run([sys.executable, "-m", "tuner", *words], folder)
    return folder, said


def test_output_is_as_shown(houses: tuple[Path, str]) -> None:
    """Every line that the page shows as output was said, but for numbers and paths."""
    said = {alike(line) for line in houses[1].splitlines()}
    shown = {line for language, text in BLOCKS if language == "text" for line in text.splitlines()}
    assert len(shown) > 20
    assert {alike(line) for line in shown} - said == set()


def test_named_files_are_there(houses: tuple[Path, str]) -> None:
    """The report is one file that asks for nothing, the model has its card, the table its rows."""
    folder = houses[0]
    report = (folder / "houses.html").read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=[\"']?https?:", report)
    assert "load_state_dict" in (folder / "model" / "model_card.md").read_text(encoding="utf-8")
    assert len((folder / "trials.csv").read_text(encoding="utf-8").splitlines()) == 61


def test_error_in_the_mean_is_that_of_the_test_line() -> None:
    """The sentence on the mean error repeats the figure above it, rounded."""
    (figure,) = set(re.findall(r"test_mae=([\d.]+)", PAGE))
    assert f"off by {round(float(figure)):,} in the mean" in PAGE


def test_commands_that_are_not_run_exist() -> None:
    """The lines of a console name targets of the Makefile and commands that there are."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = "".join(text for language, text in BLOCKS if language == "console")
    for program, *words in (shlex.split(line.removeprefix("$ ")) for line in text.splitlines()):
        if program == "make":
            assert re.search(rf"^{words[0]}:", makefile, re.MULTILINE)
        elif program == "tuner":
            assert words == ["launch", FILE]
            assert words[0] in commands.commands


def test_five_commands_suffice() -> None:
    """From the checkout to the report it takes no more than five commands."""
    before_look = PAGE.split("## Look")[0]
    lines = [
        line
        for language, text in re.findall(
            r"^```(console|sh)\n(.*?)^```", before_look, re.MULTILINE | re.DOTALL
        )
        for line in lines_of(text)
    ]
    assert len(lines) <= 5
