"""Hides what is counted and timed in a study: states, reasons, values, a clock without pauses."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tuner.report.data import STATE_WORDS, STATES, State, StudyRecord, TrialRecord

PAUSE_S = 60.0  # a longer time without any trial is a pause of the study, not part of it


class UndrawableError(Exception):
    """A figure has nothing to show; the text is one sentence that says why."""


def better(first: float, second: float, direction: str) -> bool:
    """True when `first` is strictly better than `second`."""
    return first > second if direction == "maximize" else first < second


def final_value(trial: TrialRecord, objective: int = 0) -> float | None:
    """The finite result of a COMPLETE trial, or None."""
    if trial.state != "COMPLETE" or trial.values is None or objective >= len(trial.values):
        return None
    value = trial.values[objective]
    return value if math.isfinite(value) else None


def curve(study: StudyRecord, trial: TrialRecord, objective: int = 0) -> Mapping[int, float]:
    """Step -> value of an objective: the intermediate values, or the metric of its name."""
    if trial.intermediate and not study.is_multi_objective:
        return trial.intermediate
    return trial.metrics.get(study.objectives[objective][0], {})


def last_value(study: StudyRecord, trial: TrialRecord, objective: int = 0) -> float | None:
    """The last finite value that a PRUNED trial is known by, or None."""
    if trial.values is not None and objective < len(trial.values):
        value = trial.values[objective]
        return value if math.isfinite(value) else None
    points = curve(study, trial, objective)
    finite = [step for step, value in points.items() if math.isfinite(value)]
    return points[max(finite)] if finite else None


def state_counts(study: StudyRecord) -> dict[State, int]:
    """Trials in each state, zeros included."""
    counted = Counter(trial.state for trial in study.trials)
    return {state: counted[state] for state in STATES}


def own(study: StudyRecord) -> StudyRecord:
    """The study with the trials alone that use its budget: other processes added the others."""
    return replace(study, trials=tuple(t for t in study.trials if not t.is_foreign))


def added(study: StudyRecord) -> str:
    """A sentence on the trials that other processes added, by state; empty without any."""
    foreign = [trial.state for trial in study.trials if trial.is_foreign]
    counted = (f"{foreign.count(s):,} {STATE_WORDS[s]}" for s in STATES if s in foreign)
    return f"Other processes added {', '.join(counted)}." if foreign else ""


def failure_counts(study: StudyRecord) -> list[tuple[str, int]]:
    """Reasons of the failed trials with their counts, most frequent first.

    A reason is counted by its text up to the first colon; what follows is particular to a trial.
    """
    reasons = Counter(failure_kind(trial) for trial in study.trials if trial.state == "FAIL")
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))


def failure_kind(trial: TrialRecord) -> str:
    """Why a trial failed, without what is particular to it."""
    return (trial.reason or "no reason recorded").split(":", 1)[0].strip()


def stop_counts(study: StudyRecord) -> list[tuple[int, int]]:
    """Last step of the pruned trials with their counts, in order of step; 0 where none is known."""
    steps = Counter(
        max(curve(study, trial), default=0) for trial in study.trials if trial.state == "PRUNED"
    )
    return sorted(steps.items())


def finding_counts(study: StudyRecord) -> list[tuple[str, list[int]]]:
    """Each kind of finding with the numbers of the trials that show it, most frequent first."""
    trials: dict[str, list[int]] = {}
    for trial in study.trials:
        for kind in dict.fromkeys(finding.kind for finding in trial.findings):
            trials.setdefault(kind, []).append(trial.number)
    return sorted(trials.items(), key=lambda item: (-len(item[1]), item[0]))


def best_numbers(study: StudyRecord, objective: int = 0) -> list[int]:
    """Numbers of the trials with a result, best first, ties by number."""
    sign = -1.0 if study.objectives[objective][1] == "maximize" else 1.0
    valued = [
        (sign * value, trial.number)
        for trial in study.trials
        if (value := final_value(trial, objective)) is not None
    ]
    return [number for _, number in sorted(valued)]


def ranked(study: StudyRecord, objective: int = 0) -> list[tuple[TrialRecord, float]]:
    """Trials with the value they are known by, best first: complete ones, then pruned ones.

    Pruned trials come in the order in which Optuna's TPE sampler learns from them: those that
    came furthest first, equals by value. Those of several objectives have no value.
    """
    sign = -1.0 if study.objectives[objective][1] == "maximize" else 1.0
    found = []
    for trial in study.trials:
        if (value := final_value(trial, objective)) is not None:
            found.append((0, 0, sign * value, trial.number, trial))
        elif trial.state == "PRUNED" and not study.is_multi_objective:
            value = last_value(study, trial, objective)
            reached = max(curve(study, trial, objective), default=0)
            if value is not None:
                found.append((1, -reached, sign * value, trial.number, trial))
    found.sort(key=lambda item: item[:4])
    return [(trial, sign * signed) for _, _, signed, _, trial in found]


def judged_by(study: StudyRecord, objective: int) -> StudyRecord:
    """The study as if it had one of its several objectives alone: its trials with a result.

    A study of one objective stays as it is.
    """
    if not study.is_multi_objective:
        return study
    trials = [
        replace(trial, values=(value,), intermediate={})
        for trial in study.trials
        if (value := final_value(trial, objective)) is not None
    ]
    return replace(
        study, objectives=study.objectives[objective : objective + 1], trials=tuple(trials)
    )


def state_word(study: StudyRecord, state: State) -> str:
    """What a trial's state is called: nothing runs in a study that nobody runs."""
    if state == "RUNNING" and study.state in ("interrupted", "stopped"):
        return "interrupted"
    return STATE_WORDS[state]


