"""Hides how trials become runs of MLflow: one for the study, and one in it for each trial."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tuner.report.data import TrialRecord
from tuner.report.text import encodable
from tuner.trackers.contract import (
    ENDED,
    Outcome,
    TrackedStudy,
    course,
    curves,
    in_words,
    results,
    seconds,
)

# MLflow reads them when it is imported. It would tell its makers how it is used, and wait minutes
# for a server that is away.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)

from mlflow.entities import Metric, Param, RunTag  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402

if TYPE_CHECKING:
    from mlflow.entities import Run

EXPERIMENT = "tuner"
"""Experiment of all studies, where MLFLOW_EXPERIMENT_NAME names no other."""

STUDY = "tuner.study"
"""Tag of a run: key of its study."""

TRIAL = "tuner.trial"
"""Tag of a trial's run: number of the trial."""

STATE = "tuner.state"
"""Tag of a trial's run that is whole: how the trial ended."""

STATUS = {"COMPLETE": "FINISHED", "PRUNED": "KILLED", "FAIL": "FAILED"}
"""State of a trial -> status of its run."""

_PARENT = "mlflow.parentRunId"
_NOTE = "mlflow.note.content"
_MOST_METRICS = 1000
_MOST_OTHERS = 100
_MOST_LETTERS = 250
_MOST_VALUE = 6000
_PAGE = 1000


@dataclass
class _Logged:
    """A trial's run, and what it has.

    Attributes:
        last: Last step of each metric, where it was asked for or logged.
        is_new: Nobody else logged to it.
        is_whole: The trial had ended when it was logged.
    """

    run: str
    last: dict[str, int] = field(default_factory=dict)
    is_new: bool = False
    is_whole: bool = False


