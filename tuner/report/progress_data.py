"""Hides how trials become the data of the figures about progress: history, curves, lanes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuner.report import facts, scales, text
from tuner.report.data import State, StudyRecord, TrialRecord
from tuner.report.facts import UndrawableError
from tuner.report.scales import ValueAxis

N_POINTS = 600  # most marks of one state in a scatter
N_CURVES = 200
N_BARS = 1500
N_RUNGS = 8


@dataclass(frozen=True)
class Points:
    """Trials as marks: numbers and values, in order of number."""

    numbers: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class History:
    """Results in order of trial number.

    Attributes:
        complete: Final values of COMPLETE trials.
        pruned: Last values of PRUNED trials.
        failed: Numbers of FAIL trials.
        best: Place and value of each improvement over all complete trials, and the last place.
        axis: Range of the values.
        notes: What is left out, one sentence each.
    """

    complete: Points
    pruned: Points
    failed: tuple[int, ...]
    best: tuple[tuple[float, float], ...]
    axis: ValueAxis
    notes: tuple[str, ...]


def history(study: StudyRecord, objective: int = 0) -> History:
    """Values of all trials and the best so far.

    Raises:
        UndrawableError: No trial has a value.
    """
    direction = study.objectives[objective][1]
    trials = facts.by_number(study)
    complete = [(t.number, v) for t in trials if (v := facts.final_value(t, objective)) is not None]
    pruned = [
        (trial.number, value)
        for trial in trials
        if trial.state == "PRUNED"
        and (value := facts.last_value(study, trial, objective)) is not None
    ]
    failed = [trial.number for trial in trials if trial.state == "FAIL"]
    if not complete and not pruned:
        raise UndrawableError(nothing(study, "has a value yet"))
    best = facts.improvements(complete, direction)
    if best and trials[-1].number > best[-1][0]:
        best.append((float(trials[-1].number), best[-1][1]))
    steps = {place for place, _ in best}
    axis = scales.value_axis([value for _, value in complete + pruned], direction)
    kept = [place for place, (number, _) in enumerate(complete) if number in steps]
    shown = (
        scales.thinned(complete, N_POINTS, kept),
        scales.even(pruned, N_POINTS),
        scales.even(failed, N_POINTS),
    )
    n_all, n_shown = len(complete + pruned) + len(failed), sum(len(group) for group in shown)
    notes = [*thinning(n_shown, n_all, "trial"), *axis_notes(axis)]
    return History(
        _points(shown[0]), _points(shown[1]), tuple(shown[2]), tuple(best), axis, tuple(notes)
    )


def _points(pairs: Sequence[tuple[int, float]]) -> Points:
    return Points(tuple(number for number, _ in pairs), tuple(value for _, value in pairs))


def thinning(n_shown: int, n_all: int, word: str) -> list[str]:
    """A sentence on what is not drawn, if anything is not."""
    if n_shown == n_all:
        return []
    return [f"{n_shown:,} of {text.plural(n_all, word)} are drawn, spread evenly."]


def axis_notes(axis: ValueAxis) -> list[str]:
    """A sentence on the values that lie beyond the axis, if there are any."""
    if not axis.n_beyond:
        return []
    verb = "lies" if axis.n_beyond == 1 else "lie"
    return [f"{text.plural(axis.n_beyond, 'outlying value')} {verb} beyond the axis."]


def nothing(study: StudyRecord, what: str) -> str:
    """Why there is nothing to show: no trial does what `what` says, or there is no trial."""
    return (
        f"None of {text.plural(len(study.trials), 'trial')} {what}."
        if study.trials
        else ("The study has no trials yet.")
    )


@dataclass(frozen=True)
class Curve:
    """One trial's values by step; gaps are NaN."""

    number: int
    state: State
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Rung:
    """A step at which trials were judged and some stopped.

    Attributes:
        n_came: Trials that reached it.
        n_stopped: Those that were pruned at it.
    """

    step: int
    n_came: int
    n_stopped: int


@dataclass(frozen=True)
class Curves:
    """Learning curves of many trials.

    Attributes:
        curves: In order of number, without the best.
        best: The curve of the best trial, where it has one.
        axis: Range of the values.
        word: What a step is.
        rungs: Where trials were stopped, in order of step; none where they were at many steps.
        notes: What is left out, one sentence each.
    """

    curves: tuple[Curve, ...]
    best: Curve | None
    axis: ValueAxis
    word: str
    rungs: tuple[Rung, ...]
    notes: tuple[str, ...]


