"""The generated ratings: which stars are given, and which are asked for."""

import numpy as np

from trials import data
from trials.data.ratings import N_LEVELS


def test_stars_are_whole_or_missing():
    """Stars are whole numbers from 1 to 5 and 0 for none; about two fifths are known."""
    ratings = data.load("ratings", seed=0)
    for part in (ratings.train, ratings.validation, ratings.test):
        assert set(np.unique(part.x)) == set(range(N_LEVELS + 1))
        assert 0.35 < (part.x.sum(1) > 0).mean() < 0.45
    assert len(ratings.train) + len(ratings.validation) + len(ratings.test) == 900


def test_no_star_is_both_given_and_asked_for():
    """People who train are asked for nothing, the others for a fifth of what they know."""
    ratings = data.load("ratings", seed=1)
    assert not ratings.train.x[:, 1].any()
    for part in (ratings.validation, ratings.test):
        given, asked = part.x[:, 0] > 0, part.x[:, 1] > 0
        assert not (given & asked).any()
        assert 0.15 < asked.sum() / (given | asked).sum() < 0.25


def test_the_seed_moves_people_and_not_stars():
    """Another seed splits the same people otherwise."""
    first, second = (data.load("ratings", seed=seed) for seed in (0, 1))
    assert first.fingerprint == second.fingerprint
    assert not np.array_equal(first.train.x, second.train.x)
    sums = [sum(part.x.sum() for part in (r.train, r.validation, r.test)) for r in (first, second)]
    assert sums[0] == sums[1]
