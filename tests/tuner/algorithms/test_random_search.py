"""Random draws of a whole trial: those that Optuna makes axis by axis."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import Categorical, Constant, Float, Int, Ordinal, Space
from tuner.algorithms import reseed
from tuner.algorithms.random_search import RandomSearch

SPACES = {
    "floats": Space(a=Float(-1, 1), b=Float(1e-4, 1, log=True), c=Float(-1, 1, step=0.4)),
    "whole": Space(a=Int(1, 200, log=True), b=Int(0, 12, step=3), c=Int(-2, 2)),
    "choices": Space(a=Categorical(["x", "y", None]), b=Ordinal([1, 2, 4]), c=Constant(3)),
    "condition": Space(
        opt=Categorical(["sgd", "adam"]),
        momentum=Float(0, 0.99, when={"opt": "sgd"}),
        depth=Int(1, 4),
    ),
}


def asked(sampler: optuna.samplers.BaseSampler, space: Space, seed: int, n: int) -> list[Any]:
    """Parameters of `n` trials and their types; of every fifth trial one is given by hand."""
    study = optuna.create_study(sampler=sampler)
    found: list[Any] = []
    for number in range(n):
        reseed(sampler, seed + number)
        name = next(iter(space))
        if number % 5 == 4:
            study.enqueue_trial({name: found[0][0][name]})
        params = space.suggest(study.ask())
        found.append((params, [type(value) for value in params.values()]))
    return found


@pytest.mark.parametrize("space", SPACES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_draws_are_optunas_bit_for_bit(space: str, seed: int) -> None:
    """The same values of the same types from the same random state, given ones included."""
    ours, theirs = (
        asked(sampler, SPACES[space], seed, 20)
        for sampler in (RandomSearch(SPACES[space], 0), optuna.samplers.RandomSampler(0))
    )
    assert ours == theirs


def test_a_trial_is_drawn_at_once() -> None:
    """What is asked for has all its parameters before the first is looked at."""
    study = optuna.create_study(sampler=RandomSearch(SPACES["floats"], 0))
    assert study.ask().relative_params.keys() == {"a", "b", "c"}
