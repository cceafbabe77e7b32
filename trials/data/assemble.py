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
    from trials.data.dataset import Floats, Kind, Labels
    from trials.data.targets import Target

MIN_ROWS = 5
"""Least samples of any data set: three to train, one to validate, one to test."""


@dataclass(frozen=True, eq=False)
class Content:
    """All samples before they are split.

    Attributes:
        name: Of the data set.
        kind: What a sample is.
        x: Shape (N, ...); NaN where a number is missing.
        target: What is predicted; None for a density.
        feature_names: As in `Dataset`.
        notes: What was taken for what beside the target.
        n_test: If above 0 the last so many samples are a test part given by the user.
    """

    name: str
    kind: Kind
    x: Floats
    target: Target | None
    feature_names: tuple[str, ...]
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
    target = content.target
    y = None if target is None else target.y
    classes = target.y.astype(np.int64) if target and target.classes else None
    shares = IMAGES if content.kind == "images" else TABLE
    parts = split(n, classes, shares, seed, content.n_test)
    x, fill = filled(content, parts.train)

    def part(rows: Labels) -> Part:
        return Part(x[rows], None if y is None else y[rows])

    return Dataset(
        name=content.name,
        kind=content.kind,
        task=target.task if target else "density",
        train=part(parts.train),
        validation=part(parts.validation),
        test=part(parts.test),
        feature_names=content.feature_names,
        classes=target.classes if target else (),
        target_name=target.name if target else "",
        fingerprint=fingerprint(content),
        notes=(target.note, *content.notes) if target else content.notes,
        fill=fill,
    )


def fingerprint(content: Content) -> str:
    """SHA-256 in hexadecimal over samples, targets and what they are called.

    Neither the name of the data set nor the seed changes it, nor does the machine.
    """
    target = content.target
    facts: list[object] = [content.kind, content.feature_names, content.n_test, content.x.shape]
    facts += [target.task, target.name, target.classes] if target else []
    digest = hashlib.sha256(json.dumps(facts).encode())
    # one bit pattern of NaN, and one of zero
    x = np.where(np.isnan(content.x), np.float32(np.nan), content.x + np.float32(0))
    digest.update(x.astype("<f4").tobytes())
    if target:
        digest.update(target.y.astype("<i8" if target.classes else "<f4").tobytes())
    return digest.hexdigest()


def filled(content: Content, train: Labels) -> tuple[Floats, Floats | None]:
    """The samples with each missing number replaced by its column's training median.

    Returns:
        The samples, and what stands for a missing number of each column, as in `Dataset.fill`.

    Raises:
        DataError: A column has no number in the training part.
    """
    x = content.x
    gaps = np.isnan(x)
    if not gaps.any():
        return x, None
    fill = np.full(x.shape[1:], np.nan, dtype=np.float32)
    problems = []
    for column in np.flatnonzero(gaps.any(axis=0)):
        known = x[train, column][~gaps[train, column]]
        if len(known):
            fill[column] = np.median(known)
        else:
            name = content.feature_names[column]
            problems.append(
                f"data {content.name}: column {name!r} must have a number in the training part, "
                "got none with this seed; leave it out by data.drop"
            )
    if problems:
        raise DataError(problems)
    return np.where(gaps, fill, x), fill
