"""How a study in its database becomes the plain data that reports and tables read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from tuner.findings import found_in
from tuner.judge import ERROR, REASON
from tuner.launching import METRIC_NAMES
from tuner.occupancy import lane_facts
from tuner.preference import favourites
from tuner.report.data import Finding, State, StudyRecord, TrialRecord
from tuner.samples import stored_samples

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tuner.commands import Commands
    from tuner.storage import Attempt, Metric, Storage
    from tuner.stretch import Stretch

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAIL: "FAIL",
    TrialState.RUNNING: "RUNNING",
    TrialState.WAITING: "WAITING",
}


def study_record(
    storage: Storage,
    study_id: int,
    *,
    state: str,
    test: Mapping[str, float],
    commands: Commands,
    artifacts: Path,
) -> StudyRecord:
    """Everything the database says about a study, as it is now.

    Args:
        storage: Where the study is.
        study_id: The study.
        state: Whether it runs.
        test: Figures of the best trial on the test part.
        commands: Lines about the study.
        artifacts: The store in which samples are.
    """
    stored = storage.records.get_spec(study_id)
    spec, environment = stored or ({}, {})
    trials = storage.get_all_trials(study_id, deepcopy=False)
    directions = storage.get_study_directions(study_id)
    names = objective_names(storage, study_id)
    signs = [1 if direction.name == "MINIMIZE" else -1 for direction in directions]
    front = _front(trials, signs)
    liked = favourites(storage, study_id)
    firsts = front if liked is None else [trial.number for trial in liked]
    best = firsts[0] if len(signs) == 1 and firsts else None
    is_whole = bool(spec.get("trainer") or spec.get("objective"))
    return StudyRecord(
        name=storage.get_study_name_from_id(study_id),
        objectives=tuple(
            (name, direction.name.lower(), "")
            for name, direction in zip(names, directions, strict=True)
        ),
        trials=_trial_records(storage, study_id, trials, is_ours=stored is not None),
        distributions=_distributions(trials),
        budget=spec.get("trials"),
        state=state,
        best=best,
        front=tuple(front) if len(signs) > 1 else (),
        test=test,
        spec=spec,
        environment=environment,
        commands=commands.about(best, is_whole=is_whole),
        stretches=tuple(storage.records.activity(study_id)),
        samples=tuple(stored_samples(storage, study_id, artifacts)),
    )


def _trial_records(
    storage: Storage, study_id: int, trials: Iterable[FrozenTrial], *, is_ours: bool
) -> tuple[TrialRecord, ...]:
    attempts: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in storage.records.attempts(study_id):
        attempts[attempt.trial_id].append(attempt)
    metrics = by_step(storage.records.metrics(study_id))
    return tuple(
        trial_record(trial, attempts[trial._trial_id], metrics[trial._trial_id], is_ours=is_ours)
        for trial in trials
    )


def objective_names(storage: Storage, study_id: int) -> list[str]:
    """Names of the study's objectives, made up where it was made by plain Optuna."""
    names: list[str] | None = storage.get_study_system_attrs(study_id).get(METRIC_NAMES)
    n = len(storage.get_study_directions(study_id))
    return names or [f"value {i}" if i else "value" for i in range(n)]


def failure_lines(study: StudyRecord) -> list[tuple[int, str, str]]:
    """Number, reason and last line of the error of every failed trial."""
    found = []
    for trial in study.trials:
        if trial.state == "FAIL":
            lines = (trial.error or "").strip().splitlines() or [""]
            found.append((trial.number, trial.reason or "error", lines[-1]))
    return found


def lane_table(attempts: Iterable[Attempt], stretches: Iterable[Stretch]) -> list[dict[str, Any]]:
    """For each lane where it ran, how many attempts ended how, and its `lane_facts`."""
    lanes: dict[int, dict[str, Any]] = {}
    for attempt in attempts:
        row = lanes.setdefault(attempt.lane or 0, {"lane": attempt.lane, "attempts": 0})
        row |= {"node": attempt.node, "device": attempt.device}
        row["attempts"] += 1
        outcome = attempt.outcome or "running"
        row[outcome] = row.get(outcome, 0) + 1
    facts = lane_facts(stretches)
    return [lanes[lane] | facts.get(lane, {}) for lane in sorted(lanes)]


def trial_record(
    trial: FrozenTrial,
    attempts: Sequence[Attempt],
    metrics: Mapping[str, Mapping[int, float]],
    *,
    is_ours: bool = False,
) -> TrialRecord:
    """A trial with all that our tables say of it.

    Args:
        trial: As Optuna has it.
        attempts: At the trial, in order.
        metrics: Name -> step -> value of what was measured in it.
        is_ours: Lanes begin the trials of its study, so one without attempts is foreign.
    """
    last = attempts[-1] if attempts else None
    reason = trial.user_attrs.get(REASON)
    if reason is None and last is not None and trial.state.name in ("PRUNED", "FAIL"):
        reason = last.reason
    return TrialRecord(
        number=trial.number,
        state=_STATES[trial.state],
        values=None if trial.values is None else tuple(trial.values),
        params=trial.params,
        intermediate=trial.intermediate_values,
        started=trial.datetime_start,
        ended=trial.datetime_complete,
        reason=reason,
        error=trial.user_attrs.get(ERROR),
        n_attempts=max(1, len(attempts)),
        lane=None if last is None else last.lane,
        metrics=metrics,
        findings=tuple(
            Finding(entry["kind"], entry["text"], entry["epoch"]) for entry in found_in(trial)
        ),
        breaks=_breaks(attempts, is_over=trial.state.is_finished()),
        is_foreign=is_ours and not attempts,
    )


def _breaks(
    attempts: Sequence[Attempt], *, is_over: bool
) -> tuple[tuple[datetime, datetime | None], ...]:
    """The times between attempts, and that since the last one of a trial that is not over."""
    found: list[tuple[datetime, datetime | None]] = [
        (attempt.ended_at, following.started_at)
        for attempt, following in pairwise(attempts)
        if attempt.ended_at is not None
    ]
    if attempts and not is_over and attempts[-1].ended_at is not None:
        found.append((attempts[-1].ended_at, None))
    return tuple(found)


def by_step(metrics: Iterable[Metric]) -> dict[int, dict[str, dict[int, float]]]:
    """Name -> step -> value by trial; a later attempt's values replace an earlier one's."""
    found: dict[int, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for metric in metrics:
        found[metric.trial_id][metric.name][metric.step] = metric.value
    return found


def _distributions(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """What each parameter was drawn from, by the latest trial that has it."""
    found: dict[str, BaseDistribution] = {}
    for trial in trials:
        found |= trial.distributions
    return found


def _front(trials: Sequence[FrozenTrial], signs: Sequence[int]) -> list[int]:
    """Numbers of the complete trials that no other one beats in every objective."""
    costs: list[tuple[int, tuple[float, ...]]] = []
    for trial in trials:
        if trial.state.name == "COMPLETE" and trial.values is not None:
            cost = tuple(sign * v for sign, v in zip(signs, trial.values, strict=True))
            costs.append((trial.number, cost))
    if len(signs) == 1:
        best = min(costs, key=lambda item: item[1], default=None)
        return [] if best is None else [best[0]]
    return [
        number
        for number, cost in costs
        if not any(
            other != cost and all(a <= b for a, b in zip(other, cost, strict=True))
            for _, other in costs
        )
    ]