def curves(
    study: StudyRecord, metric: str | None = None, objective: int = 0, limit: int = N_CURVES
) -> Curves:
    """Values by step of the objective, or of another metric, for at most `limit` trials.

    The best trial stays, then the next best up to a quarter of `limit`, then an even spread.

    Raises:
        UndrawableError: No trial reported a finite value by step.
    """
    found = []
    for trial in facts.by_number(study):
        points = (
            facts.curve(study, trial, objective)
            if metric is None
            else trial.metrics.get(metric, {})
        )
        if any(math.isfinite(value) for value in points.values()):
            found.append(_curve(trial, points))
    if not found:
        raise UndrawableError(nothing(study, "reported values by step"))
    ranked = facts.best_numbers(study, objective)
    best = study.best if not study.is_multi_objective else None
    place = {curve.number: index for index, curve in enumerate(found)}
    keep = [place[n] for n in [best, *ranked[: limit // 4]] if n is not None and n in place]
    shown = scales.thinned(found, limit, keep)
    direction = study.objectives[objective][1] if metric is None else "minimize"
    axis = scales.value_axis([v for curve in shown for v in curve.values], direction)
    return Curves(
        tuple(curve for curve in shown if curve.number != best),
        next((curve for curve in shown if curve.number == best), None),
        axis,
        facts.step_word(study),
        rungs(study, objective),
        (*_curve_thinning(len(shown), len(found), limit), *axis_notes(axis)),
    )


def rungs(study: StudyRecord, objective: int = 0) -> tuple[Rung, ...]:
    """The steps at which trials were pruned with what came and what stopped.

    Without rungs trials stop at any step; more than `N_RUNGS` different ones are none.
    """
    reached = [
        (max(points), trial.state == "PRUNED")
        for trial in study.trials
        if (points := facts.curve(study, trial, objective))
    ]
    steps = sorted({step for step, is_pruned in reached if is_pruned})
    if len(steps) > N_RUNGS:
        return ()
    return tuple(
        Rung(step, sum(last >= step for last, _ in reached), reached.count((step, True)))
        for step in steps
    )


def _curve(trial: TrialRecord, points: Mapping[int, float]) -> Curve:
    steps = tuple(sorted(points))
    values = tuple(v if math.isfinite(v := points[step]) else math.nan for step in steps)
    return Curve(trial.number, trial.state, steps, values)


def _curve_thinning(n_shown: int, n_all: int, limit: int) -> list[str]:
    if n_shown == n_all:
        return []
    return [
        f"{n_shown:,} of {n_all:,} curves are drawn: the {limit // 4} best and others spread "
        "evenly."
    ]


def metric_names(study: StudyRecord) -> list[str]:
    """Names of what trials measured by step besides the objectives, in order of appearance."""
    objectives = {name for name, _, _ in study.objectives}
    names = (name for trial in study.trials for name in trial.metrics if name not in objectives)
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class Bar:
    """An attempt at a trial in time: from `start_s` to `end_s` on row `row`."""

    number: int
    state: State
    start_s: float
    end_s: float
    row: int


@dataclass(frozen=True)
class Timeline:
    """What ran when and where.

    Attributes:
        bars: Attempts at trials, no two of a row at the same time.
        lanes: Name, first row and number of rows of each lane.
        notes: What is left out, one sentence each.
    """

    bars: tuple[Bar, ...]
    lanes: tuple[tuple[str, int, int], ...]
    notes: tuple[str, ...]


def timeline(study: StudyRecord) -> Timeline:
    """Trials by lane, those of one lane stacked in as few rows as they need.

    Raises:
        UndrawableError: No trial has begun.
    """
    clock = facts.clock_of(study.trials)
    if clock is None:
        raise UndrawableError(nothing(study, "has a start time"))
    begun = [trial for trial in facts.by_number(study) if trial.started is not None]
    lanes = sorted({trial.lane for trial in begun}, key=lambda lane: (lane is None, lane or 0))
    bars: list[Bar] = []
    layout = []
    first = 0
    for lane in lanes:
        packed = _pack([trial for trial in begun if trial.lane == lane], clock, first)
        n_rows = 1 + max(bar.row for bar in packed) - first
        layout.append(("no lane" if lane is None else f"lane {lane}", first, n_rows))
        first += n_rows
        bars += packed
    notes = pause_notes(clock)
    word = "trial"
    if len(bars) > len(begun):
        word = "bar"
        notes.append("A trial that was tried again has a bar for each attempt.")
    shown = scales.even(bars, N_BARS)
    return Timeline(tuple(shown), tuple(layout), (*thinning(len(shown), len(bars), word), *notes))


def _pack(trials: Sequence[TrialRecord], clock: facts.Clock, first: int) -> list[Bar]:
    """Each attempt on the lowest row, from `first`, that is free when it begins."""
    spans = [(*span, trial) for trial in trials for span in facts.spans_s(trial, clock)]
    free: list[float] = []
    bars = []
    for start, end, trial in sorted(spans, key=lambda item: (item[0], item[2].number)):
        row = next((row for row, until in enumerate(free) if until <= start), len(free))
        if row == len(free):
            free.append(end)
        free[row] = end
        bars.append(Bar(trial.number, trial.state, start, end, first + row))
    return bars


def pause_notes(clock: facts.Clock) -> list[str]:
    """A sentence on the pauses that the clock leaves out, if there are any."""
    if not clock.starts:
        return []
    lost = text.duration(sum(clock.lengths))
    return [f"{text.plural(len(clock.starts), 'pause')} without a running trial cut out ({lost})."]
