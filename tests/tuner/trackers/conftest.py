"""A small study with every kind of trial, to be told to trackers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tracked_objective import objective

import tuner
from tuner.study import Study


@pytest.fixture
def launch(url: str) -> Callable[..., Study]:
    """Runs the objective in this process; called again with more trials, it goes on."""

    def run(trials: int = 5, **keys: Any) -> Study:
        given = {"study": "s ✓ <b>", "storage": url, "inline": True, "trials": trials}
        return tuner.launch(objective, **(given | keys))

    return run
