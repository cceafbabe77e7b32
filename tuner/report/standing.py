"""Hides how far the best trial stands above the others, and what speaks for its lead being luck."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from tuner.report import facts
from tuner.report.data import StudyRecord, TrialRecord

N_RIVALS = 3
N_LAST_STEPS = 5


@dataclass(frozen=True)
class Rival:
    """A trial behind the best.

    Attributes:
        number: The trial.
        value: Its result.
        distance: How much worse it is, at least 0.
    """

    number: int
    value: float
    distance: float


@dataclass(frozen=True)
class Standing:
    """How the best trial of a single objective stands.

    Attributes:
        rivals: The next best, best first, at most `N_RIVALS`.
        n_after: Trials that ended after it in order of number and are no better.
        repeats: Results of all complete trials with its parameters, its own first.
        step_change: Median change of its value from one step to the next over its last steps, at
            most `N_LAST_STEPS`; None where it has too few.
        n_close: Other complete trials whose distance is at most `step_change`.
    """

    rivals: tuple[Rival, ...]
    n_after: int
    repeats: tuple[float, ...]
    step_change: float | None
    n_close: int

    @property
    def repeat_mean(self) -> float:
        """Mean of `repeats`."""
        return math.fsum(self.repeats) / len(self.repeats)

    @property
    def repeat_spread(self) -> float | None:
        """Standard deviation of `repeats` (n - 1), or None below two."""
        if len(self.repeats) < 2:
            return None
        mean = self.repeat_mean
        squares = math.fsum((value - mean) ** 2 for value in self.repeats)
        return math.sqrt(squares / (len(self.repeats) - 1))


def standing(study: StudyRecord) -> Standing | None:
    """How the best trial stands, or None where there is none or a person chose it."""
    best = study.best_trial
    value = None if best is None else facts.final_value(best)
    if best is None or value is None or study.spec.get("preference"):
        return None  # values say nothing of how far one stands above another for a person
    others = _others(study, best, value)
    ended = [t for t in study.trials if t.state in ("COMPLETE", "PRUNED", "FAIL")]
    step_change = _step_change(study, best)
    close = [] if step_change is None else [r for r in others if r.distance <= step_change]
    return Standing(
        rivals=tuple(others[:N_RIVALS]),
        n_after=sum(trial.number > best.number for trial in ended),
        repeats=(value, *_repeats(study, best)),
        step_change=step_change,
        n_close=len(close),
    )


def _others(study: StudyRecord, best: TrialRecord, value: float) -> list[Rival]:
    """The other complete trials, nearest first."""
    found = [
        Rival(trial.number, result, abs(result - value))
        for trial in study.trials
        if trial.number != best.number and (result := facts.final_value(trial)) is not None
    ]
    return sorted(found, key=lambda rival: (rival.distance, rival.number))


def _repeats(study: StudyRecord, best: TrialRecord) -> list[float]:
    """Results of the other complete trials with the same parameters, in order of number."""
    return [
        result
        for trial in facts.by_number(study)
        if trial.number != best.number
        and dict(trial.params) == dict(best.params)
        and (result := facts.final_value(trial)) is not None
    ]


def _step_change(study: StudyRecord, best: TrialRecord) -> float | None:
    points = facts.curve(study, best)
    steps = sorted(step for step, value in points.items() if math.isfinite(value))
    last = [points[step] for step in steps[-N_LAST_STEPS:]]
    if len(last) < 3:
        return None
    return median(abs(b - a) for a, b in pairwise(last))
