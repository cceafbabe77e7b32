"""What the report concludes: the lead of the best, causes of failures, bounds to move."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.stats import hypergeom

from tuner.report import cause_data, space_data
from tuner.report.data import Finding, StudyRecord, TrialRecord
from tuner.report.facts import UndrawableError
from tuner.report.overview import trust
from tuner.report.standing import standing

LOSS = (("loss", "minimize", ""),)
UNIT = {"x": FloatDistribution(0, 2)}


def test_the_lead_by_hand() -> None:
    """Distances, later trials, repeats and the last steps of the best come from the trials."""
    curve = {1: 0.9, 2: 0.5, 3: 0.34, 4: 0.32, 5: 0.33, 6: 0.3}
    trials = (
        TrialRecord(0, "COMPLETE", (0.5,), {"x": 0.1}),
        TrialRecord(1, "COMPLETE", (0.3,), {"x": 0.2}, curve),
        TrialRecord(2, "COMPLETE", (0.31,), {"x": 0.2}),
        TrialRecord(3, "PRUNED", (0.2,), {"x": 0.3}),
        TrialRecord(4, "COMPLETE", (0.4,), {"x": 0.4}),
        TrialRecord(5, "COMPLETE", (0.9,), {"x": 0.5}),
        TrialRecord(6, "RUNNING"),
    )
    found = standing(StudyRecord("s", LOSS, trials, UNIT, best=1))
    assert found is not None
    assert [(r.number, r.value) for r in found.rivals] == [(2, 0.31), (4, 0.4), (0, 0.5)]
    assert [r.distance for r in found.rivals] == pytest.approx([0.01, 0.1, 0.2])
    assert found.n_after == 4
    assert found.repeats == (0.3, 0.31)
    assert found.repeat_mean == pytest.approx(0.305)
    assert found.repeat_spread == pytest.approx(0.01 / math.sqrt(2))
    assert found.step_change == pytest.approx(0.025)  # of 0.16, 0.02, 0.01 and 0.03
    assert found.n_close == 1


def test_the_lead_when_maximizing() -> None:
    """The next best are those just below, and their distance is positive."""
    trials = tuple(TrialRecord(i, "COMPLETE", (v,)) for i, v in enumerate((0.7, 0.9, 0.8)))
    found = standing(StudyRecord("s", (("score", "maximize", ""),), trials, best=1))
    assert found is not None
    assert [(r.number, pytest.approx(r.distance)) for r in found.rivals] == [(2, 0.1), (0, 0.2)]


def test_no_lead_without_a_best_trial() -> None:
    """A study without a complete trial has no standing."""
    assert standing(StudyRecord("s", LOSS, (TrialRecord(0, "FAIL"),))) is None


def test_trust_says_what_is_not_known() -> None:
    """One lone trial: no rival, no repeat, and no sentence about steps that are not there."""
    found = standing(StudyRecord("s", LOSS, (TrialRecord(0, "COMPLETE", (1.0,)),), best=0))
    assert found is not None
    assert trust(found, "epoch") == [
        "No other trial is complete.",
        "Its parameters were tried once, so the spread over seeds is not known.",
    ]


def failing(n_high: int, n_low: int) -> StudyRecord:
    """A study whose trials fail with a high rate, and otherwise with none."""
    space = {
        "rate": FloatDistribution(1e-4, 1, log=True),
        "kind": CategoricalDistribution(["a", "b"]),
    }
    trials = []
    for number in range(n_high + n_low):
        is_high = number < n_high
        rate = (
            10 ** (-0.5 * number / n_high)
            if is_high
            else 10 ** (-4 + 3 * number / (n_high + n_low))
        )
        trials.append(
            TrialRecord(
                number,
                "FAIL" if is_high else "COMPLETE",
                None if is_high else (0.5,),
                {"rate": rate, "kind": "ab"[number % 2]},
                reason="non-finite: loss is nan" if is_high else None,
                findings=(Finding("divergence", "rises", 2 + number % 3),) if is_high else (),
            )
        )
    return StudyRecord("s", LOSS, tuple(trials), space)


def test_the_cause_of_failures_is_found() -> None:
    """Of a rate that decides and a choice that does not, only the rate is named, with counts."""
    (kind,) = cause_data.failure_kinds(failing(12, 40))
    assert (kind.name, len(kind.numbers)) == ("non-finite", 12)
    (cause,) = kind.causes
    assert cause.where.startswith("rate above 0.")
    assert (cause.n_with, cause.n_with_elsewhere) == (12, 0)
    assert cause.n_there + cause.n_elsewhere == 52


def test_findings_are_explained_like_failures() -> None:
    """A kind of finding carries its trials, its cause, and the epochs at which it first showed."""
    (kind,) = cause_data.finding_kinds(failing(12, 40))
    assert (kind.name, kind.epochs) == ("divergence", (2, 4))
    assert kind.numbers == tuple(range(12))
    assert kind.causes[0].where.startswith("rate above")


def test_a_choice_can_be_the_cause() -> None:
    """Failures of one choice name it."""
    trials = tuple(
        TrialRecord(n, "FAIL" if n % 3 == 0 else "COMPLETE", (1.0,), {"k": "abc"[n % 3]})
        for n in range(60)
    )
    space = {"k": CategoricalDistribution(["a", "b", "c"])}
    (kind,) = cause_data.failure_kinds(StudyRecord("s", LOSS, trials, space))
    assert [cause.sentence for cause in kind.causes] == ["k = a: 20 of 20, elsewhere 0 of 40"]


def test_chance_names_no_cause() -> None:
    """Failures spread evenly over the space, and failures that are few, have no cause."""
    trials = tuple(
        TrialRecord(n, "FAIL" if n % 4 == 0 else "COMPLETE", (1.0,), {"x": (n * 0.618) % 1})
        for n in range(80)
    )
    space = {"x": FloatDistribution(0, 1)}
    assert cause_data.failure_kinds(StudyRecord("s", LOSS, trials, space))[0].causes == ()
    assert cause_data.failure_kinds(failing(4, 40))[0].causes == ()


@given(st.integers(1, 60), st.data())
@settings(max_examples=60, deadline=None)
def test_the_chance_is_the_hypergeometric_tail(n_all: int, data: st.DataObject) -> None:
    """The logarithm of the chance agrees with SciPy's survival function."""
    n_there = data.draw(st.integers(0, n_all))
    n_with_all = data.draw(st.integers(0, n_all))
    n_with = data.draw(st.integers(max(0, n_there + n_with_all - n_all), min(n_there, n_with_all)))
    found = math.exp(cause_data.log_chance(n_with, n_there, n_with_all, n_all))
    assert found == pytest.approx(hypergeom.sf(n_with - 1, n_all, n_with_all, n_there), rel=1e-9)


