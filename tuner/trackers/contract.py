"""What a tracker is: a place outside the study database that shows trials in its own way."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tuner.report.data import TrialRecord

ENDED = ("COMPLETE", "PRUNED", "FAIL")
"""States of a trial that never change again."""

_MOST_LETTERS = 40


@dataclass(frozen=True)
class TrackedStudy:
    """What a tracker must know of a study.

    Attributes:
        key: Names the study wherever its database is moved to, and no other one.
        name: For people; any printable text.
        objectives: Names, in order.
        spec: What was asked for.
        created: When it was made.
    """

    key: str
    name: str
    objectives: tuple[str, ...]
    spec: Mapping[str, Any] = field(default_factory=dict)
    created: datetime | None = None

    @property
    def folder(self) -> str:
        """A name for its files: what is harmless of its own name, and its key."""
        harmless = re.sub(r"[^A-Za-z0-9_]+", "-", self.name)[:_MOST_LETTERS].strip("-")
        return f"{harmless or 'study'}-{self.key}"


@dataclass(frozen=True)
class Outcome:
    """How a study stands when a call that worked on it ends.

    Attributes:
        is_finished: Its budget is used up, or it ended for a reason of its budget.
        best: Its best trial, or None where there is none or several objectives.
        test: Figures of the best trial on the test part.
        counts: Trials by state.
    """

    is_finished: bool
    best: TrialRecord | None = None
    test: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


class Tracker(Protocol):
    """One place that shows trials. Its methods are called by one thread, and may raise anything.

    What was written stays: a study that goes on finds it again by its key, and adds to it.
    """

    name: str

    def open(self, study: TrackedStudy) -> None:
        """The study is there, with all trials that earlier calls put; may be called again."""

    def put(self, trial: TrialRecord) -> None:
        """The trial is there as far as it came; one that was put when it had ended stays as it is.

        Its figures are told once a step, however often it is put.
        """

    def close(self, outcome: Outcome) -> None:
        """The study is there as it stands now; nothing is put any more."""


def curves(trial: TrialRecord, objectives: tuple[str, ...]) -> dict[str, Mapping[int, float]]:
    """Name -> step -> value of all that was measured in a trial.

    Intermediate values of a function stand under the objective's name.
    """
    found = dict(trial.metrics)
    if trial.intermediate and objectives[0] not in found:
        found[objectives[0]] = trial.intermediate
    return found


@dataclass(frozen=True)
class Course:
    """When what happened in a trial: only its start and end are known, steps lie evenly between.

    Attributes:
        began: Of the trial, in seconds since 1970.
        ended: Of the trial, or the present where it has not.
        length: Its last step.
    """

    began: float
    ended: float
    length: int

    def at(self, step: int) -> float:
        """The moment of a step, in seconds since 1970."""
        return self.began + (self.ended - self.began) * step / max(self.length, 1)


def course(trial: TrialRecord, figures: Mapping[str, Mapping[int, float]]) -> Course:
    """The course of a trial whose `curves` are `figures`."""
    length = max((step for points in figures.values() for step in points), default=0)
    return Course(seconds(trial.started), seconds(trial.ended), length)


def seconds(moment: datetime | None) -> float:
    """A moment in seconds since 1970; the present where it has not come."""
    return time.time() if moment is None else moment.timestamp()


def results(trial: TrialRecord, objectives: tuple[str, ...]) -> dict[str, float]:
    """Objective -> the trial's value of it; empty unless it is complete.

    Optuna gives pruned trials a value too, the last one before they were stopped.
    """
    values = (trial.values or ()) if trial.state == "COMPLETE" else ()
    return dict(zip(objectives, values, strict=False))


def in_words(trial: TrialRecord) -> str:
    """How the trial ended, and what was found in it, in lines for people."""
    lines = [trial.state + (f": {trial.reason}" if trial.reason else "")]
    if trial.error:
        lines.append(trial.error.strip().rpartition("\n")[2])
    for finding in trial.findings:
        when = "" if finding.epoch is None else f" at epoch {finding.epoch}"
        lines.append(f"{finding.kind}{when}: {finding.text}")
    return "\n".join(lines)
