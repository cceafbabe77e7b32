"""Which samples train, which compare trials, and which are kept for the end; by seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Shares:
    """Fractions of the samples that validate and test; the rest trains."""

    validation: float
    test: float


TABLE = Shares(0.2, 0.2)
IMAGES = Shares(0.1, 0.1)


@dataclass(frozen=True, eq=False)
class Split:
    """Ascending indices of the samples of each part; every sample is in one part."""

    train: Indices
    validation: Indices
    test: Indices


def split(n: int, y: Indices | None, shares: Shares, seed: int, n_test: int = 0) -> Split:
    """The samples 0..n-1 in three parts; a function of the arguments alone.

    Args:
        n: Number of samples, at least 3 (2 when `n_test` are given).
        y: Class of each sample, shape (n,), to have in each part in proportion; None to draw
            freely. A class of 3 samples or more (2 with `n_test`) has one in every drawn part.
        shares: Sizes of the parts.
        seed: What the draw derives from, at least 0.
        n_test: If above 0 the last so many samples are the test part; the others are divided
            between training and validation in the same proportion.
    """
    rng = np.random.default_rng(seed)
    n_drawn = n - n_test
    groups = [np.arange(n_drawn)]
    if y is not None:
        drawn = y[:n_drawn]
        groups = [np.flatnonzero(drawn == label) for label in np.unique(drawn)]
    groups = [rng.permutation(group) for group in groups]
    taken = np.zeros(len(groups), dtype=np.int64)
    sizes = np.array([len(group) for group in groups])
    if n_test:
        test = np.arange(n_drawn, n)
        share = shares.validation / (1 - shares.test)
    else:
        taken = quotas(sizes, shares.test, taken, reserved=2)
        test = _taken(groups, np.zeros_like(taken), taken)
        share = shares.validation
    until = taken + quotas(sizes, share, taken, reserved=1)
    return Split(_taken(groups, until, sizes), _taken(groups, taken, until), test)


def quotas(sizes: Indices, share: float, taken: Indices, reserved: int) -> Indices:
    """How many samples of each group one part gets.

    Together they are `share` of all, rounded, unless a group of few samples needs more: each
    gets at least one, as long as `reserved` are left for the parts to come.

    Args:
        sizes: Samples in each group, shape (G,).
        share: Of each group that the part gets, in [0, 1].
        taken: Samples that earlier parts have got, shape (G,).
        reserved: Samples of each group that must be left over.
    """
    room = np.maximum(sizes - taken - reserved, 0)
    wanted = sizes * share
    quota: Indices = np.minimum(np.maximum(np.floor(wanted).astype(np.int64), 1), room)
    # largest remainder first; ties go to the earlier group
    for group in np.argsort(quota - wanted, kind="stable"):
        if quota.sum() >= round(float(sizes.sum()) * share):
            break
        quota[group] += min(1, room[group] - quota[group])
    return quota


def turns(labels: Indices) -> Indices:
    """How many equal labels come before each, int64, shape (n,): 0 for the first of its class."""
    found = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        found[places] = np.arange(len(places))
    return found


def _taken(groups: list[Indices], start: Indices, stop: Indices) -> Indices:
    """Samples `start` to `stop` of each group, ascending."""
    parts = [group[a:b] for group, a, b in zip(groups, start, stop, strict=True)]
    return np.sort(np.concatenate(parts))
