"""From content, whatever it was read from, to a data set split by seed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trials.data.dataset import Dataset, Part
from trials.data.errors import DataError
from trials.data.splits import IMAGES, TABLE, split

if TYPE_CHECKING:
    from trials.data.dataset import Floats, Kind, Labels, Task

MIN_ROWS = 5
"""Least samples of any data set: three to train, one to validate, one to test."""


@dataclass(frozen=True, eq=False)
class Content:
    """All samples before they are split.

    Attributes:
        name: Of the data set.
        kind: What a sample is.
        task: What is asked.
        x: Shape (N, ...); NaN where a number is missing.
        y: As in `Part`, or None for a density.
        feature_names: As in `Dataset`.
        classes: As in `Dataset`.
        target_name: As in `Dataset`.
        notes: As in `Dataset`.
        n_test: If above 0 the last so many samples are a test part given by the user.
    """

    name: str
    kind: Kind
    task: Task
    x: Floats
    y: Labels | Floats | None
    feature_names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    target_name: str = ""
    notes: tuple[str, ...] = ()
    n_test: int = 0


def assemble(content: Content, seed: int) -> Dataset:
    """The content split by `seed`, missing numbers filled with the medians of training.

    Raises:
        DataError: There are too few samples, or a column has no number in the training part.
    """
    n = len(content.x)
    if n - content.n_test < MIN_ROWS:
        must = f"must have at least {MIN_ROWS} rows to split"
        raise DataError(f"data {content.name}: {must}, got {n - content.n_test}")
    classes = content.y.astype(np.int64) if content.classes and content.y is not None else None
    shares = IMAGES if content.kind == "images" else TABLE
    parts = split(n, classes, shares, seed, content.n_test)
    x = _filled(content, parts.train)

    def part(rows: Labels) -> Part:
        return Part(x[rows], None if content.y is None else content.y[rows])

    return Dataset(
        name=content.name,
        kind=content.kind,
        task=content.task,
        train=part(parts.train),
        validation=part(parts.validation),
        test=part(parts.test),
        feature_names=content.feature_names,
        classes=content.classes,
        target_name=content.target_name,
        fingerprint=fingerprint(content),
        notes=content.notes,
    )


def fingerprint(content: Content) -> str:
    """SHA-256 in hexadecimal over samples, targets and what they are called.

    Neither the name of the data set nor the seed changes it, nor does the machine.
    """
    facts = (
        *(content.kind, content.task, content.feature_names, content.classes),
        *(content.target_name, content.n_test, content.x.shape),
    )
    digest = hashlib.sha256(json.dumps(facts).encode())
    # one bit pattern of NaN, and one of zero
    x = np.where(np.isnan(content.x), np.float32(np.nan), content.x + np.float32(0))
    digest.update(x.astype("<f4").tobytes())
    if content.y is not None:
        digest.update(content.y.astype("<i8" if content.classes else "<f4").tobytes())
    return digest.hexdigest()


def _filled(content: Content, train: Labels) -> Floats:
    """The samples with each missing number replaced by its column's training median."""
    x = content.x
    gaps = np.isnan(x)
    if not gaps.any():
        return x
    x = x.copy()
    problems = []
    for column in np.flatnonzero(gaps.any(axis=0)):
        known = x[train, column][~gaps[train, column]]
        if len(known):
            x[gaps[:, column], column] = np.median(known)
        else:
            name = content.feature_names[column]
            problems.append(
                f"data {content.name}: column {name!r} must have a number in the training part, "
                "got none with this seed; leave the column out"
            )
    if problems:
        raise DataError(problems)
    return x
