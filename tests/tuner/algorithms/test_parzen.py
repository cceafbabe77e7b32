"""The density estimator of TPE: a distribution, whatever was observed."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import Categorical, Float, Int, Space
from tuner.algorithms.axes import Axes, Points
from tuner.algorithms.parzen import N_SETTLED, Candidates, Estimator, bandwidths, weights

SPACE = Space(x=Float(0, 1), n=Int(1, 12), act=Categorical(["a", "b", "c"]))


def axes(*names: str) -> Axes:
    """The named axes of the space."""
    return Axes({name: SPACE[name].distribution for name in names}, {})


def observed(found: Axes, n: int, seed: int) -> Points:
    """Observations drawn at random, those of numbers as a trial would have them."""
    rng = np.random.RandomState(seed)
    values = found.values(rng.rand(len(found.numbers), n) - 0.5)
    places = [
        [found.place(name, value) for value in row]
        for name, row in zip(found.numbers, values, strict=True)
    ]
    picks = rng.randint(0, 3, (len(found.choices), n))
    return Points(np.array(places).reshape(len(found.numbers), n), picks)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.integers(0, 99))
def test_densities_are_normalised(n: int, seed: int) -> None:
    """Summed over all values of an axis, or integrated, they are what every estimator has."""
    grid = (np.arange(4000) + 0.5) / 4000 - 0.5
    none = np.empty((0, 4000), dtype=int)
    smooth = axes("x")
    density = np.exp(
        Estimator(smooth, observed(smooth, n, seed)).log_density(
            Candidates(smooth, Points(grid[np.newaxis], none))
        )
    )
    assert density.mean() == pytest.approx(math.sqrt(2 * math.pi), rel=1e-4)
    gridded = axes("n")
    places = np.array([[gridded.place("n", value) for value in range(1, 13)]])
    cells = Candidates(gridded, Points(places, np.empty((0, 12), dtype=int)))
    masses = np.exp(Estimator(gridded, observed(gridded, n, seed)).log_density(cells))
    assert masses.sum() == pytest.approx(1)
    choices = axes("act")
    each = Candidates(choices, Points(np.empty((0, 3)), np.arange(3)[np.newaxis]))
    masses = np.exp(Estimator(choices, observed(choices, n, seed)).log_density(each))
    assert masses.sum() == pytest.approx(1)


@settings(max_examples=10, deadline=None)
@given(st.integers(N_SETTLED, 140), st.integers(1, 30), st.integers(0, 99))
def test_a_grown_estimator_is_what_it_would_be_made_anew(n: int, n_more: int, seed: int) -> None:
    """Bit for bit, with numbers that have a grid, and so many equal places, and without one."""
    found = axes("x", "n", "act")
    places, picks = observed(found, n + n_more, seed)
    grown = Estimator(found, Points(places[:, :n], picks[:, :n]))
    assert grown.can_grow
    for index in range(n, n + n_more):
        grown.append(places[:, index], picks[:, index])
    anew = Estimator(found, Points(places, picks))
    one, other = (each.sample(np.random.RandomState(seed), 24) for each in (grown, anew))
    assert [part.tolist() for part in one] == [part.tolist() for part in other]
    candidates = Candidates(found, one)
    assert grown.log_density(candidates).tolist() == anew.log_density(candidates).tolist()


@pytest.mark.parametrize("n", [0, 1, 40])
def test_draws_follow_the_density(n: int) -> None:
    """Over 20,000 draws each cell and each choice comes as often as its density says."""
    found = axes("n", "act")
    estimator = Estimator(found, observed(found, n, seed=1))
    drawn = estimator.sample(np.random.RandomState(0), 20_000)
    values = found.values(drawn.places)[0]
    grid = np.array([[found.place("n", value) for value in range(1, 13)] * 3])
    candidates = Candidates(found, Points(grid, np.repeat(np.arange(3), 12)[np.newaxis]))
    expected = np.exp(estimator.log_density(candidates))
    count = np.bincount(drawn.picks[0] * 12 + values.astype(int) - 1, minlength=36)
    np.testing.assert_allclose(count / 20_000, expected, atol=0.012)


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=40, unique=True))
def test_bandwidths_are_the_larger_gap(places: list[float]) -> None:
    """To the neighbours, that is; the outermost have one; and none is too narrow."""
    widths, order = bandwidths(np.array([places]))
    ordered = sorted(places)
    assert [places[index] for index in order[0]] == ordered
    for place, width in zip(places, widths[0], strict=True):
        rank = ordered.index(place)
        around = ordered[max(0, rank - 1) : rank + 2]
        gap = max(b - a for a, b in pairwise(around))
        assert width == min(1, max(gap, 1 / min(100, len(places) + 2)))


@given(st.integers(0, 400))
def test_weights_favour_recent_observations(n: int) -> None:
    """They sum to 1 and never fall with age reversed; the last 25 and the prior are equal."""
    found = weights(n)
    assert found.shape == (n + 1,)
    assert found.sum() == pytest.approx(1)
    assert (np.diff(found) >= -1e-12).all()
    np.testing.assert_allclose(found[-26:], found[-1])
