"""Whether a stored trial can be had again: it is trained alone and its whole curve compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias

import optuna
from optuna.trial import FrozenTrial, TrialState

from trials.contract import ask_for
from trials.errors import TRAINING_ERRORS
from trials.function import call, with_params
from tuner.environment import environment
from tuner.errors import InputError
from tuner.judge import REASON
from tuner.retraining import row_of, threads, trained_alone
from tuner.scratch import scratch_study
from tuner.spec import difference

if TYPE_CHECKING:
    from trials.contract import Trainer
    from tuner.resolve import Resolved
    from tuner.storage import Attempt, Storage

ROUNDING = 1e-5
"""Relative difference up to which figures are the same but for the order of float32 sums."""

Verdict = Literal["identical", "rounding", "different"]

Curve: TypeAlias = "dict[tuple[int | None, str], float]"
"""Figure by epoch (or step of a function) and name; what a function returned has no step."""


@dataclass(frozen=True)
class Difference:
    """One figure that came out otherwise.

    Attributes:
        step: Epoch, or step of a function; None for what a function returned.
    """

    step: int | None
    name: str
    stored: float
    now: float

    @property
    def relative(self) -> float:
        """The difference over the larger of both, infinite where one is not finite."""
        if not (math.isfinite(self.stored) and math.isfinite(self.now)):
            return math.inf
        return abs(self.stored - self.now) / max(abs(self.stored), abs(self.now))


@dataclass(frozen=True)
class Replay:
    """How a trial came out when it was trained again.

    Attributes:
        trial: Its number.
        verdict: `identical` bit for bit, the same but for `rounding`, or `different`.
        n_figures: Stored figures that were compared.
        n_steps: Epochs, or steps of a function, that they are of.
        largest: The largest relative difference; None where there is none.
        reasons: What may have caused a difference, a line each.
        error: What it raised now, or None.
    """

    trial: int
    verdict: Verdict
    n_figures: int
    n_steps: int
    largest: Difference | None = None
    reasons: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class _Outcome:
    """What was found by training again: its curve, and how it ended if it ended by itself."""

    curve: Curve
    device: str = "cpu"
    error: str | None = None


def replay(storage: Storage, study_id: int, resolved: Resolved, number: int) -> Replay:
    """The trial, trained or called once more from what is stored of it.

    Args:
        storage: Where the study is; nothing is written.
        study_id: The study.
        resolved: Its spec, ready to run.
        number: Of the trial.

    Raises:
        InputError: There is no such trial, or it was not run by this study.
    """
    trial = find_trial(storage, study_id, number)
    attempts = [a for a in storage.records.attempts(study_id) if a.trial_id == trial._trial_id]
    if not attempts:
        raise InputError(f"trial {number}: was not run by this study, so there is no replay of it")
    if resolved.trainer is None:
        stored = _function_curve(trial, resolved)
        outcome = _call_again(storage, study_id, resolved, trial)
    else:
        stored = _trainer_curve(storage, study_id, trial, resolved)
        outcome = _train_again(resolved, trial, _n_epochs(stored), attempts[-1])
    return _compared(storage, study_id, resolved, trial, stored, outcome, attempts[-1])


def find_trial(storage: Storage, study_id: int, number: int) -> FrozenTrial:
    """The trial of that number.

    Raises:
        InputError: There is none.
    """
    trials = storage.get_all_trials(study_id, deepcopy=False)
    if not 0 <= number < len(trials):
        known = f"0 to {len(trials) - 1}" if trials else "no trial"
        raise InputError(f"trial {number}: is not in the study, which has {known}")
    return trials[number]


def _trainer_curve(
    storage: Storage, study_id: int, trial: FrozenTrial, resolved: Resolved
) -> Curve:
    """Every stored figure of a trainer's trial; a later attempt's replace an earlier one's."""
    curve: Curve = {}
    for metric in storage.records.metrics(study_id, trial._trial_id):
        curve[metric.step, metric.name] = metric.value
    for step, value in trial.intermediate_values.items():
        curve[step, resolved.objectives[0].name] = value
    return curve


def _function_curve(trial: FrozenTrial, resolved: Resolved) -> Curve:
    """What a function reported and returned."""
    names = [objective.name for objective in resolved.objectives]
    curve: Curve = {(step, names[0]): v for step, v in trial.intermediate_values.items()}
    if trial.state == TrialState.COMPLETE:
        curve |= {(None, name): v for name, v in zip(names, trial.values, strict=True)}
    return curve


def _n_epochs(curve: Curve) -> int:
    return max((step for step, _ in curve if step is not None), default=0)


