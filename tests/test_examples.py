"""Every example says how it is launched, and every trainer has one."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from trials import TRAINERS
from tuner.spec import read_spec

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_first_line_launches_the_example(path: Path) -> None:
    """It is a command for the root of the project, and the second says what is to be seen."""
    first, second, *_ = path.read_text(encoding="utf-8").splitlines()
    command = shlex.split(first.removeprefix("# "))
    assert command[:3] == ["tuner", "launch", f"examples/{path.name}"]
    assert second.startswith("# ")


def test_every_trainer_has_an_example() -> None:
    """A ready file to start from."""
    assert {read_spec(path, environment={}).trainer for path in EXAMPLES} == set(TRAINERS)
