"""What a trainer gets to train on: three parts of samples, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]
    Labels: TypeAlias = NDArray[np.int64]

Kind: TypeAlias = Literal["table", "images", "points", "series", "sequences", "trees", "ratings"]
Task: TypeAlias = Literal["classification", "regression", "density"]


@dataclass(frozen=True, eq=False)
class Part:
    """Samples that are used for one purpose.

    Attributes:
        x: float32, shape (N, D), (N, 1, h, w) for images, (N, T, F) for sequences. Always finite.
        y: Classes from 0 as int64, shape (N,); targets of a regression in their own unit as
            float32, shape (N,); either as (N, T) where each step of a sequence has its own; None
            for a density.
    """

    x: Floats
    y: Labels | Floats | None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Data of one kind for one task, split by a seed.

    Attributes:
        name: As in the spec, or the stem of the file or folder.
        kind: What a sample is. Of a "series", it is a row, in the order of time; column 0 is the
            target, so that a trainer can cut windows from it. Of "trees", it is the number of the
            symbol at each place of a full binary tree, level by level from the root; 0 is none. Of
            "ratings", it is a person, shape (2, films): stars given and asked for; 0 is none.
        task: What is asked about it.
        train: What weights are fitted to; scalings and medians come from it alone.
        validation: What trials are compared by.
        test: Looked at once, for the best trial.
        feature_names: Of the D columns, or of all pixels in order.
        classes: The labels as they were given; class k is `classes[k]`. Empty without classes.
        target_name: Of the column that is predicted; empty for a density.
        fingerprint: SHA-256 in hexadecimal over the content; independent of the split.
        notes: What was taken for what, a sentence each.
        fill: What stands for a missing number of each column, shape (D,): the training median
            where some are missing, else nan; None where none is missing.
        modes: Centres of a mixture that the points were drawn from, shape (M, D), or None.
        mode_std: Standard deviation of each of its components, in every direction, or None.
        window: Rows of a series that are to be seen; None leaves it to the trainer.
        horizon: Rows of a series to look ahead; None leaves it to the trainer.
    """

    name: str
    kind: Kind
    task: Task
    train: Part
    validation: Part
    test: Part
    feature_names: tuple[str, ...]
    classes: tuple[str, ...]
    target_name: str
    fingerprint: str
    notes: tuple[str, ...] = ()
    fill: Floats | None = None
    modes: Floats | None = None
    mode_std: float | None = None
    window: int | None = None
    horizon: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (D,), (1, h, w) or (T, F)."""
        return self.train.x.shape[1:]

    @property
    def n_classes(self) -> int:
        """How many classes there are; 0 without."""
        return len(self.classes)
