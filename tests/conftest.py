"""Fixtures that every test may use."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from pathlib import Path

import pytest
import torch

if importlib.util.find_spec("optuna") is not None:  # `pytest -m gpu` goes without
    importlib.import_module("optuna").logging.set_verbosity(logging.WARNING)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tests train on one thread, so that results are bitwise alike on every machine."""
    torch.set_num_threads(1)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
