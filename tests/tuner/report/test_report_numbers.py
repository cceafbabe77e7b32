"""Every number of the page and of its figures, against SQL and plain loops over made-up studies."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState
from report_rows import Cells, Row, busy_s, stored

from tuner.report import facts, front_data, progress_data, spread_data, standing
from tuner.report.data import StudyRecord
from tuner.report.facts import UndrawableError
from tuner.report.html import document
from tuner.report.parameter_data import slices
from tuner.report.text import DASH
from tuner.storage.storage import Storage

START = datetime(2026, 3, 2, 14, 5)
SPACE: dict[str, optuna.distributions.BaseDistribution] = {
    "rate": FloatDistribution(1e-5, 1.0, log=True),
    "units": IntDistribution(1, 9),
    "odd name %": CategoricalDistribution(["a", None, True, "1", "<b>"]),
    "fixed": CategoricalDistribution(["only"]),
}
WHOLE = st.integers(-4, 4).map(float)
STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@st.composite
def trials(draw: st.DrawFn, n_objectives: int) -> FrozenTrial:
    """A trial as other programs leave them: NaN on the way, parameters missing, any state."""
    state = draw(st.sampled_from([TrialState.COMPLETE, *STATES]))
    names = [name for name in SPACE if draw(st.integers(0, 5))]
    values = [draw(WHOLE) for _ in range(n_objectives)]
    steps = draw(st.lists(st.integers(0, 9), unique=True, max_size=4))
    curve = {step: draw(WHOLE | st.just(math.nan)) for step in steps}
    begun = START + timedelta(seconds=draw(st.integers(0, 400)))
    trial = optuna.trial.create_trial(
        state=state,
        values=values if state == TrialState.COMPLETE else None,
        params={name: draw(drawn(SPACE[name])) for name in names},
        distributions={name: SPACE[name] for name in names},
        intermediate_values={} if n_objectives > 1 else curve,
        user_attrs={"reason": draw(st.sampled_from(["oom", "non-finite: x"]))}
        if state == TrialState.FAIL
        else {},
    )
    trial.datetime_start = begun
    length_s = draw(st.integers(0, 30) | st.just(300))
    trial.datetime_complete = begun + timedelta(seconds=length_s)
    return trial


def drawn(distribution: optuna.distributions.BaseDistribution) -> st.SearchStrategy[Any]:
    """Values of a parameter."""
    if isinstance(distribution, CategoricalDistribution):
        return st.sampled_from(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return st.integers(distribution.low, distribution.high)
    return st.floats(1e-5, 1.0)


def sign(direction: str) -> float:
    """What turns a value into a cost."""
    return -1.0 if direction == "maximize" else 1.0


@settings(max_examples=8, deadline=None)
@given(st.lists(trials(1), min_size=1, max_size=12), st.sampled_from(["minimize", "maximize"]))
def test_one_objective(
    database: tuple[Storage, Path], made: list[FrozenTrial], direction: str
) -> None:
    """Cards, table, history, distribution, slices and standing hold what SQL tells."""
    record, rows = stored(database, made, [direction])
    cost = sign(direction)
    complete = [row for row in rows if row.state == "COMPLETE"]
    page = Cells(document([record]))
    _check_counts(record, rows, page)
    _check_table(rows, page)
    if complete:
        best = min(complete, key=lambda row: (cost * row.values[0], row.number))
        assert record.best == best.number
        assert f"Best trial #{best.number}" in page.text
        _check_standing(record, rows, best, cost)
        _check_history(record, complete, cost)
        (part,) = spread_data.distributions([record]).parts
        values = [row.values[0] for row in complete]
        for value, share in zip(part.values, part.shares, strict=True):
            assert share == pytest.approx(sum(v <= value for v in values) / len(values))
    else:
        assert "No trial is complete yet." in page.text
    _check_slices(record, rows)


def _check_counts(record: StudyRecord, rows: list[Row], page: Cells) -> None:
    states = Counter(row.state for row in rows)
    words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    assert {state: n for state, n in facts.state_counts(record).items() if n} == states
    for state, word in words.items():
        assert f"{word} {states[state]} " in page.text
    assert sum(n for _, n in facts.failure_counts(record)) == states["FAIL"]
    stops = Counter(max(row.curve, default=0) for row in rows if row.state == "PRUNED")
    assert dict(facts.stop_counts(record)) == stops
    for step, n in list(stops.items())[:6] if len(stops) <= 6 else []:
        assert f"pruned{f' at step {step:,}' if step else ''} {n} " in page.text
    clock = facts.clock_of(record.trials)
    assert clock is not None
    assert clock.total_s == pytest.approx(busy_s(rows))


def _check_table(rows: list[Row], page: Cells) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row.params))
    assert len(page.rows) == len(rows)
    for row, cells in zip(rows, page.rows, strict=True):
        known = row.values[0] if row.state == "COMPLETE" else None
        known = row.last if row.state == "PRUNED" else known
        words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        assert cells[:2] == [str(row.number), words[row.state]]
        assert cells[2] == (DASH if known is None else f"={known}")
        for name, cell in zip(names, cells[3:], strict=False):
            assert cell == _shown(row.params, name)
        steps, length = cells[3 + len(names)], cells[4 + len(names)]
        assert steps == (f"={max(row.curve)}" if row.curve else DASH)
        assert length == f"={row.worked_s:.3f} s"


def _shown(params: dict[str, Any], name: str) -> str:
    if name not in params:
        return DASH
    value = params[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"={value}" if is_number else str(value)


def _check_standing(record: StudyRecord, rows: list[Row], best: Row, cost: float) -> None:
    found = standing.standing(record)
    assert found is not None
    others = [r for r in rows if r.state == "COMPLETE" and r.number != best.number]
    others.sort(key=lambda row: (cost * row.values[0], row.number))
    assert [rival.number for rival in found.rivals] == [row.number for row in others[:3]]
    for rival, row in zip(found.rivals, others, strict=False):
        assert rival.distance == cost * (row.values[0] - best.values[0])
    assert found.n_after == sum(row.number > best.number for row in rows)
    same = [row.values[0] for row in [best, *others] if row.params == best.params]
    assert sorted(found.repeats) == sorted(same)
    assert found.repeat_mean == pytest.approx(sum(same) / len(same))


def _check_history(record: StudyRecord, complete: list[Row], cost: float) -> None:
    data = progress_data.history(record)
    marks = dict(zip(data.complete.numbers, data.complete.values, strict=True))
    assert marks == {row.number: row.values[0] for row in complete}
    for number, value in data.best:
        reached = [cost * row.values[0] for row in complete if row.number <= number]
        assert cost * value == min(reached)


def _check_slices(record: StudyRecord, rows: list[Row]) -> None:
    try:
        data = slices(record)
    except UndrawableError:
        return
    by_number = {row.number: row for row in rows}
    known = {r.number: r.values[0] for r in rows if r.state == "COMPLETE"}
    known |= {r.number: r.last for r in rows if r.state == "PRUNED" and r.last is not None}
    for part in data.slices:
        assert set(part.numbers) == {n for n in known if part.axis.name in by_number[n].params}
        for number, place, value in zip(part.numbers, part.places, part.values, strict=True):
            assert value == known[number]
            assert place == part.axis.position(by_number[number].params[part.axis.name])


@settings(max_examples=8, deadline=None)
@given(
    st.integers(2, 3).flatmap(
        lambda n: st.tuples(
            st.lists(trials(n), min_size=1, max_size=10),
            st.lists(st.sampled_from(["minimize", "maximize"]), min_size=n, max_size=n),
        )
    )
)
def test_several_objectives(
    database: tuple[Storage, Path], made: tuple[list[FrozenTrial], list[str]]
) -> None:
    """Front, hypervolume and the figures of each objective hold what SQL tells."""
    record, rows = stored(database, *made)
    signs = [sign(direction) for direction in made[1]]
    complete = {
        row.number: [s * v for s, v in zip(signs, row.values, strict=True)]
        for row in rows
        if row.state == "COMPLETE"
    }
    front = {n for n, own in complete.items() if not _is_beaten(own, complete.values())}
    assert set(facts.front_numbers(record)) == front
    page = Cells(document([record]))
    for number, row in zip((row.number for row in rows), page.rows, strict=True):
        values = [f"={s * v}" for s, v in zip(signs, complete.get(number, []), strict=False)]
        assert row[2 : 2 + len(signs)] == (values or [DASH] * len(signs))
    if not complete:
        return
    data = front_data.volumes(record)
    corner = [s * v for s, v in zip(signs, data.reference, strict=True)]
    for number, volume in data.points:
        reached = [own for n, own in complete.items() if n <= number]
        assert volume == pytest.approx(_volume(reached, corner))
    for k in range(len(signs)):
        single = facts.judged_by(record, k)
        assert {t.number: t.values for t in single.trials} == {
            n: (signs[k] * own[k],) for n, own in complete.items()
        }
        (part,) = spread_data.distributions([record], k).parts
        assert set(part.values) == {signs[k] * own[k] for own in complete.values()}


def _is_beaten(own: list[float], others: Any) -> bool:
    return any(
        other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in others
    )


def _volume(points: list[list[float]], corner: list[float]) -> float:
    """The volume of what some point is better than, cell by cell between all coordinates."""
    cuts = [sorted({corner[k], *(p[k] for p in points)}) for k in range(len(corner))]
    cuts = [[c for c in each if c <= corner[k]] for k, each in enumerate(cuts)]
    total = 0.0
    for cell in itertools.product(*(list(itertools.pairwise(each)) for each in cuts)):
        if any(all(p[k] <= low for k, (low, _) in enumerate(cell)) for p in points):
            total += math.prod(high - low for low, high in cell)
    return total


def test_lost_numbers_would_be_noticed() -> None:
    """The loops of these tests know a front and a volume that are worked out by hand."""
    points = [[0.0, 3.0], [1.0, 1.0], [2.0, 2.0]]
    assert [_is_beaten(point, points) for point in points] == [False, False, True]
    assert _volume(points, [4.0, 4.0]) == 10.0
