"""Stars that generated people give to generated films: most are missing, some are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trials.data.assemble import Content, fingerprint
from trials.data.dataset import Dataset, Part
from trials.data.splits import TABLE, split

if TYPE_CHECKING:
    from trials.data.dataset import Floats, Labels

N_LEVELS = 5
"""Stars are whole numbers from 1 to it; 0 is none."""

_N_PEOPLE, _N_FILMS, _N_TASTES = 900, 80, 3
_SEED = 20070620
_RATED, _ASKED = 0.4, 0.2


def ratings(seed: int) -> Dataset:
    """900 people and 80 films: two fifths of the stars known, some to be told from the others.

    A sample is a person, shape (2, 80): the stars that are given, and those that are asked for,
    a fifth of the known ones of people who validate or test. Stars follow three tastes, how good
    the film is, how kind the person, and noise.
    """
    rng = np.random.default_rng(_SEED)
    tastes = rng.normal(size=(_N_PEOPLE, _N_TASTES)) @ rng.normal(size=(_N_TASTES, _N_FILMS))
    score = 3.2 + 0.5 * tastes + rng.normal(0, 0.6, _N_FILMS) + rng.normal(0, 0.4, (_N_PEOPLE, 1))
    stars = np.rint(score + rng.normal(0, 0.4, score.shape)).clip(1, N_LEVELS)
    is_known = rng.random(stars.shape) < _RATED
    is_asked = is_known & (rng.random(stars.shape) < _ASKED)
    known = np.stack([stars * is_known, np.zeros_like(stars)], 1).astype(np.float32)
    asked = np.stack([stars * (is_known & ~is_asked), stars * is_asked], 1).astype(np.float32)
    parts = split(_N_PEOPLE, None, TABLE, seed)
    names = tuple(f"film {place} {use}" for use in ("given", "asked") for place in range(_N_FILMS))
    both = np.concatenate([known, asked], 1)
    return Dataset(
        name="ratings",
        kind="ratings",
        task="density",
        train=_part(known, parts.train),
        validation=_part(asked, parts.validation),
        test=_part(asked, parts.test),
        feature_names=names,
        classes=(),
        target_name="",
        fingerprint=fingerprint(Content("ratings", "ratings", both, None, names)),
        notes=("stars from 1 to 5, 0 for none: given ones, and those asked for",),
    )


def _part(x: Floats, people: Labels) -> Part:
    return Part(x[people], None)
