"""Successive halving, asynchronous and in whole numbers."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.contract import Objective
from tuner.algorithms import make_pruner
from tuner.algorithms.hyperband import Hyperband, bracket_sizes
from tuner.algorithms.pruning import PruningTask
from tuner.algorithms.rungs import Rungs, rung_levels
from tuner.spec import PrunerSpec

quick = settings(max_examples=50, deadline=None)
values = st.floats(-1e6, 1e6) | st.just(math.nan)
reports = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 40), values), max_size=60)


def replay(history, direction="minimize", sign=1.0, factor=3):
    """The decisions of one bracket over reports in order, steps of a trial made increasing."""
    rungs = Rungs(direction, 1, 27, factor)
    decisions, last = [], {}
    for number, step, value in history:
        if step <= last.get(number, 0):
            continue
        last[number] = step
        rungs.observe(number, step, sign * value)
        decisions.append(rungs.decide(number, step))
    return decisions


def test_rungs_are_counted_in_whole_numbers():
    """R=243 with factor 3 has six levels, where logarithms of floats find five."""
    assert rung_levels(1, 243, 3) == [1, 3, 9, 27, 81, 243]
    assert rung_levels(2, 20, 4) == [2, 8]
    assert rung_levels(5, 4, 2) == []


@quick
@given(st.integers(1, 5), st.integers(0, 12), st.integers(2, 5))
def test_an_exact_power_is_always_a_level(low, exponent, factor):
    """The level at min * factor**n is there for every n, and they are n+1."""
    levels = rung_levels(low, low * factor**exponent, factor)
    assert levels == [low * factor**r for r in range(exponent + 1)]


def test_the_last_level_needs_no_decision():
    """A trial at its full resource ends anyway and is not compared."""
    assert Rungs("minimize", 1, 27, 3).levels == [1, 3, 9]


def test_a_trial_goes_on_if_it_is_among_the_best_share():
    """Of n values the best ceil(n/3) go on; the first two arrivals always do."""
    rungs = Rungs("minimize", 1, 9, 3)
    pruned = []
    for number, value in enumerate([5.0, 6.0, 7.0, 5.5, 4.0, 5.2, 4.5]):
        rungs.observe(number, 1, value)
        pruned.append(rungs.decide(number, 1).prune)
    assert pruned == [False, False, True, False, False, True, False]


def test_a_decision_says_why():
    """The reason names the rung, the place among the values and how many go on."""
    rungs = Rungs("maximize", 2, 9, 2)
    for number, value in enumerate([0.9, 0.8, 0.7]):
        rungs.observe(number, 2, value)
    decision = rungs.decide(2, 2)
    assert decision.prune
    assert decision.rung == 2
    assert decision.reason == "2 of 3 better at rung 2; the best 2 go on"


def test_between_rungs_nothing_is_decided():
    """Only the value that reaches a rung is compared, once."""
    rungs = Rungs("minimize", 2, 27, 3)
    for step in (1, 2, 3):
        rungs.observe(0, step, 1.0)
    assert rungs.decide(0, 3).rung is None
    other = Rungs("minimize", 2, 27, 3)
    other.observe(0, 1, 1.0)
    assert other.decide(0, 1).rung is None


def test_a_skipped_rung_counts_for_the_highest_reached():
    """A function that reports every ten steps stands at rung 9 with its value at step 10."""
    rungs = Rungs("minimize", 1, 81, 3)
    rungs.observe(0, 10, 1.0)
    assert rungs.decide(0, 10).rung == 9


@quick
@given(reports)
def test_flipping_direction_and_sign_changes_nothing(history):
    """Minimising x and maximising -x prune the same trials at the same rungs."""
    assert replay(history) == replay(history, "maximize", -1.0)


@quick
@given(reports, st.integers(2, 5))
def test_the_best_value_is_never_pruned(history, factor):
    """A value equal to the best at its rung goes on, however many tie."""
    rungs, last, best = Rungs("minimize", 1, 27, factor), {}, {}
    for number, step, value in history:
        if step <= last.get(number, 0) or math.isnan(value):
            continue
        last[number] = step
        rungs.observe(number, step, value)
        decision = rungs.decide(number, step)
        if decision.rung is not None:
            best[decision.rung] = min(best.get(decision.rung, math.inf), value)
            assert not (decision.prune and value == best[decision.rung])


@quick
@given(st.lists(values, min_size=3, max_size=40), st.integers(2, 5))
def test_the_rule_equals_its_definition(column, factor):
    """Against ranks counted one by one: n_better * factor <= n - 1 goes on; NaN is worst."""
    rungs = Rungs("minimize", 1, 9, factor)
    costs = [math.inf if math.isnan(v) else v for v in column]
    for number, value in enumerate(column):
        rungs.observe(number, 1, value)
        seen = costs[: number + 1]
        n_better = sum(c < costs[number] for c in seen)
        expected = len(seen) >= factor and n_better * factor > len(seen) - 1
        assert rungs.decide(number, 1).prune == expected


@quick
@given(reports, st.randoms(use_true_random=False))
def test_a_resumed_study_decides_alike(history, random):
    """Replaying the values trial by trial, in any order of trials, gives the same next decision."""
    clean, last = [], {}
    for number, step, value in history:
        if step > last.get(number, 0):
            last[number] = step
            clean.append((number, step, value))
    live, again = Rungs("minimize", 1, 27, 3), Rungs("minimize", 1, 27, 3)
    for report in clean:
        live.observe(*report)
    numbers = list({number for number, _, _ in clean})
    random.shuffle(numbers)
    for wanted in numbers:
        for report in (r for r in clean if r[0] == wanted):
            again.observe(*report)
    live.observe(99, 1, 0.5)
    again.observe(99, 1, 0.5)
    assert live.decide(99, 1) == again.decide(99, 1)


def test_a_lost_attempt_takes_its_values_along():
    """After a rewind the rung holds what it held before, and the trial is judged anew."""
    rungs = Rungs("minimize", 1, 27, 2)
    for number in range(4):
        rungs.observe(number, 1, float(number))
    rungs.observe(9, 1, -1.0)
    rungs.observe(9, 3, -2.0)
    rungs.rewind(9, 0)
    rungs.observe(9, 1, 7.0)
    assert rungs.decide(9, 1).reason == "4 of 5 better at rung 1; the best 3 go on"


def test_a_repeated_step_changes_nothing():
    """A value that is observed twice counts once."""
    rungs = Rungs("minimize", 1, 27, 2)
    rungs.observe(0, 1, 1.0)
    rungs.observe(0, 1, 5.0)
    rungs.observe(1, 1, 2.0)
    assert rungs.decide(1, 1).reason == "1 of 2 better at rung 1; the best 1 go on"


def test_bracket_sizes_are_those_of_the_paper():
    """R=81, factor 3: 81, 34, 15, 8 and 5 trials in the five brackets (table 1 of the paper)."""
    assert bracket_sizes(5, 3) == [81, 34, 15, 8, 5]


def test_hyperband_draws_brackets_by_number_with_the_papers_weights():
    """A trial's bracket is fixed; over many trials the shares are those of the paper."""
    pruner, again = (Hyperband(PruningTask("minimize", 81, 7), 3, 1) for _ in range(2))
    brackets = [pruner.bracket(number) for number in range(5000)]
    assert brackets == [again.bracket(number) for number in range(5000)]
    assert pruner.n_brackets == 5
    for bracket, size in enumerate(bracket_sizes(5, 3)):
        assert brackets.count(bracket) / 5000 == pytest.approx(size / 143, abs=0.03)