def ranged(places: list[float], low: float = 1e-3, high: float = 1.0) -> space_data.Ranges:
    """The space of a study whose best five trials lie at these shares of a log axis."""
    span = math.log10(high / low)
    best = [low * 10 ** (span * place) for place in places]
    rest = [low * 10 ** (span * n / 44) for n in range(45)]
    trials = tuple(
        TrialRecord(n, "COMPLETE", (float(n),), {"rate": rate})
        for n, rate in enumerate([*best, *rest])
    )
    space = {"rate": FloatDistribution(low, high, log=True)}
    return space_data.ranges(StudyRecord("s", LOSS, trials, space, best=0))


def test_best_values_at_a_bound_give_a_hint() -> None:
    """Three of the best five at an end name the bound and the way to move it."""
    assert ranged([0.99, 0.97, 1.0, 0.5, 0.3]).hints == (
        "rate: 3 of the best 5 lie at the upper bound 1; raise it to see whether values beyond "
        "are better still.",
    )
    assert (
        ranged([0.0, 0.01, 0.02, 0.5, 0.3])
        .hints[0]
        .startswith("rate: 3 of the best 5 lie at the lower bound 0.001; lower it")
    )
    assert ranged([0.99, 0.98, 0.5, 0.4, 0.3]).hints == ()


def test_places_of_the_space_by_hand() -> None:
    """Trials stand at their share of the given range, the best with their numbers."""
    found = ranged([0.9, 0.8, 0.7, 0.6, 0.5])
    (rate,) = found.ranges
    assert [number for number, _ in rate.best] == [0, 1, 2, 3, 4]
    assert [place for _, place in rate.best] == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    assert (min(rate.tried), max(rate.tried)) == pytest.approx((0.0, 1.0))


@pytest.mark.parametrize(
    "distribution",
    [FloatDistribution(0, 1), IntDistribution(1, 3), CategoricalDistribution([1, 2])],
)
def test_bounds_that_cannot_move_give_no_hint(
    distribution: FloatDistribution | IntDistribution | CategoricalDistribution,
) -> None:
    """A share from 0 to 1, a count of 1 and choices are never to be widened."""
    lowest = 0 if isinstance(distribution, FloatDistribution) else 1
    trials = tuple(TrialRecord(n, "COMPLETE", (float(n),), {"x": lowest}) for n in range(10))
    found = space_data.ranges(StudyRecord("s", LOSS, trials, {"x": distribution}, best=0))
    assert found.hints == ()


def test_no_space_without_parameters() -> None:
    """A study in which nothing varies says so."""
    with pytest.raises(UndrawableError, match="No parameter"):
        space_data.ranges(StudyRecord("s", LOSS, (TrialRecord(0, "COMPLETE", (0.5,), {}),)))
