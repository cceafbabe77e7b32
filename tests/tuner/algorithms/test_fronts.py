"""Successive halving by several objectives, against a plain definition of fronts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.algorithms.fronts import FrontHalving, front_ranks
from tuner.algorithms.rungs import Rungs

NUMBERS = st.integers(0, 6).map(float)
STEPS = st.lists(st.integers(1, 20), min_size=1, max_size=6, unique=True).map(sorted)


def costs_of(n_objectives):
    """Lists of costs with many ties."""
    return st.lists(st.tuples(*[NUMBERS] * n_objectives), max_size=25)


def peeled(costs):
    """The front of each by the definition: those that no other dominates are taken away first."""
    ranks = [-1] * len(costs)
    rank = 0
    while -1 in ranks:
        left = [c for c, r in zip(costs, ranks, strict=True) if r == -1]
        for index, own in enumerate(costs):
            is_beaten = any(o != own and all(map(float.__le__, o, own)) for o in left)
            if ranks[index] == -1 and not is_beaten:
                ranks[index] = rank
        rank += 1
    return ranks


@given(st.integers(1, 4).flatmap(costs_of))
def test_ranks_are_those_of_the_definition(costs):
    """For one to four objectives, ties and repeated points included."""
    assert front_ranks(costs) == peeled(costs)


def halving(**options):
    """Least loss, most gain, rungs at 1, 2, 4 and 8 of 16."""
    settings = {"min_resource": 1, "max_resource": 16, "reduction_factor": 2} | options
    return FrontHalving(("minimize", "maximize"), **settings)


def test_trials_on_a_better_front_go_on():
    """Of four trials, two on the front go on, and so does none of those that they dominate."""
    pruner = halving()
    values = {0: (1.0, 9.0), 1: (2.0, 10.0), 2: (3.0, 8.0), 3: (2.0, 9.5)}
    for number, pair in values.items():
        pruner.observe(number, 1, pair)
    decided = {number: pruner.decide(number, 1, pair) for number, pair in values.items()}
    assert {number for number, decision in decided.items() if decision.prune} == {2, 3}
    assert decided[2].reason == "3 of 4 on better fronts at rung 1; the best 2 go on"
    assert {decision.rung for decision in decided.values()} == {1}


def test_directions_and_signs_are_the_same():
    """Maximising a value is minimising its negative."""
    mirrored = FrontHalving(("minimize", "minimize"), 1, 16, 2)
    pruner = halving()
    for number in range(9):
        loss, gain = float(number * 7 % 9), float(number * 5 % 8)
        pruner.observe(number, 1, (loss, gain))
        mirrored.observe(number, 1, (loss, -gain))
    for number in range(9):
        assert pruner.decide(number, 1, ()) == mirrored.decide(number, 1, ())


@given(
    st.lists(st.tuples(st.integers(0, 8), STEPS, NUMBERS), max_size=12, unique_by=lambda t: t[0])
)
def test_one_objective_is_decided_as_by_rungs(trials):
    """Verdicts and rungs are those of ordinary successive halving."""
    fronts, rungs = FrontHalving(("maximize",), 1, 16, 3), Rungs("maximize", 1, 16, 3)
    for number, steps, value in trials:
        for step in steps:
            fronts.observe(number, step, (value + step,))
            rungs.observe(number, step, value + step)
    for number, steps, value in trials:
        mine = fronts.decide(number, steps[-1], (value,))
        theirs = rungs.decide(number, steps[-1])
        assert (mine.prune, mine.rung) == (theirs.prune, theirs.rung)


@given(st.permutations(range(12)))
def test_the_order_of_reports_is_no_matter(order):
    """What was observed decides, not when."""
    values = {n: (float(n * 7 % 12), float(n * 5 % 11)) for n in range(12)}
    first, second = halving(), halving()
    for number in range(12):
        first.observe(number, 2, values[number])
    for number in order:
        second.observe(number, 2, values[number])
    for number in range(12):
        assert first.decide(number, 2, values[number]) == second.decide(number, 2, values[number])


@pytest.mark.parametrize("last", [1, 2, 3, 4, 7])
def test_rewound_values_never_were(last):
    """After a lost attempt decisions are those of a history without its later values."""
    values = {n: (float(n * 7 % 6), float(n * 5 % 7)) for n in range(6)}
    clean, rewound = halving(), halving()
    for number, pair in values.items():
        for step in range(1, 9):
            rewound.observe(number, step, pair)
            if number != 3 or step <= last:
                clean.observe(number, step, pair)
    assert rewound.decide(0, 8, values[0]).rung == 8
    rewound.rewind(3, last)
    for number, pair in values.items():
        assert rewound.decide(number, 8, pair) == clean.decide(number, 8, pair)
    rewound.rewind(9, 0)


def test_a_step_between_rungs_needs_no_decision():
    """A trial is judged once a rung, and not before there are enough of them."""
    pruner = halving(min_resource=2)
    pruner.observe(0, 1, (1.0, 1.0))
    assert pruner.decide(0, 1, (1.0, 1.0)).rung is None
    pruner.observe(0, 2, (1.0, 1.0))
    assert pruner.decide(0, 2, (1.0, 1.0)).reason == "1 of 2 values at rung 2"
    pruner.observe(0, 3, (0.0, 2.0))
    assert pruner.decide(0, 3, (0.0, 2.0)).rung is None