def named(study: StudyRecord, word: str, objective: int) -> str:
    """`word`, with the name of the objective where there are several."""
    return f"{word}: {study.objectives[objective][0]}" if study.is_multi_objective else word


def by_number(study: StudyRecord) -> list[TrialRecord]:
    """The trials in order of number."""
    return sorted(study.trials, key=lambda trial: trial.number)


def subject(study: StudyRecord) -> str:
    """What was trained on what, such as `mlp on digits`; empty where it is not recorded."""
    data = study.spec.get("data")
    if isinstance(data, Mapping):
        data = next((data[key] for key in ("name", "file", "idx") if data.get(key)), None)
    words = [study.spec.get("trainer") or study.spec.get("objective"), data]
    return " on ".join(str(word) for word in words if word)


def step_word(study: StudyRecord) -> str:
    """What one step of a curve is: our trainers count epochs, a function counts as it likes."""
    return "epoch" if study.spec.get("trainer") else "step"


def front_numbers(study: StudyRecord) -> tuple[int, ...]:
    """The Pareto front of two objectives: as recorded, or worked out from the values."""
    if study.front or len(study.objectives) != 2:
        return study.front
    signs = [-1.0 if direction == "maximize" else 1.0 for _, direction, _ in study.objectives]
    points = []
    for trial in study.trials:
        first, second = final_value(trial, 0), final_value(trial, 1)
        if first is not None and second is not None:
            points.append((signs[0] * first, signs[1] * second, trial.number))
    front: list[tuple[float, float, int]] = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1] or point[:2] == front[-1][:2]:
            front.append(point)
    return tuple(sorted(number for _, _, number in front))


@dataclass(frozen=True)
class Clock:
    """Seconds since the first trial began, without the times in which none ran.

    Attributes:
        origin: When the first trial began.
        end: Last moment known of any trial.
        starts: When each pause began, in order.
        lengths: Seconds of each pause.
    """

    origin: datetime
    end: datetime
    starts: tuple[datetime, ...] = ()
    lengths: tuple[float, ...] = ()

    def at(self, moment: datetime) -> float:
        """Seconds of work up to `moment`, to the microsecond, never negative."""
        moment = local(moment)
        passed = max(0.0, (moment - self.origin).total_seconds())
        n_before = bisect_right(self.starts, moment)
        if n_before:
            into = (moment - self.starts[n_before - 1]).total_seconds()
            passed -= sum(self.lengths[: n_before - 1]) + min(into, self.lengths[n_before - 1])
        return max(0.0, round(passed, 6))

    @property
    def total_s(self) -> float:
        """Seconds from the first start to the last end, without pauses."""
        return self.at(self.end)


def clock_of(trials: Iterable[TrialRecord]) -> Clock | None:
    """The clock of these trials, or None when no trial has begun."""
    begun = [trial for trial in trials if trial.started is not None]
    known = [span for trial in begun for span in _spans(trial)]
    if not known:
        return None
    end = max(stop for _, stop in known)
    return clock_over([span for trial in begun for span in _spans(trial, end)])


def clock_over(spans: Iterable[tuple[datetime, datetime]]) -> Clock:
    """The clock of what lasted from a moment to a moment, in any order, at least once."""
    ordered = sorted(spans)
    starts, lengths = [], []
    origin, reached = ordered[0]
    for start, stop in ordered[1:]:
        gap = (start - reached).total_seconds()
        if gap > PAUSE_S:
            starts.append(reached)
            lengths.append(gap)
        reached = max(reached, stop)
    return Clock(origin, reached, tuple(starts), tuple(lengths))


def _spans(trial: TrialRecord, last: datetime | None = None) -> list[tuple[datetime, datetime]]:
    """From when to when the trial, which has begun, was worked on; never backwards.

    Args:
        trial: Between its attempts it is not worked on.
        last: Until when one lasts that runs still; by default no longer than it is known to.
    """
    assert trial.started is not None
    begin = local(trial.started)
    spans = []
    for left, resumed in trial.breaks:
        spans.append((begin, max(begin, local(left))))
        if resumed is None:
            return spans
        begin = max(spans[-1][1], local(resumed))
    end = local(trial.ended) if trial.ended is not None else begin
    if trial.ended is None and trial.state == "RUNNING" and last is not None:
        end = last
    return [*spans, (begin, max(begin, end))]


def spans_s(trial: TrialRecord, clock: Clock) -> list[tuple[float, float]]:
    """Seconds on `clock` from when to when the trial was worked on; none when it never began."""
    if trial.started is None:
        return []
    return [(clock.at(start), clock.at(end)) for start, end in _spans(trial, clock.end)]


def duration_s(trial: TrialRecord) -> float | None:
    """Seconds for which a trial that ended was worked on, never negative."""
    if trial.started is None or trial.ended is None:
        return None
    return sum((end - start).total_seconds() for start, end in _spans(trial))


def local(moment: datetime) -> datetime:
    """`moment` in local time without a zone, as Optuna stores it."""
    return moment if moment.tzinfo is None else moment.astimezone().replace(tzinfo=None)


def improvements(
    points: Sequence[tuple[float, float]], direction: str
) -> list[tuple[float, float]]:
    """The points at which the value became better than all before, and the last place reached.

    Args:
        points: Place and value, in order of place.
        direction: `minimize` or `maximize`.
    """
    best: list[tuple[float, float]] = []
    for place, value in points:
        if not best or better(value, best[-1][1], direction):
            best.append((place, value))
    if best and points[-1][0] > best[-1][0]:
        best.append((points[-1][0], best[-1][1]))
    return best
