"""Axes: what they refuse, and that what they suggest is theirs."""

from __future__ import annotations

import math
import pickle
from enum import StrEnum
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from space_strategies import axes

from search_spaces import Axis, Categorical, Constant, Float, Int, Ordinal, SpaceError

WRONG: list[tuple[Any, tuple[str, ...]]] = [
    (lambda: Float(1.0, 0.1), ("low must be below high, got low=1.0 high=0.1",)),
    (lambda: Float(1.0, 1.0), ("low must be below high, got low=1.0 high=1.0",)),
    (lambda: Float(0.0, 1.0, log=True), ("low must be above 0 with log, got low=0.0",)),
    (lambda: Float(0.1, 1.0, log=True, step=0.1), ("step must be absent with log, got step=0.1",)),
    (lambda: Float(0, 1, step=0), ("step must be above 0, got step=0.0",)),
    (lambda: Float(0, 1, step=2), ("step must be at most high - low",)),
    (lambda: Float(0, 1, step=1e-300), ("step must make at most 2**53 steps",)),
    (lambda: Float(0, 1.05, step=0.1), ("got low=0.0 high=1.05 step=0.1; nearest is high=1.0",)),
    (lambda: Float(math.nan, 1), ("low must be a finite number, got nan",)),
    (lambda: Float(0, math.inf), ("high must be a finite number, got inf",)),
    (lambda: Float(0, 10**400), ("high must be a finite number",)),
    (lambda: Float(-1.7e308, 1.7e308), ("high - low must be finite",)),
    (lambda: Float(True, "x"), ("low must be a finite number", "high must be a finite number")),
    (
        lambda: Float(2, 1, log="yes", step=-1),
        ("log must be true or false", "low must be below high", "step must be above 0"),
    ),
    (lambda: Int(0.5, 3, step=0), ("low must be a whole number", "step must be above 0")),
    (lambda: Int(0, 8, log=True), ("low must be above 0 with log, got low=0",)),
    (lambda: Int(1, 8, log=True, step=2), ("step must be absent with log, got step=2",)),
    (lambda: Int(1, 8, step=3), ("nearest is high=7",)),
    (lambda: Int(0, 2**60), ("high must be a whole number within 2**53",)),
    (lambda: Categorical(()), ("choices must have at least one entry, got none",)),
    (lambda: Categorical("sgd"), ("choices must be a list, got 'sgd'",)),
    (lambda: Categorical(("a", "a")), ("choices must differ, got 'a' twice",)),
    (lambda: Categorical((1, True)), ("choices must differ, got 1 and True twice",)),
    (lambda: Categorical(([1], math.nan)), ("choices must be null", "choices must be finite")),
    (lambda: Ordinal((object(),)), ("choices must be null, a truth value, a number or text",)),
    (lambda: Constant("\ud800"), ("value must be valid Unicode text",)),
    (lambda: Constant(2**63), ("value must be within 2**63",)),
    (lambda: Constant(1, when=["a"]), ("when must be a mapping of axis to value",)),
    (lambda: Constant(1, when={"a": []}), ("when.a must have at least one value, got none",)),
    (lambda: Constant(1, when={3: 1}), ("when must name axes by text, got 3",)),
    (lambda: Constant(1, when={"a": {}}), ("when.a must be null, a truth value",)),
]


@pytest.mark.parametrize(("make", "texts"), WRONG)
def test_mistakes_are_all_named(make: Any, texts: tuple[str, ...]) -> None:
    """Each mistake of an axis is one problem, and nothing else is reported."""
    with pytest.raises(SpaceError) as caught:
        make()
    assert len(caught.value.problems) == len(texts)
    for problem, text in zip(caught.value.problems, texts, strict=True):
        assert text in problem


@settings(max_examples=50, deadline=None)
@given(axis=axes)
def test_suggestions_lie_in_the_distribution(axis: Axis) -> None:
    """What an axis suggests it contains, its distribution too, and it is of a built-in type."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    value = axis.suggest(trial, "x")
    assert axis.contains(value)
    stored = trial.distributions["x"]
    assert stored == axis.distribution
    assert stored._contains(stored.to_internal_repr(value))
    assert type(value) in (type(None), bool, int, float, str)


@settings(max_examples=50, deadline=None)
@given(axis=axes)
def test_every_listed_value_is_contained(axis: Axis) -> None:
    """The grid of an axis holds values that the axis can take, each once."""
    values = axis.values()
    if values is not None:
        assert all(axis.contains(value) for value in values)
        assert len(set(values)) == len(values)


def test_steps_are_decimal() -> None:
    """A grid of tenths holds 0.3, not 0.30000000000000004, and ends at `high`."""
    values = Float(0.0, 1.0, step=0.1).values()
    assert values is not None
    assert list(values) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert (values[3], values[-1], values[8:]) == (0.3, 1.0, [0.8, 0.9, 1.0])
    assert Float(0.0, 1.0, step=0.1).contains(0.1 + 0.2)
    assert not Float(0.0, 1.0, step=0.1).contains(0.15)


def test_contains_tells_kinds_apart() -> None:
    """Truth values are no numbers, 2.0 is no whole number, and True is not the choice 1."""
    assert not Int(0, 3).contains(True)
    assert not Int(0, 3).contains(2.0)
    assert not Int(0, 4, step=2).contains(3)
    assert not Float(0, 3).contains("1")
    assert not Categorical((1, 2)).contains(True)
    assert not Constant(True).contains(1)


def test_foreign_types_become_built_in() -> None:
    """NumPy numbers and enumerations are stored as what they stand for."""

    class Optimizer(StrEnum):
        ADAM = "adam"

    assert type(Float(np.float32(1), np.int64(2)).high) is float
    assert type(Int(np.int64(1), np.int64(2)).high) is int
    assert [type(one) for one in Categorical((Optimizer.ADAM, np.float64(1))).choices] == [
        str,
        float,
    ]


def test_ordinal_distance_counts_places() -> None:
    """Neighbours of an ordinal axis are one apart, whatever their values."""
    axis = Ordinal((16, 32, 128))
    assert (axis.distance(16, 32), axis.distance(128, 16), axis.distance(32, 32)) == (1, 2, 0)


def test_condition_has_one_form() -> None:
    """A single value and a list of it are the same condition; an empty one is none."""
    assert Constant(1, when={"a": "x"}) == Constant(1, when={"a": ["x"]})
    assert Constant(1, when={}).when is None


def test_axes_and_errors_travel() -> None:
    """Axes are hashable, and both axes and errors survive pickling."""
    axis = Float(1, 2, when={"a": 1})
    assert pickle.loads(pickle.dumps(axis)) == axis
    assert hash(axis) == hash(Float(1, 2, when={"a": 1}))
    error = SpaceError(["a", "b"])
    assert pickle.loads(pickle.dumps(error)).problems == ("a", "b")
