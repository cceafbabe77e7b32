"""Which trials of a study are worth a look, and what their generators made at which epochs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState

from trials.contract import Generative
from tuner.judge import REASON
from tuner.pictures import View
from tuner.preference import favourites
from tuner.report.data import SampleSeries
from tuner.retraining import row_of, threads, trained_alone
from tuner.samples import store_samples, stored_samples

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from optuna.trial import FrozenTrial

    from tuner.resolve import Resolved
    from tuner.storage import Storage

MOST_FRAMES = 8
MOST_WAYS = 2
"""Ways of failing of which a trial is shown, the commonest first."""

_NOT_TRAINING = frozenset({"oom", "error", "timeout", "lane lost", "lease ran out"})
"""Reasons of failures that say nothing of what was generated."""


@dataclass(frozen=True)
class Chosen:
    """A trial to be shown.

    Attributes:
        why: `best`, `median`, or the reason for which it ended early.
        epochs: At whose ends it is shown, ascending.
    """

    trial: FrozenTrial
    why: str
    epochs: tuple[int, ...]


def take_samples(storage: Storage, study_id: int, resolved: Resolved, folder: Path) -> None:
    """The study has samples of its best, median and failed trials, if its trainer makes any.

    Each is trained again, alone, from its seed, as `tuner replay` does: while a study runs nobody
    knows which trials will be worth a look, and keeping all would cost more.

    Args:
        storage: Where the study is.
        study_id: The study.
        resolved: Its spec, ready to run.
        folder: The artifact store.
    """
    trainer, data = resolved.trainer, resolved.data
    if not isinstance(trainer, Generative) or data is None or not resolved.spec.samples:
        return
    chosen = choose(storage, study_id, resolved)
    wanted = {(one.trial.number, one.why, one.epochs) for one in chosen}
    stored = stored_samples(storage, study_id, folder)
    if wanted == {(samples.trial, samples.why, samples.epochs) for samples in stored}:
        return
    view = View(data)
    found = []
    for one in chosen:
        made = _made(resolved, trainer, one)
        samples = SampleSeries(
            trial=one.trial.number,
            why=one.why,
            kind=view.kind,
            epochs=one.epochs,
            frames=tuple(view.frame(samples) for samples in made),
            real=view.frame(data.validation.x),
        )
        found.append((samples, [view.picture(frame) for frame in made]))
    store_samples(storage, study_id, folder, found)


def choose(storage: Storage, study_id: int, resolved: Resolved) -> list[Chosen]:
    """The best and the median of the complete trials, and the first of each commonest failure.

    Of several objectives the first counts; where a person judges, the best is their favourite.
    """
    trials = {t._trial_id: t for t in storage.get_all_trials(study_id, deepcopy=False)}
    curves = _curves(storage, study_id, resolved.objectives[0].name)
    own = [trial for trial_id, trial in trials.items() if trial_id in curves]
    sign = 1 if resolved.objectives[0].direction == "minimize" else -1
    complete = [trial for trial in own if trial.state == TrialState.COMPLETE]
    ranked = sorted(complete, key=lambda trial: (sign * trial.values[0], trial.number))
    liked = favourites(storage, study_id)
    shown = [(trial, "best") for trial in (ranked if liked is None else liked)[:1]]
    shown += [(ranked[len(ranked) // 2], "median")] if len(ranked) > 1 else []
    ways: dict[str, list[FrozenTrial]] = defaultdict(list)
    for trial in own:
        reason = trial.user_attrs.get(REASON)
        if reason is not None and reason not in _NOT_TRAINING:
            ways[reason].append(trial)
    commonest = sorted(ways, key=lambda way: (-len(ways[way]), way))[:MOST_WAYS]
    shown += [(ways[way][0], way) for way in commonest]
    chosen = []
    for trial, why in shown:
        curve = {epoch: sign * value for epoch, value in curves[trial._trial_id].items()}
        epochs = _epochs(curve)
        chosen += [Chosen(trial, why, epochs)] if epochs else []
    return chosen


def _curves(storage: Storage, study_id: int, name: str) -> dict[int, dict[int, float]]:
    """Value by epoch of the objective of that name, for every trial that was trained here."""
    curves: dict[int, dict[int, float]] = defaultdict(dict)
    for metric in storage.records.metrics(study_id):
        if metric.name == name:
            curves[metric.trial_id][metric.step] = metric.value
    return curves


def _epochs(costs: Mapping[int, float]) -> tuple[int, ...]:
    """Epochs at even ratios up to the last with a finite cost, and the one of least cost."""
    finite = [epoch for epoch, value in costs.items() if math.isfinite(value)]
    if not finite:
        return ()
    steps = np.geomspace(1, max(finite), MOST_FRAMES - 1)
    best = min(finite, key=lambda epoch: (costs[epoch], epoch))
    return tuple(sorted({best, *(int(step) for step in steps.round())} & set(finite)))


def _made(resolved: Resolved, trainer: Generative, one: Chosen) -> list[NDArray[Any]]:
    """What the trial's generator makes at the end of each of its epochs."""
    row, made = row_of(resolved, one.trial), []
    with threads(resolved):
        for progress, cohort in islice(trained_alone(trainer, row), max(one.epochs)):
            if progress.epoch in one.epochs:
                made.append(trainer.samples(cohort.save(row.key), row.params).numpy())
    return made
