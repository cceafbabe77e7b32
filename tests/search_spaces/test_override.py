"""Ready spaces and what a spec may change in them."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from search_spaces import Categorical, Constant, Float, Int, Space, SpaceError
from search_spaces.deep_networks import CHOICES, MLP


def problems_of(changes: dict[str, Any], **options: Any) -> list[str]:
    """What overriding the MLP space complains of."""
    with pytest.raises(SpaceError) as caught:
        MLP.override(changes, choices=CHOICES, **options)
    return list(caught.value.problems)


def test_ready_choices_are_legal() -> None:
    """The ready space is read back from YAML, and its words are among the legal ones."""
    assert Space.from_yaml(MLP.to_yaml()) == MLP
    for name in CHOICES.keys() & MLP.keys():
        assert set(MLP[name].values() or ()) <= set(CHOICES[name])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(20):
        assert MLP.validate(MLP.suggest(study.ask())) == []


def test_plain_values_fix_axes() -> None:
    """A value replaces its axis in place, in the axis' kind, and the rest stays."""
    space = MLP.override(
        {"layers": 2.0, "learning_rate": 1, "activation": "linear"}, choices=CHOICES
    )
    assert list(space) == list(MLP)
    assert (space["layers"], space["learning_rate"]) == (Constant(2), Constant(1.0))
    assert type(space.to_plain()["layers"]) is int
    assert type(space.to_plain()["learning_rate"]) is float
    assert space["activation"] == Constant("linear")
    assert space["units"] is MLP["units"]


def test_fixed_numbers_may_leave_the_range() -> None:
    """A penalty of 0, a width of 512 and a batch of 48 are legal though not searched."""
    space = MLP.override({"l1": 0, "units": 512, "batch_size": 48})
    assert [space[name] for name in ("l1", "units", "batch_size")] == [
        Constant(0.0),
        Constant(512),
        Constant(48),
    ]


def test_mappings_and_axes_replace() -> None:
    """An axis may be given as a mapping or as an axis, of another type too."""
    space = MLP.override(
        {"units": {"type": "categorical", "choices": [8, 300]}, "batch_size": Int(1, 256, log=True)}
    )
    assert space["units"] == Categorical((8, 300))
    assert space["batch_size"] == Int(1, 256, log=True)


def test_condition_stays_unless_said() -> None:
    """A replaced axis keeps its ready condition; `when: null` removes it."""
    assert MLP.override({"momentum": 0.9})["momentum"] == Constant(0.9, when={"optimizer": "sgd"})
    free = {"type": "float", "low": 0, "high": 0.5, "when": None}
    assert MLP.override({"momentum": free})["momentum"] == Float(0, 0.5)


def test_axes_out_of_reach_are_left_out() -> None:
    """With the optimizer fixed to adam, the axes of sgd are gone; naming one is a mistake."""
    space = MLP.override({"optimizer": "adam"})
    assert set(MLP) - set(space) == {"momentum", "nesterov"}
    assert problems_of({"optimizer": "adam", "momentum": 0.9}) == [
        "space.momentum: when.optimizer must be a value that 'optimizer' can take, "
        "got 'sgd' ('adam')"
    ]


def test_conditions_follow_a_narrowed_parent() -> None:
    """Values that the parent can no longer take leave ready conditions, in chains too."""
    ready = Space(
        a=Categorical(("x", "y", "z")),
        b=Int(1, 2, when={"a": ["x", "y"]}),
        c=Int(1, 2, when={"b": 1}),
        d=Int(1, 2, when={"a": "z"}),
    )
    narrow = ready.override({"a": "y", "b": Int(1, 3)}, choices={"a": ("x", "y", "z")})
    assert narrow["b"] == Int(1, 3, when={"a": "y"})
    assert list(narrow) == ["a", "b", "c"]
    assert list(ready.override({"a": "z"})) == ["a", "d"]


def test_new_condition_moves_the_axis() -> None:
    """An axis is placed behind the parent that its new condition names."""
    axis = {"type": "float", "low": 0.0, "high": 0.5, "when": {"activation": "tanh"}}
    space = MLP.override({"dropout": axis})
    assert list(space).index("dropout") > list(space).index("activation")
    assert sorted(space) == sorted(MLP)


def test_every_mistake_of_an_override_is_named() -> None:
    """Unknown axes and values come with the nearest valid word, and kinds must fit."""
    found = problems_of(
        {
            "optimizr": "adam",
            "layers": 2.5,
            "l1": -1,
            "activation": "rleu",
            "momentum": "x",
            "batch_size": {"type": "float", "low": 1, "high": 2},
            "schedule": {"type": "categorical", "choices": ["cosine", "cosin"]},
            "nesterov": 1,
            "units": {"type": "int", "low": 4, "high": 2},
            "initializer": {"type": "float", "low": 1, "high": 2},
        }
    )
    assert [problem.split(";")[0] for problem in found] == [
        "space: unknown axis 'optimizr'",
        "space.layers: must be a whole number, got 2.5",
        "space.l1: must not be negative, got -1.0",
        "space.activation: unknown value 'rleu'",
        "space.momentum: must be a number, got 'x'",
        "space.batch_size: must be a whole number, got 1.0",
        "space.batch_size: must be a whole number, got 2.0",
        "space.schedule: unknown value 'cosin'",
        "space.nesterov: unknown value 1",
        "space.units: low must be below high, got low=4 high=2",
        "space.initializer: must be among uniform, normal, xavier_uniform, xavier_normal, "
        "he_uniform, he_normal, orthogonal, got an axis of type float",
    ]
    assert "did you mean 'optimizer'?" in found[0]
    assert "did you mean 'relu'?" in found[3]


def test_unreadable_parents_cause_no_further_complaints() -> None:
    """A mistake in `optimizer` is one problem, not one for each axis that depends on it."""
    assert len(problems_of({"optimizer": "addam", "momentum": 0.5})) == 1


def test_open_spaces_take_new_axes() -> None:
    """With `closed=False` an unknown axis is added at the end."""
    space = MLP.override({"extra": {"type": "int", "low": 1, "high": 2}}, closed=False)
    assert list(space) == [*MLP, "extra"]
    assert problems_of({"extra": [1]}, closed=False, where="spec.space")[0].startswith(
        "spec.space.extra: must be a value or a mapping"
    )
