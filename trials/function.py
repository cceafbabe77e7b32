"""Any Python function as an objective: what it is given, and what its end means."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import Trial

from trials.errors import is_out_of_memory

TrialObjective = Callable[[Trial], Any]
"""An Optuna objective, define-by-run."""


@dataclass(frozen=True)
class Ending:
    """How a function ended.

    Attributes:
        values: One number per objective; None unless `state` is `complete`.
        error: Traceback or sentence; None unless `state` is `failed`.
        is_out_of_memory: Whether it failed for want of memory.
    """

    state: Literal["complete", "pruned", "failed"]
    values: tuple[float, ...] | None = None
    error: str | None = None
    is_out_of_memory: bool = False


class Reporter:
    """The `report` that a function `train(params, report)` is given.

    `report(value, step)` tells a value of the first objective, and raises optuna.TrialPruned when
    the trial is to stop; without `step` the calls are counted from 0. Further figures are given
    by name. With several objectives every one is given by name, and nothing is pruned.
    """

    def __init__(self, trial: Trial, names: Sequence[str]) -> None:
        self._trial = trial
        self._names = tuple(names)
        self._next_step = 0
        self.last: dict[str, float] = {}
        """The objectives as last reported, by name."""

    def __call__(
        self, value: float | None = None, step: int | None = None, **metrics: float
    ) -> None:
        """Reports figures of one step.

        Raises:
            optuna.TrialPruned: The trial is not worth going on with.
        """
        step = self._next_step if step is None else step
        self._next_step = step + 1
        if value is not None:
            metrics = {self._names[0]: value, **metrics}
        known = {name: float(metrics[name]) for name in self._names if name in metrics}
        self.last.update(known)
        for name, figure in metrics.items():
            if name not in self._names:
                self._trial.set_user_attr(name, float(figure))
        if len(self._names) == 1 and known:
            self._trial.report(known[self._names[0]], step)
            if self._trial.should_prune():
                raise optuna.TrialPruned


def with_params(
    train: Callable[[dict[str, Any], Reporter], Any], names: Sequence[str]
) -> TrialObjective:
    """`train(params, report)` as an Optuna objective whose parameters were chosen beforehand."""

    def objective(trial: Trial) -> Any:
        report = Reporter(trial, names)
        returned = train(trial.params, report)
        if returned is None and len(report.last) == len(names):
            returned = report.last
        if isinstance(returned, Mapping):
            missing = [name for name in names if name not in returned]
            if missing:
                raise KeyError(f"the result lacks {', '.join(missing)}; it has {list(returned)}")
            return tuple(returned[name] for name in names)
        return returned

    return objective


def call(objective: TrialObjective, trial: Trial, n_objectives: int) -> Ending:
    """Runs an objective to its end; whatever it raises or returns is an ending, not an error.

    Raises:
        KeyboardInterrupt: Ctrl-C ends the study, not the trial.
    """
    try:
        returned = objective(trial)
    except optuna.TrialPruned:
        return Ending("pruned")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is derived from, it is recorded
        text = "".join(traceback.format_exception(error))
        return Ending("failed", error=text, is_out_of_memory=is_out_of_memory(error))
    return _values(returned, n_objectives)


def _values(returned: Any, n_objectives: int) -> Ending:
    """What was returned as one number per objective."""
    is_several = isinstance(returned, Sequence) and not isinstance(returned, str | bytes)
    items = list(returned) if is_several else [returned]
    wanted = "a number" if n_objectives == 1 else f"{n_objectives} numbers"
    if len(items) != n_objectives:
        return Ending("failed", error=f"the objective must return {wanted}, got {_shown(returned)}")
    try:
        return Ending("complete", tuple(_number(item) for item in items))
    except Exception:  # noqa: BLE001 - an object of the caller's that is no number
        kind = type(returned).__name__
        text = f"the objective must return {wanted}, got {_shown(returned)} of type {kind}"
        return Ending("failed", error=text)


def _shown(returned: Any) -> str:
    try:
        return repr(returned)
    except Exception as error:  # noqa: BLE001 - an object of the caller's that cannot be shown
        return f"something whose repr raises {type(error).__name__}"


def _number(item: Any) -> float:
    if isinstance(item, str | bytes):
        raise TypeError
    return float(item)
