"""`best` and `replay` print what they found and tell programs by exit code and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.model_folder import SavedTrial
from tuner.replaying import Difference, Replay

Run = Callable[..., Any]


@pytest.fixture
def saved(launched: dict[str, Any], study: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `save_best` was called with; it gives trial 3, trained again."""
    calls: dict[str, Any] = {}

    def save_best(_self: Any, folder: Path, **given: Any) -> list[SavedTrial]:
        calls.update(given, folder=folder)
        print("from a trainer")  # noqa: T201 (what is tested is where it goes)
        return [SavedTrial(3, folder, (0.25,), {"units": 64}, {"accuracy": 0.9}, True)]

    monkeypatch.setattr(type(study), "save_best", save_best, raising=False)
    return calls


def replaying(study: Any, monkeypatch: pytest.MonkeyPatch, found: Replay) -> None:
    """`replay` finds `found`."""
    monkeypatch.setattr(type(study), "replay", lambda *_a, **_k: found, raising=False)


def test_best_names_trial_folder_and_test_figures(tuner: Run, saved: dict[str, Any]) -> None:
    """Options reach the study; that weights were trained again is no result but a note."""
    ran = tuner("best", "digits-mlp", "--out", "x", "--trial", "3", "--force")
    assert ran.code == 0
    assert "trial 3: 0.25 in x" in ran.out
    assert "accuracy=0.9" in ran.out
    assert "trained again" in ran.err
    assert saved == {"folder": Path("x"), "trial": 3, "objective": None, "force": True}


def test_best_as_json(tuner: Run, saved: dict[str, Any]) -> None:
    """--json prints one object and nothing that a trainer prints."""
    said = json.loads(tuner("best", "digits-mlp", "--out", "x", "--json").out)
    assert said["trials"] == [
        {
            "trial": 3,
            "folder": "x",
            "values": [0.25],
            "params": {"units": 64},
            "test": {"accuracy": 0.9},
            "was_retrained": True,
        }
    ]


def test_an_identical_replay_is_exit_code_0(
    tuner: Run, launched: dict[str, Any], study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says that every figure is the same."""
    replaying(study, monkeypatch, Replay(1, "identical", 60, 20))
    ran = tuner("replay", "digits-mlp", "1")
    assert (ran.code, ran.out) == (0, "trial 1: identical (60 figures of 20 steps)\n")


def test_rounding_is_exit_code_0_and_says_where(
    tuner: Run, launched: dict[str, Any], study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest difference is shown with its step and both figures in full."""
    largest = Difference(7, "loss", 0.1, 0.1000001)
    replaying(study, monkeypatch, Replay(1, "rounding", 60, 20, largest, ("device cpu, now x",)))
    ran = tuner("replay", "digits-mlp", "1")
    assert ran.code == 0
    assert "loss at step 7: 0.1, now 0.1000001" in ran.out
    assert "perhaps because: device cpu, now x" in ran.out


def test_a_difference_is_exit_code_1(
    tuner: Run, launched: dict[str, Any], study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it raised is shown inert, and JSON holds everything."""
    largest = Difference(None, "value", 1.0, float("nan"))
    found = Replay(1, "different", 1, 0, largest, (), "Traceback\nValueError: \x1b[31m")
    replaying(study, monkeypatch, found)
    ran = tuner("replay", "digits-mlp", "1")
    assert ran.code == 1
    assert "value as returned: 1.0, now nan" in ran.out
    assert "it raised: ValueError: \\x1b[31m" in ran.out
    ran = tuner("replay", "digits-mlp", "1", "--json")
    assert ran.code == 1
    said = json.loads(ran.out)
    assert (said["study"], said["verdict"]) == ("digits-mlp", "different")
    assert said["largest"] == {"step": None, "name": "value", "stored": 1.0, "now": None}
