"""Splits: sizes, proportions, no sample in two parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.data.splits import IMAGES, TABLE, Shares, split

seeds = st.integers(0, 2**31)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(5, 2000), seed=seeds, n_test=st.integers(0, 50))
def test_every_sample_is_in_one_part(n: int, seed: int, n_test: int) -> None:
    """The parts are disjoint and complete, of the sizes asked, and none is empty."""
    parts = split(n + n_test, None, TABLE, seed, n_test)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together) == list(range(n + n_test))
    assert len(parts.test) == (n_test or round(0.2 * n))
    assert len(parts.validation) == round(n * (0.25 if n_test else 0.2))
    assert len(parts.train) >= len(parts.validation) > 0
    if n_test:
        assert parts.test.tolist() == list(range(n, n + n_test))


@settings(max_examples=50, deadline=None)
@given(counts=st.lists(st.integers(3, 200), min_size=2, max_size=12), seed=seeds)
def test_each_class_is_in_each_part_in_proportion(counts: list[int], seed: int) -> None:
    """A class of three samples or more is in every part, within one sample of its share."""
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = split(len(y), y, TABLE, seed)
    for part, share in ((parts.validation, 0.2), (parts.test, 0.2)):
        drawn = np.bincount(y[part], minlength=len(counts))
        assert (drawn >= 1).all()
        assert (np.abs(drawn - share * np.array(counts)) < 1.0 + 1e-9).all()
        if min(counts) >= 5:
            assert drawn.sum() == round(share * len(y))
    assert (np.bincount(y[parts.train], minlength=len(counts)) >= 1).all()


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(2, 30), min_size=2, max_size=5), seed=seeds)
def test_given_test_part_leaves_each_class_to_train_and_validate(
    counts: list[int], seed: int
) -> None:
    """With a test part given, two samples of a class are enough for the other parts."""
    y = np.concatenate([np.repeat(np.arange(len(counts)), counts), np.zeros(7, dtype=int)])
    parts = split(len(y), y, TABLE, seed, n_test=7)
    for part in (parts.train, parts.validation):
        assert set(y[part]) == set(range(len(counts)))


def test_large_shares_leave_samples_to_train() -> None:
    """Parts that take nearly all leave one sample of each class to those that come after."""
    y = np.repeat(np.arange(4), 3)
    parts = split(12, y, Shares(0.6, 0.9), 0)
    for part in (parts.train, parts.validation, parts.test):
        assert np.bincount(y[part]).tolist() == [1, 1, 1, 1]


def test_ten_thousand_images_split_8_1_1() -> None:
    """The sizes of MNIST-10k are exact although its classes are not of equal size."""
    y = np.random.default_rng(0).integers(0, 10, 10000)
    parts = split(10000, y, IMAGES, 0)
    assert [len(p) for p in (parts.train, parts.validation, parts.test)] == [8000, 1000, 1000]


def test_the_seed_alone_decides() -> None:
    """Equal seeds give equal parts; another seed gives others."""
    one, same, other = (split(100, None, TABLE, seed) for seed in (1, 1, 2))
    assert (one.train == same.train).all()
    assert (one.train != other.train).any()
