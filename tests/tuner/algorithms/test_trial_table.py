"""The columns that a study's trials are kept in, and how they follow it."""

from __future__ import annotations

import numpy as np
import optuna
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from search_spaces import Categorical, Float, Space
from tuner.algorithms.axes import Axes
from tuner.algorithms.trial_table import TrialTable

SPACE = Space(x=Float(0, 1), act=Categorical(["a", "b"]), y=Float(0, 1, when={"act": "b"}))
AXES = Axes(SPACE.distributions, {})
ONLY_X = Axes({"x": SPACE["x"].distribution}, {})
ONLY_Y = Axes({"y": SPACE["y"].distribution}, {})


def trial(
    state: TrialState, value: float | None = None, **more: object
) -> optuna.trial.FrozenTrial:
    """A trial that has an x and no more."""
    return optuna.trial.create_trial(
        state=state,
        value=value,
        params={"x": 0.5},
        distributions={"x": SPACE["x"].distribution},
        **more,
    )


def read(*trials: optuna.trial.FrozenTrial, sign: int = 1) -> TrialTable:
    """The table of a study with these trials."""
    table = TrialTable(AXES, sign)
    table.update(trials)
    return table


def shown(table: TrialTable) -> list[list[object]]:
    """All that a sampler sees of a table."""
    found = []
    for axes in (AXES, ONLY_X, ONLY_Y):
        poor = table.poor(axes, with_running=True)
        found += [table.good(axes), poor, table.poor(axes, with_running=False)]
        found += table.points(axes, poor)
    return [array.tolist() for array in found]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["ask", "complete", "prune", "fail", "look"]), max_size=60))
def test_the_way_to_a_history_does_not_matter(moves: list[str]) -> None:
    """A table that followed a study equals one that read it at the end."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=len(moves)))
    following = TrialTable(AXES, 1)
    open_trials = []
    for move in moves:
        if move == "ask":
            open_trials.append(study.ask())
            SPACE.suggest(open_trials[-1])
        elif move == "look":
            following.update(study.get_trials(deepcopy=False))
            shown(following)
        elif open_trials:
            chosen = open_trials.pop(len(moves) % len(open_trials))
            chosen.report(chosen.number % 7, chosen.number % 3)
            value = chosen.number % 5 if move == "complete" else None
            state = {"prune": TrialState.PRUNED, "fail": TrialState.FAIL}.get(move)
            study.tell(chosen, value, state)
    following.update(study.get_trials(deepcopy=False))
    assert shown(following) == shown(read(*study.get_trials(deepcopy=False)))


def test_trials_rank_as_in_optuna() -> None:
    """Complete ones by value, pruned ones by how far they came, then those out of bounds."""
    trials = [
        trial(TrialState.COMPLETE, 1.0, constraints={"size": 2.0}),
        trial(TrialState.PRUNED),
        trial(TrialState.PRUNED, intermediate_values={3: float("nan")}),
        trial(TrialState.PRUNED, intermediate_values={3: 9.0}),
        trial(TrialState.PRUNED, intermediate_values={2: 0.0}),
        trial(TrialState.COMPLETE, 4.0),
        trial(TrialState.COMPLETE, 3.0),
    ]
    best_first = [6, 5, 3, 2, 4, 1, 0]
    for sign, ranked in ((1, best_first), (-1, [5, 6, *best_first[2:]])):
        for n_good in range(1, 8):
            # Trials out of bounds with more of an excess are poor ones and change no order.
            padding = [trial(TrialState.COMPLETE, 0.0, constraints={"size": 3.0})]
            table = read(*trials, *padding * (10 * n_good - len(trials)), sign=sign)
            assert table.good(ONLY_X).tolist() == sorted(ranked[:n_good])


def test_running_trials_are_poor_or_left_out() -> None:
    """They never count as finished; failed and waiting ones are in neither half."""
    states = [TrialState.COMPLETE, TrialState.RUNNING, TrialState.FAIL, TrialState.WAITING]
    table = read(*(trial(state, 1.0 if state == TrialState.COMPLETE else None) for state in states))
    assert table.n_finished == 1
    assert table.good(ONLY_X).tolist() == [0]
    assert table.poor(ONLY_X, with_running=True).tolist() == [1]
    assert table.poor(ONLY_X, with_running=False).tolist() == []


def test_trials_without_an_axis_are_not_taken() -> None:
    """A trial without one of the axes, or with a value outside of it, is no observation of them."""
    outside = optuna.trial.create_trial(
        value=1.0,
        params={"x": 3.0},
        distributions={"x": optuna.distributions.FloatDistribution(0, 4)},
    )
    table = read(outside, trial(TrialState.COMPLETE, 2.0), trial(TrialState.RUNNING), outside)
    assert table.good(ONLY_X).tolist() == []
    assert table.poor(ONLY_X, with_running=True).tolist() == [1, 2]
    assert table.points(ONLY_X, np.array([1, 2])).places.tolist() == [[0.0, 0.0]]
    assert table.poor(AXES, with_running=True).tolist() == []