class MLflow:
    """An MLflow server or database.

    Args:
        uri: As MLflow takes it, such as `http://localhost:5000` or `sqlite:///mlflow.db`.
    """

    name = "mlflow"

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._runs: dict[int, _Logged] = {}
        for talkative in ("mlflow", "alembic", "urllib3.connectionpool"):
            logging.getLogger(talkative).setLevel(logging.ERROR)

    def open(self, study: TrackedStudy) -> None:
        """The study's run is there and is running; its trials' runs are known."""
        self._study = study
        self._client = MlflowClient(tracking_uri=self._uri)
        self._experiment = self._find_experiment()
        found = list(self._search(f"tags.`{STUDY}` = '{study.key}'"))
        parents = [run for run in found if TRIAL not in run.data.tags]
        self._parent = parents[0].info.run_id if parents else self._begin_study()
        self._client.update_run(self._parent, status="RUNNING")
        for run in found:
            number = run.data.tags.get(TRIAL)
            if number is not None:
                is_whole = STATE in run.data.tags
                self._runs[int(number)] = _Logged(run.info.run_id, is_whole=is_whole)

    def put(self, trial: TrialRecord) -> None:
        """The trial's run has its parameters and every figure, and ends as the trial did."""
        known = self._runs.get(trial.number)
        if known is None:
            known = self._runs[trial.number] = self._begin_trial(trial)
        if known.is_whole:
            return
        has_ended = trial.state in ENDED
        self._log(known, trial, has_ended=has_ended)
        if has_ended:
            self._client.set_terminated(known.run, STATUS[trial.state], _milliseconds(trial.ended))
            # Last, since it says that nothing is missing.
            self._client.set_tag(known.run, STATE, trial.state)
            known.is_whole = True

    def close(self, outcome: Outcome) -> None:
        """The study's run has its best values and test figures, and ends as the study stands."""
        figures = {f"test_{name}": value for name, value in outcome.test.items()}
        figures |= {f"trials_{state.lower()}": n for state, n in outcome.counts.items()}
        best = outcome.best
        if best is not None:
            figures |= _results("best", self._study, best)
            self._client.set_tag(self._parent, "tuner.best_trial", str(best.number))
        now = _milliseconds(None)
        metrics = [Metric(key, value, now, 0) for key, value in _named(figures)]
        self._client.log_batch(self._parent, metrics=metrics)
        status = "FINISHED" if outcome.is_finished else "KILLED"
        for known in self._runs.values():
            if not known.is_whole:
                self._client.set_terminated(known.run, "KILLED")
        self._client.set_terminated(self._parent, status)

    def _find_experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _search(self, which: str) -> Iterator[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], which, max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _begin_study(self) -> str:
        study = self._study
        run = self._client.create_run(
            self._experiment,
            _milliseconds(study.created),
            {STUDY: study.key, "tuner.objectives": encodable(", ".join(study.objectives))},
            encodable(study.name),
        )
        plain = {key: value for key, value in study.spec.items() if value is not None}
        params = [Param(key, value[:_MOST_VALUE]) for key, value in _texts(plain)]
        self._client.log_batch(run.info.run_id, params=params[:_MOST_OTHERS])
        return str(run.info.run_id)

    def _begin_trial(self, trial: TrialRecord) -> _Logged:
        tags = {_PARENT: self._parent, STUDY: self._study.key, TRIAL: str(trial.number)}
        run = self._client.create_run(
            self._experiment, _milliseconds(trial.started), tags, f"trial {trial.number}"
        )
        return _Logged(run.info.run_id, is_new=True)

    def _log(self, known: _Logged, trial: TrialRecord, *, has_ended: bool) -> None:
        figures = curves(trial, self._study.objectives)
        when = course(trial, figures)
        metrics = []
        for key, points in _named(figures):
            last = self._last(known, key)
            for step in sorted(step for step in points if step > last):
                metrics.append(Metric(key, points[step], _whole(when.at(step)), step))
        if has_ended:
            final = _named(_results("value", self._study, trial))
            ended = _whole(when.ended)
            metrics += [Metric(key, value, ended, when.length) for key, value in final]
        params = [Param(key, value[:_MOST_VALUE]) for key, value in _texts(trial.params)]
        tags = [RunTag(_NOTE, encodable(in_words(trial)))] if has_ended else []
        for start in range(0, max(len(metrics), 1), _MOST_METRICS):
            self._client.log_batch(known.run, metrics=metrics[start : start + _MOST_METRICS])
        for start in range(0, len(params), _MOST_OTHERS):
            self._client.log_batch(known.run, params=params[start : start + _MOST_OTHERS])
        self._client.log_batch(known.run, tags=tags)
        for key, points in _named(figures):
            known.last[key] = max(points, default=-1)

    def _last(self, known: _Logged, key: str) -> int:
        """The last step that the run has of a metric, whoever logged it."""
        if key not in known.last:
            history = [] if known.is_new else self._client.get_metric_history(known.run, key)
            known.last[key] = max((metric.step for metric in history), default=-1)
        return known.last[key]


def _results(word: str, study: TrackedStudy, trial: TrialRecord) -> dict[str, float]:
    """The trial's values by objective, each named after a word."""
    found = results(trial, study.objectives)
    return {f"{word}_{name}": value for name, value in found.items()}


def _named(figures: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is measured, under names that MLflow takes, no two of them alike."""
    used: set[str] = set()
    for name, value in figures.items():
        key = stem = re.sub(r"[^\w\-. ]", "_", encodable(name))[:_MOST_LETTERS].strip(". ") or "_"
        n = 1
        while key in used:
            n += 1
            key = f"{stem[: _MOST_LETTERS - 8]}_{n}"
        used.add(key)
        yield key, value


def _texts(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in _named(values):
        yield key, encodable(value)


def _milliseconds(moment: datetime | None) -> int:
    """A moment as MLflow has it; the present where it has not come."""
    return _whole(seconds(moment))


def _whole(since_1970_s: float) -> int:
    return math.floor(1000 * since_1970_s)
