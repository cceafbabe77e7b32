"""What a launch hands to the processes that work on the study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stubs import StubTrainer

import tuner
from tuner import running


@pytest.mark.parametrize("query", ["", "?timeout=5"])
def test_a_relative_database_file_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """On a cluster the ledger's process has a working folder of its own."""
    urls: list[str] = []

    def work(given: Any) -> str:
        urls.append(given.url)
        return "SIGINT"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "run_inline", work)
    tuner.launch(StubTrainer, trials=1, inline=True, storage=f"sqlite:///studies.db{query}")
    assert urls == [f"sqlite:///{tmp_path}/studies.db{query}"]
