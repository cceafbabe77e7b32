"""What a function's end means for its trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest

from trials.function import call, with_params


def run(function: Callable[[optuna.Trial], Any], n_objectives: int = 1) -> Any:
    """The ending of a function with a trial of an in-memory study."""
    directions = ["minimize"] * n_objectives
    study = optuna.create_study(
        directions=directions, pruner=optuna.pruners.ThresholdPruner(upper=9)
    )
    return call(function, study.ask(), n_objectives)


@pytest.mark.parametrize("value", [1.5, 2, True, np.float32(0.5), np.array(3.0), np.int64(4)])
def test_a_number_of_any_kind_is_a_value(value: Any) -> None:
    """Python and NumPy scalars complete the trial."""
    assert run(lambda trial: value).values == (float(value),)


@pytest.mark.parametrize("value", [None, "1.0", (1.0, 2.0), [], {"a": 1}, object()])
def test_anything_else_fails_with_its_type(value: Any) -> None:
    """A result that is no number fails the trial and says what it was."""
    ending = run(lambda trial: value)
    assert ending.state == "failed"
    assert "must return a number" in ending.error


def test_several_objectives_need_as_many_numbers() -> None:
    """Two objectives take a pair, and refuse one number."""
    assert run(lambda trial: (1, 2.0), 2).values == (1.0, 2.0)
    assert "2 numbers" in run(lambda trial: 1.0, 2).error


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), ZeroDivisionError()])
def test_what_a_function_raises_is_kept_as_a_traceback(error: BaseException) -> None:
    """Exceptions and sys.exit fail the trial with their traceback."""

    def objective(trial: optuna.Trial) -> float:
        raise error

    ending = run(objective)
    assert ending.state == "failed"
    assert type(error).__name__ in ending.error


def test_an_interrupt_is_not_swallowed() -> None:
    """Ctrl-C inside a function is not the trial's failure."""

    def objective(trial: optuna.Trial) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(objective)


def test_report_stops_the_trial_when_it_should() -> None:
    """`report` raises TrialPruned where `should_prune` is true, and the ending is pruned."""
    seen = []

    def train(params: dict[str, Any], report: Any) -> None:
        for step in range(5):
            seen.append(step)
            report(4.0 * step)

    assert run(with_params(train, ["value"])).state == "pruned"
    assert seen == [0, 1, 2, 3]


def test_without_a_result_the_last_report_is_the_value() -> None:
    """A function that returns None has the value it reported last."""

    def train(params: dict[str, Any], report: Any) -> None:
        report(3.0)
        report(2.0)

    assert run(with_params(train, ["value"])).values == (2.0,)


def test_a_mapping_is_read_by_the_names_of_the_objectives() -> None:
    """Objectives are taken by name from a returned mapping; a missing one is named."""
    two = with_params(lambda params, report: {"b": 2, "a": 1, "c": 3}, ["a", "b"])
    assert run(two, 2).values == (1.0, 2.0)
    assert "lacks b" in run(with_params(lambda params, report: {"a": 1}, ["a", "b"]), 2).error
