"""Spaces: suggestions, conditions, grids, plain forms and their mistakes."""

from __future__ import annotations

import itertools
import pickle
import subprocess
import sys
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from space_strategies import ints, lists, spaces

from search_spaces import Categorical, Constant, Float, Int, Ordinal, Space, SpaceError

CHAIN = Space(
    optimizer=Categorical(("sgd", "adam")),
    momentum=Categorical((0.0, 0.9), when={"optimizer": "sgd"}),
    nesterov=Categorical((False, True), when={"momentum": 0.9}),
    layers=Int(1, 2),
)


def problems_of(call: Any) -> list[str]:
    """What a call complains of."""
    with pytest.raises(SpaceError) as caught:
        call()
    return list(caught.value.problems)


@settings(max_examples=50, deadline=None)
@given(space=spaces())
def test_plain_and_yaml_give_the_space_back(space: Space) -> None:
    """Space -> plain -> Space and Space -> YAML -> Space lose nothing, order included."""
    assert Space.from_plain(space.to_plain()) == space
    assert Space.from_yaml(space.to_yaml()) == space
    assert pickle.loads(pickle.dumps(space)) == space
    assert repr(Space.from_yaml(space.to_yaml()).to_plain()) == repr(space.to_plain())


@settings(max_examples=50, deadline=None)
@given(space=spaces(), seed=st.integers(0, 99))
def test_suggestions_are_valid_points(space: Space, seed: int) -> None:
    """A suggestion has exactly the active axes, in order, each within its distribution."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    params = space.suggest(trial)
    assert space.validate(params) == []
    assert list(params) == space.active(params) == list(trial.params)
    for name, axis in space.items():
        held = all(
            parent in params and params[parent] in values
            for parent, values in axis.conditions.items()
        )
        assert (name in params) == held
    for name, stored in trial.distributions.items():
        assert stored == space.distributions[name]
        assert stored._contains(stored.to_internal_repr(params[name]))


@settings(max_examples=50, deadline=None)
@given(
    space=spaces(st.one_of(ints(), lists.map(Categorical)).filter(lambda a: len(a.values()) < 9))
)
def test_grid_has_each_point_once(space: Space) -> None:
    """The grid is as long as announced, without repeats, and all its points are valid."""
    if space.grid_size() > 3000:
        return
    points = list(space.grid())
    assert len(points) == space.grid_size()
    assert len({repr(point) for point in points}) == len(points)
    assert all(space.validate(point) == [] for point in points)
    assert points == list(space.grid())


def test_grid_honours_chains() -> None:
    """adam, sgd without momentum, and sgd with momentum and either nesterov, times two depths."""
    assert CHAIN.grid_size() == 8
    assert next(CHAIN.grid()) == {"optimizer": "sgd", "momentum": 0.0, "layers": 1}
    assert [p.get("nesterov") for p in CHAIN.grid()] == [None] * 2 + [False] * 2 + [True] * 2 + [
        None
    ] * 2


def test_grid_of_a_continuum_is_refused() -> None:
    """A float without step has no grid, and each such axis is named."""
    space = Space(a=Float(0, 1), b=Float(0, 1, step=0.5), c=Float(1, 2, log=True))
    found = problems_of(space.grid_size)
    assert found == problems_of(space.grid)
    assert [problem.split(":")[0] for problem in found] == ["space.a", "space.c"]


def test_values_of_absent_axes_count_for_nothing() -> None:
    """A stale value of an inactive parent does not make its child active."""
    stale = {"optimizer": "adam", "momentum": 0.9, "layers": 1}
    assert CHAIN.active(stale) == ["optimizer", "layers"]
    assert CHAIN.active({}) == ["optimizer", "layers"]


def test_validate_names_every_mistake() -> None:
    """Missing, superfluous, unknown and wrong values are one problem each."""
    params = {"optimizer": "adam", "momentum": 0.9, "layer": 3}
    assert CHAIN.validate(params) == [
        "params.layers: must be given (int from 1 to 2)",
        "params.momentum: must be absent unless {'optimizer': 'sgd'}",
        "params: unknown axis 'layer'; did you mean 'layers'? "
        "(optimizer, momentum, nesterov, layers)",
    ]
    assert CHAIN.validate({"optimizer": "sdg", "layers": True}) == [
        "params.optimizer: must be 'sgd', 'adam', got 'sdg'",
        "params.layers: must be int from 1 to 2, got True",
    ]


def test_a_space_is_a_mapping_in_order() -> None:
    """Both ways of building give equal spaces; another order is another space."""
    one, other = Int(1, 2), Constant(3)
    space = Space(a=one, b=other)
    assert space == Space({"a": one, "b": other})
    assert space != Space(b=other, a=one)
    assert list(space) == ["a", "b"]
    assert (space["a"], len(space), "c" in space) == (one, 2, False)
    assert hash(space) == hash(Space(a=one, b=other))
    assert not space.is_conditional
    assert CHAIN.is_conditional


def test_ordinal_distances_by_axis() -> None:
    """Only ordinal axes have a distance."""
    space = Space(a=Ordinal(("s", "m", "l")), b=Categorical(("s", "m")))
    assert {name: far("s", "l") for name, far in space.ordinal_distances().items()} == {"a": 2.0}


def test_mistakes_of_a_plain_space_come_all_at_once() -> None:
    """Every axis is read, and wrong words come with the nearest valid one."""
    found = problems_of(
        lambda: Space.from_yaml(
            """
            rate: {type: float, low: 1.0, high: 0.1, lwo: 3}
            optimizer: {type: categoricl, choices: [sgd]}
            momentum: {type: float, low: 0, high: 1, when: {optimizer: adam}}
            units: {type: int, low: 8}
            layers: {low: 1, high: 2}
            sizes: [1, 2]
            """,
            "space",
        )
    )
    assert found == [
        "space.rate: unknown key 'lwo'; did you mean 'low'? (type, low, high, log, step, when)",
        "space.rate: low must be below high, got low=1.0 high=0.1",
        "space.optimizer: type: unknown type 'categoricl'; did you mean 'categorical'? "
        "(float, int, categorical, ordinal, constant)",
        "space.units: high must be given for type int",
        "space.layers: must have a type (float, int, categorical, ordinal, constant), "
        "got {'low': 1, 'high': 2}",
        "space.sizes: must be a value or a mapping, got [1, 2]; "
        "for a choice write {type: categorical, choices: [...]}",
    ]


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        ({"a": Constant(1, when={"opt": 1}), "opts": Constant(1)}, "unknown axis 'opt'; did you"),
        ({"a": Constant(1, when={"a": 1})}, "space.a: when must name another axis, got itself"),
        (
            {"a": Constant(1, when={"b": 2}), "b": Constant(2)},
            "space.a: when must name an earlier axis; put 'b' before 'a'",
        ),
        (
            {"a": Categorical((1, 2)), "b": Constant(2, when={"a": [1, 3]})},
            "space.b: when.a must be a value that 'a' can take, got 3 (1, 2)",
        ),
        ({"a": Int(1, 99), "b": Constant(2, when={"a": 100})}, "got 100 (1 to 99)"),
        (
            {"a": Float(0, 1), "b": Constant(2, when={"a": 0.5})},
            "space.b: when.a must be an axis of exact values, got a float",
        ),
        (
            {
                "a": Categorical((1, 2)),
                "b": Constant(1, when={"a": 1}),
                "c": Constant(1, when={"b": 1, "a": 2}),
            },
            "space.c: when can never hold: it asks 'a' to be in (1,) and (2,) at once",
        ),
    ],
)
def test_conditions_that_cannot_hold_are_refused(axes: dict[str, Any], text: str) -> None:
    """A condition must name an earlier axis and a value it can take; contradictions are found."""
    (problem,) = problems_of(lambda: Space(axes))
    assert text in problem


conditions = st.dictionaries(
    st.integers(0, 3), st.lists(st.sampled_from("xyz"), min_size=1, max_size=2, unique=True)
)


@settings(max_examples=50, deadline=None)
@given(whens=st.lists(conditions, min_size=4, max_size=4))
def test_impossible_conditions_are_exactly_those_never_met(whens: list[Any]) -> None:
    """A space is refused if and only if some axis is present at no point at all."""
    axes = {
        f"a{i}": Categorical(["x", "y", "z"], when={f"a{j}": when[j] for j in when if j < i})
        for i, when in enumerate(whens)
    }
    present = set()
    for point in itertools.product("xyz", repeat=4):
        held: dict[str, str] = {}
        for (name, axis), value in zip(axes.items(), point, strict=True):
            if all(held.get(parent) in values for parent, values in axis.conditions.items()):
                held[name] = value
        present |= set(held)
    if present == set(axes):
        assert Space(axes)
    else:
        assert "when can never hold" in problems_of(lambda: Space(axes))[0]


def test_cycles_are_named() -> None:
    """Each member of a cycle is told the way round."""
    found = problems_of(lambda: Space(a=Constant(1, when={"b": 1}), b=Constant(1, when={"a": 1})))
    assert found == [
        "space.a: when must not form a cycle, got a -> b -> a",
        "space.b: when must not form a cycle, got b -> a -> b",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "an axis name must be printable text of at least one character, got ''"),
        ("a\nb", "got 'a\\nb'"),
        ("\x00", "got '\\x00'"),
        (3, "got 3"),
        ("x" * 513, "an axis name must have at most 512 characters, got 513"),
    ],
)
def test_axis_names_are_printable(name: Any, text: str) -> None:
    """An axis name that a database or a terminal could not show is refused on one line."""
    for make in (
        lambda: Space({name: Constant(1)}),
        lambda: Space.from_plain({name: 1}),
    ):
        (problem,) = problems_of(make)
        assert text in problem
        assert "\n" not in problem
    assert Space({"x" * 512: Constant(1), "😀 ל": Constant(1)})


def test_empty_and_foreign_spaces_are_refused() -> None:
    """No axis, no mapping, and something that is no axis are told apart."""
    assert problems_of(Space) == ["space: must have at least one axis, got none"]
    assert problems_of(lambda: Space.from_plain({})) == problems_of(Space)
    assert problems_of(lambda: Space.from_plain([1])) == [
        "space: must be a mapping of axes, got [1]"
    ]
    wrong: Any = 0.1
    assert problems_of(lambda: Space(a=wrong)) == [
        "space.a: must be an axis such as Float or Constant, got 0.1"
    ]
    assert problems_of(lambda: Space.from_yaml("a: 1\na: 2", "f.yaml"))[0].startswith("f.yaml:2:1")


def test_importing_spaces_loads_no_optuna() -> None:
    """Spaces are read and checked without Optuna, so that the command line starts fast."""
    code = (
        "import sys, search_spaces, search_spaces.deep_networks, search_spaces.gans; "
        "print({'optuna', 'numpy', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
