"""The sampler that learns from a person's choices, and the process behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna_dashboard.preferential import PreferentialStudy
from optuna_dashboard.preferential import _system_attrs as theirs

from search_spaces import Categorical, Constant, Float, Int, Ordinal, Space
from tuner.algorithms import make_sampler, reseed
from tuner.algorithms.choices import chosen_pairs, skipped_ids
from tuner.algorithms.preference_process import fit
from tuner.spec import SamplerSpec

SPACE = Space(
    x=Float(0.0, 1.0),
    rate=Float(1e-4, 1.0, log=True),
    kind=Categorical(["a", "b"]),
    size=Ordinal([16, 32, 64]),
    depth=Int(1, 3, when={"kind": "b"}),
    fixed=Constant(7),
)


def liking(params: dict[str, Any]) -> float:
    """What the judge of these tests goes by: less is better."""
    return (
        abs(params["x"] - 0.8) + 0.3 * abs(np.log10(params["rate"]) + 2) + (params["kind"] == "a")
    )


def judged(
    seed: int, n: int, n_shown: int = 4, *, tells: bool = True
) -> tuple[list[float], list[dict[str, Any]]]:
    """How much a judge who finds the worst of four likes each of `n` trials, and their values.

    Args:
        seed: Of the sampler.
        n: Trials in all.
        n_shown: How many are compared.
        tells: Whether the judge says so.
    """
    sampler = make_sampler(SamplerSpec(name="preference"), SPACE, (), seed)
    study = optuna.create_study(sampler=sampler)
    shown: list[int] = []
    found = []
    for number in range(n):
        reseed(sampler, 1000 * seed + number)
        trial = study.ask()
        found.append(SPACE.suggest(Given(trial)))
        study.tell(trial, 0.0)
        shown.append(number)
        if len(shown) < n_shown:
            continue
        worst = max(shown, key=lambda index: liking(found[index]))
        shown.remove(worst)
        if tells:
            trials = study.get_trials()
            better = [trials[index] for index in shown]
            PreferentialStudy(study).report_preference(better, trials[worst])
    return [liking(params) for params in found], found


class Given:
    """A trial that takes what its sampler proposed together, and draws nothing one by one."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self.suggest_float = self._take(trial.suggest_float)
        self.suggest_int = self._take(trial.suggest_int)
        self.suggest_categorical = self._take(trial.suggest_categorical)

    def _take(self, suggest: Callable[..., Any]) -> Callable[..., Any]:
        def suggested(name: str, *args: Any, **kwargs: Any) -> Any:
            assert name in self._trial.relative_params
            return suggest(name, *args, **kwargs)

        return suggested


def test_proposals_move_to_what_is_liked() -> None:
    """After ten choices, proposals are liked far better than those of a judge who is silent."""
    told = np.median([np.median(judged(seed, 16)[0][-6:]) for seed in range(2)])
    silent = np.median([np.median(judged(seed, 16, tells=False)[0][-6:]) for seed in range(2)])
    assert told < 0.6 * silent


def test_proposals_keep_away_from_what_was_pruned() -> None:
    """With x above 0.3 hopeless and the rest liked alike, nearly all are proposed below."""
    space = Space(x=Float(0.0, 1.0))
    sampler = make_sampler(SamplerSpec(name="preference"), space, (), 0)
    study = optuna.create_study(sampler=sampler)
    for x in (0.05, 0.1, 0.2, 0.25, 0.4, 0.6, 0.8, 0.95):
        state = optuna.trial.TrialState.PRUNED if x > 0.3 else optuna.trial.TrialState.COMPLETE
        given = {"x": x}, {"x": space["x"].distribution}
        study.add_trial(
            optuna.create_trial(state=state, value=0.0, params=given[0], distributions=given[1])
        )
    trials = study.trials
    PreferentialStudy(study).report_preference(trials[0], trials[1])
    PreferentialStudy(study).report_preference(trials[1], trials[0])
    found = []
    for number in range(10):
        reseed(sampler, number)
        found.append(study.ask({"x": space["x"].distribution}).params["x"])
    assert np.mean(np.array(found) < 0.35) > 0.8


def test_a_proposal_follows_from_choices_and_seed() -> None:
    """The same choices and seeds give the same trials, in another process as in this one."""
    assert judged(3, 8)[1] == judged(3, 8)[1]
    assert judged(3, 8)[1] != judged(4, 8)[1]


def test_proposals_are_points_of_the_space() -> None:
    """Every trial has the axes that it must have, each with a value that it may have."""
    for params in judged(5, 10)[1]:
        assert SPACE.validate(params) == []


def test_the_better_of_a_pair_is_expected_to_be_better() -> None:
    """Means of points are in the order in which chained choices put them."""
    points = np.linspace(0.0, 1.0, 5).reshape(-1, 1)
    pairs = np.array([[i + 1, i] for i in range(4)])
    mean, deviation = fit(points, pairs).predict(points)
    assert np.all(np.diff(mean) > 0)
    assert np.all(deviation > 0)


def test_contradicting_choices_cancel() -> None:
    """Of two points each of which was preferred once, none is expected to be better."""
    points = np.array([[0.0], [1.0]])
    mean, _ = fit(points, np.array([[0, 1], [1, 0]])).predict(points)
    assert mean[0] == pytest.approx(mean[1], abs=1e-9)


def test_an_axis_that_decides_weighs_more() -> None:
    """Choices by the first of two axes give it more weight than the second."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.5, 0.5, (24, 2))
    pairs = np.array(
        [
            (i, j) if points[i, 0] > points[j, 0] else (j, i)
            for i, j in rng.permutation(24).reshape(-1, 2)
        ]
        * 2
    )
    found = fit(points, pairs)
    assert found.weights[0] > found.weights[1]


def test_improvement_is_expected_away_from_known_points_too() -> None:
    """It is never negative, and a place that nobody has seen has some."""
    points = np.array([[0.0], [0.1]])
    gains = fit(points, np.array([[1, 0]])).expected_improvement(np.array([[0.0], [0.1], [1.0]]))
    assert np.all(gains >= 0)
    assert gains[2] > gains[0]


def test_choices_are_read_as_the_dashboard_reads_them() -> None:
    """Pairs, choices taken back, and skipped trials are those that its own functions find."""
    study = optuna.create_study()
    for _ in range(4):
        study.tell(study.ask(), 0.0)
    attrs, key = study._storage, study._study_id
    theirs.report_preferences(key, attrs, [(0, 1), (2, 1)])
    gone = theirs.report_preferences(key, attrs, [(3, 2)])
    attrs.set_study_system_attr(key, f"preference:values{gone}", [])
    theirs.report_skip(key, study.trials[3]._trial_id, attrs)
    found = attrs.get_study_system_attrs(key)
    assert sorted(chosen_pairs(found)) == sorted(tuple(p) for p in theirs.get_preferences(found))
    assert chosen_pairs(found) == [(0, 1), (2, 1)]
    assert skipped_ids(found) == set(theirs.get_skipped_trial_ids(found))


@pytest.mark.parametrize("value", [None, "x", 3, [1], [[1]], [[1, "2"]], [[True, 2]], [[-1, 2]]])
def test_what_is_no_choice_is_passed_over(value: object) -> None:
    """Others write the database too."""
    assert chosen_pairs({"preference:values0": value, "preference:values1": [[2, 0]]}) == [(2, 0)]
    assert skipped_ids({"preference:skip_trial:x": True}) == frozenset()
