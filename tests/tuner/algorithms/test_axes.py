"""Axes as TPE sees them: numbers as places, choices as indices, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import Categorical, Float, Int, Ordinal, Space
from tuner.algorithms.axes import Axes

SPACE = Space(
    plain=Float(-2, 6),
    rate=Float(1e-4, 1, log=True),
    units=Int(1, 100, log=True),
    depth=Int(2, 8, step=3),
    keep=Float(0, 1, step=0.25),
    act=Categorical(["relu", None, True]),
    size=Ordinal([8, 16, 32]),
)


def axes(*names: str) -> Axes:
    """The named axes of the space."""
    distributions = {name: SPACE[name].distribution for name in names or SPACE}
    return Axes(distributions, SPACE.ordinal_distances())


@given(st.integers(0, 2**32 - 1))
def test_values_and_places_are_inverse(seed: int) -> None:
    """Any places give a point of the space, and its values have those places or their cells'."""
    found = axes()
    places = np.random.RandomState(seed).rand(len(found.numbers), 1) - 0.5
    picks = np.array([[seed % 3], [seed % 3]])
    values = found.values(places)
    params = found.params(values[:, 0], picks[:, 0])
    assert not SPACE.validate(params)
    again = np.array([[found.place(name, params[name])] for name in found.numbers])
    smooth = [found.numbers.index(name) for name in ("plain", "rate")]
    np.testing.assert_allclose(again[smooth], places[smooth], atol=1e-12)
    np.testing.assert_allclose(found.values(again), values, rtol=1e-12)
    assert [found.pick(name, params[name]) for name in found.choices] == [seed % 3] * 2


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [("plain", 2.0, 0.0), ("rate", 1e-2, 0.0), ("depth", 2, -1 / 3), ("keep", 1.0, 0.4)],
)
def test_places_are_even_and_grids_have_a_margin(name: str, value: float, place: float) -> None:
    """The middle is 0; the outermost points of a grid are half a cell inside."""
    assert axes(name).place(name, value) == pytest.approx(place)


@pytest.mark.parametrize(("name", "value"), [("plain", 6.1), ("rate", 2.0), ("rate", -1.0)])
def test_a_number_outside_has_no_place(name: str, value: float) -> None:
    """Such a value is not learnt from."""
    assert math.isnan(axes(name).place(name, value))


def test_an_unknown_choice_has_no_index() -> None:
    """Nor is one that only equals a choice of another type."""
    assert axes("act").pick("act", "tanh") == -1
    assert axes("act").pick("act", True) == 2


@given(st.integers(0, 300))
def test_probabilities_of_choices_add_up(n: int) -> None:
    """Every kernel's row sums to 1 and favours its own choice, the prior's is even."""
    for name in ("act", "size"):
        table = axes(name).choices[name].probabilities(n)
        np.testing.assert_allclose(table.sum(axis=1), 1)
        np.testing.assert_allclose(table[-1], 1 / 3)
        assert (np.argmax(table[:-1], axis=1) == range(3)).all()


def test_cells_are_one_step_wide() -> None:
    """Neighbouring points of a grid share an end, in the logarithm too."""
    found = axes("units", "depth")
    values = np.array([[2.0, 5.0, 8.0, 5.0], [1.0, 2.0, 3.0, 2.0]])
    for cells in found.cells(values):
        np.testing.assert_allclose(cells.ends[1, :-1], cells.ends[0, 1:])
        assert list(cells.of_point) == [0, 1, 2, 1]
    (depth, _) = found.cells(values)
    np.testing.assert_allclose(depth.ends[[0, 1], [0, 2]], [-0.5, 0.5])