def test_hyperband_compares_within_a_bracket():
    """Poor trials of one bracket do not meet good ones of another; the last is never pruned."""
    pruner = make_pruner(PrunerSpec(name="hyperband"), [Objective("loss", "minimize")], 9, 0)
    rungs_by_bracket = {0: set(), 1: set(), 2: set()}
    for number in range(60):
        for step in range(1, 10):
            pruner.observe(number, step, float(number))
            decision = pruner.decide(number, step, float(number))
            if decision.rung is not None:
                rungs_by_bracket[pruner.bracket(number)].add(decision.rung)
    assert rungs_by_bracket == {0: {1, 3}, 1: {3}, 2: set()}


def test_asha_decides_through_its_rungs_and_forgets_lost_values():
    """The pruner of the table prunes by rung, ignores how trials end, and can be rewound."""
    pruner = make_pruner(
        PrunerSpec(name="asha", options={"reduction_factor": 2}),
        [Objective("accuracy", "maximize")],
        8,
        0,
    )
    for number, value in enumerate([0.9, 0.8, 0.1]):
        pruner.observe(number, 1, value)
        pruner.finish(number, "COMPLETE")
    assert pruner.decide(2, 1, 0.1).prune
    pruner.rewind(2, 0)
    assert pruner.decide(2, 1, 0.1).rung is None


def test_no_pruning_prunes_nothing():
    """`none` lets the worst go on."""
    pruner = make_pruner(PrunerSpec(name="none"), [Objective("loss", "minimize")], 9, 0)
    pruner.observe(0, 1, math.nan)
    pruner.rewind(0, 0)
    pruner.finish(0, "FAIL")
    assert not pruner.decide(0, 1, math.nan).prune
