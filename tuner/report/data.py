"""Hides where a study is kept: plain records that figures, tables and Optuna's plots can read."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from tuner.stretch import Stretch

State = Literal["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"]
STATE_WORDS: dict[State, str] = {
    "COMPLETE": "complete",
    "PRUNED": "pruned",
    "FAIL": "failed",
    "RUNNING": "running",
    "WAITING": "waiting",
}
STATES: tuple[State, ...] = tuple(STATE_WORDS)
SampleKind = Literal["points", "images"]
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Finding:
    """What was recognised in the training of a trial.

    Attributes:
        kind: A word or two, the same for all trials that show it.
        text: What was seen, particular to the trial.
        epoch: When it first showed, where known.
    """

    kind: str
    text: str = ""
    epoch: int | None = None


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the report sees it.

    Attributes:
        number: Optuna's number of the trial in its study.
        state: Optuna's word for where the trial is.
        values: One value per objective, or None where there is no result.
        params: Value of every active parameter.
        intermediate: Step -> value of the objective of a single-objective study.
        started: When its first attempt began.
        ended: When it became COMPLETE, PRUNED or FAIL.
        reason: Why it was pruned or failed; equal texts up to the first colon are counted together.
        error: The traceback or a sentence, for a failed trial.
        n_attempts: Tries so far, 1 when nothing was retried.
        lane: The lane that trained it last, where known.
        metrics: Name -> step -> value of everything measured besides.
        findings: What was recognised in training, such as a collapse.
        breaks: From when to when it waited for another attempt, in order; to None while it waits.
        is_foreign: Another process added it, and no lane has begun it: it costs no budget.
    """

    number: int
    state: State
    values: tuple[float, ...] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    intermediate: Mapping[int, float] = field(default_factory=dict)
    started: datetime | None = None
    ended: datetime | None = None
    reason: str | None = None
    error: str | None = None
    n_attempts: int = 1
    lane: int | None = None
    metrics: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    breaks: tuple[tuple[datetime, datetime | None], ...] = ()
    is_foreign: bool = False


@dataclass(frozen=True)
class SampleSeries:
    """What the generator of one trial made of the same latents, epoch by epoch.

    Attributes:
        trial: Its number.
        why: Why this trial is shown: `best`, `median`, or how it failed.
        kind: What a frame is: `points`, pairs of coordinates, or `images`, a picture as a data
            address.
        epochs: Epochs with a frame, rising.
        frames: One per epoch; sample i is of the same latent in each.
        real: A frame of real data, or None.
    """

    trial: int
    why: str
    kind: SampleKind
    epochs: tuple[int, ...]
    frames: tuple[Any, ...]
    real: Any = None


@dataclass(frozen=True)
class StudyRecord:
    """One study as the report sees it.

    Attributes:
        name: The study's name, any printable text.
        objectives: Name, direction (`minimize` or `maximize`) and unit of each objective.
        trials: Every trial, in any order.
        distributions: What each parameter was drawn from.
        budget: Own trials in all that the study may use, or None without a limit.
        state: `running`, `interrupted`, `stopped`, `finished` or `empty`.
        best: Number of the best trial of a single objective, or None before there is one.
        front: Numbers of the trials on the Pareto front of several objectives.
        test: Figures of the best trial on the test part.
        spec: What was asked for.
        environment: Versions and machine.
        commands: Command lines that continue, inspect or repeat the study.
        stretches: What lanes did over time, in order.
        samples: What generators of some trials made, best trial first.
    """

    name: str
    objectives: tuple[tuple[str, str, str], ...]
    trials: tuple[TrialRecord, ...] = ()
    distributions: Mapping[str, BaseDistribution] = field(default_factory=dict)
    budget: int | None = None
    state: str = "finished"
    best: int | None = None
    front: tuple[int, ...] = ()
    test: Mapping[str, float] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    samples: tuple[SampleSeries, ...] = ()

    @property
    def is_multi_objective(self) -> bool:
        """True for two objectives or more."""
        return len(self.objectives) > 1

    @property
    def best_trial(self) -> TrialRecord | None:
        """The record of trial `best`, or None where it is not known."""
        return next((trial for trial in self.trials if trial.number == self.best), None)


def frozen_trials(study: StudyRecord) -> list[FrozenTrial]:
    """Optuna's own trial objects, in order of number, for its plots and importance evaluators.

    A parameter without a distribution, or with a value outside of it, is left out of its trial;
    a COMPLETE trial without finite values becomes FAIL, as Optuna cannot hold it otherwise.
    """
    ordered = sorted(study.trials, key=lambda trial: trial.number)
    return [_frozen(study, trial) for trial in ordered]


def optuna_study(study: StudyRecord) -> optuna.study.Study:
    """An in-memory Optuna study with the same name, directions and trials.

    Trials are numbered anew from 0 in order, which changes nothing where there is no gap.
    """
    from tuner.scratch import scratch_study

    directions = [direction for _, direction, _ in study.objectives]
    copy = scratch_study(study_name=study.name, directions=directions)
    copy.add_trials(frozen_trials(study))
    return copy


def reading_study(directions: Sequence[str], trials: Sequence[FrozenTrial]) -> optuna.study.Study:
    """An Optuna study that hands out these very trials, for what only reads them.

    Adding a trial to an in-memory study copies it deeply, 2 ms each; here nothing is copied.
    """
    import optuna

    class Given(optuna.storages.InMemoryStorage):
        def get_all_trials(
            self,
            study_id: int,
            deepcopy: bool = True,
            states: Container[optuna.trial.TrialState] | None = None,
        ) -> list[FrozenTrial]:
            return [trial for trial in trials if states is None or trial.state in states]

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        towards = [optuna.study.StudyDirection[direction.upper()] for direction in directions]
        return optuna.create_study(storage=Given(), directions=towards)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _frozen(study: StudyRecord, trial: TrialRecord) -> FrozenTrial:
    from optuna.trial import FrozenTrial, TrialState

    values = _finite_values(study, trial)
    state = TrialState[trial.state]
    if state is TrialState.COMPLETE and values is None:
        state = TrialState.FAIL
    params = _accepted(study, trial.params)
    is_waiting = state is TrialState.WAITING
    return FrozenTrial(
        number=trial.number,
        trial_id=trial.number,
        state=state,
        value=None,
        values=None if state is TrialState.FAIL else values,
        datetime_start=None if is_waiting else trial.started or trial.ended or _EPOCH,
        datetime_complete=(trial.ended or trial.started or _EPOCH) if state.is_finished() else None,
        params=params,
        distributions={name: study.distributions[name] for name in params},
        user_attrs={},
        system_attrs={},
        intermediate_values=dict(trial.intermediate),
    )


def _finite_values(study: StudyRecord, trial: TrialRecord) -> tuple[float, ...] | None:
    values = trial.values
    if values is None or len(values) != len(study.objectives):
        return None
    return tuple(values) if all(math.isfinite(value) for value in values) else None


def _accepted(study: StudyRecord, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that Optuna can hold: all at once, or one by one where some are wrong."""
    known = {name: value for name, value in params.items() if name in study.distributions}
    if _is_accepted(study, known):
        return known
    return {name: value for name, value in known.items() if _is_accepted(study, {name: value})}


def _is_accepted(study: StudyRecord, params: dict[str, Any]) -> bool:
    """True when Optuna takes the values; its own check is only reachable through a trial."""
    from optuna.trial import TrialState, create_trial

    distributions = {name: study.distributions[name] for name in params}
    try:
        create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
    except (ValueError, TypeError):
        return False
    return True
