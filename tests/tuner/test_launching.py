"""What a launch hands to the processes that work on the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stubs import StubTrainer

import tuner
from tuner import running


@pytest.mark.parametrize("name", ["studies.db", "studies.db?timeout=5", "my%20studies.db"])
def test_a_relative_database_file_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """On a cluster the ledger's process has a working folder of its own.

    Files of the study stand beside the database, whatever its name.
    """
    given: list[Any] = []

    def work(asked: Any) -> str:
        given.append(asked)
        return "SIGINT"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "run_inline", work)
    study = tuner.launch(StubTrainer, trials=1, inline=True, storage=f"sqlite:///{name}")
    file = name.partition("?")[0].replace("%20", " ")
    monkeypatch.chdir("/")
    assert tuner.load(study.name, storage=given[0].url).name == study.name
    assert given[0].folder == tmp_path / file.replace(".db", "-artifacts") / "study-1"