def _train_again(
    resolved: Resolved, trial: FrozenTrial, n_epochs: int, attempt: Attempt
) -> _Outcome:
    """The curve of the trial alone; one that failed is given the epoch in which it failed."""
    import torch

    trainer = resolved.trainer
    assert trainer is not None
    device = "cpu"
    if attempt.device != "cpu" and torch.cuda.is_available():
        build: Callable[..., Trainer] = type(trainer)
        trainer, device = build(resolved.data, device="cuda"), torch.cuda.get_device_name()
        ask_for(trainer, resolved.objectives)
    n_epochs += trial.state == TrialState.FAIL
    curve: Curve = {}
    error = None
    with threads(resolved):
        try:
            for progress, _ in islice(trained_alone(trainer, row_of(resolved, trial)), n_epochs):
                curve |= {(progress.epoch, name): v for name, v in progress.metrics.items()}
        except OSError:
            raise
        except TRAINING_ERRORS as raised:
            error = f"{type(raised).__name__}: {raised}"
    return _Outcome(curve, device, error)


def _call_again(
    storage: Storage, study_id: int, resolved: Resolved, trial: FrozenTrial
) -> _Outcome:
    """The curve of a function that is called with the trial's number and parameters."""
    study = scratch_study(
        directions=[objective.direction for objective in resolved.objectives],
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=_PruneWhere(trial),
    )
    nobody = optuna.trial.create_trial(state=TrialState.FAIL)
    for earlier in storage.get_all_trials(study_id)[: trial.number]:
        study.add_trial(earlier if earlier.state.is_finished() else nobody)
    study.enqueue_trial(trial.params)
    asked = study.ask()
    function = resolved.objective
    assert function is not None
    if resolved.space is not None:
        resolved.space.suggest(asked)
        function = with_params(function, [o.name for o in resolved.objectives])
    ending = call(function, asked, len(resolved.objectives))
    again = study.get_trials(deepcopy=False)[asked.number]
    curve = _function_curve(again, resolved)
    if ending.values is not None:
        names = [objective.name for objective in resolved.objectives]
        curve |= {(None, n): v for n, v in zip(names, ending.values, strict=True)}
    return _Outcome(curve, error=ending.error)


class _PruneWhere(optuna.pruners.BasePruner):
    """Prunes at the step at which the stored trial was pruned."""

    def __init__(self, stored: FrozenTrial) -> None:
        self._last = stored.last_step if stored.state == TrialState.PRUNED else None

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial has come to that step."""
        return (
            self._last is not None
            and trial.last_step is not None
            and (trial.last_step >= self._last)
        )


def _compared(
    storage: Storage,
    study_id: int,
    resolved: Resolved,
    trial: FrozenTrial,
    stored: Curve,
    outcome: _Outcome,
    attempt: Attempt,
) -> Replay:
    timed = {objective.name for objective in resolved.objectives if objective.is_timed}
    stored = {place: value for place, value in stored.items() if place[1] not in timed}
    missing = sorted({name for step, name in stored if (step, name) not in outcome.curve})
    largest = largest_difference(stored, outcome.curve)
    has_failed_again = _has_raised(trial) == (outcome.error is not None)
    verdict: Verdict = "identical"
    if missing or not has_failed_again or (largest and largest.relative > ROUNDING):
        verdict = "different"
    elif largest is not None:
        verdict = "rounding"
    reasons: tuple[str, ...] = ()
    if verdict != "identical":
        lines = [f"{name} is not measured now where it was" for name in missing]
        lines += _changes(storage, study_id, resolved, attempt.device, outcome.device)
        if resolved.trainer is None:
            lines.append("a function may draw numbers that no seed of the study governs")
        reasons = tuple(lines) or ("versions, machine and data are the same; the code may not be",)
    steps = {step for step, _ in stored if step is not None}
    return Replay(trial.number, verdict, len(stored), len(steps), largest, reasons, outcome.error)


def largest_difference(
    stored: Curve, now: Mapping[tuple[int | None, str], float]
) -> Difference | None:
    """Of the figures that both have, the one furthest off; None where all are equal."""
    found = [
        Difference(step, name, value, now[step, name])
        for (step, name), value in stored.items()
        if (step, name) in now and not _is_same(value, now[step, name])
    ]
    return max(found, key=lambda difference: difference.relative, default=None)


def _is_same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _has_raised(trial: FrozenTrial) -> bool:
    """Whether the stored trial failed by an error of its own code."""
    return bool(trial.user_attrs.get(REASON) == "error")


def _changes(
    storage: Storage, study_id: int, resolved: Resolved, device: str | None, now: str
) -> list[str]:
    """What differs from the environment that the study was last run in, a line each."""
    _, stored = storage.records.get_spec(study_id) or ({}, {})
    present = environment(resolved.fingerprint)
    lines = difference(
        {**stored, "command": None, "device": device},
        {**present, "command": None, "device": now},
    )
    first = ("data_fingerprint", "device", "packages.torch", "machine.cpu ")
    return sorted(lines, key=lambda line: not line.startswith(first))
