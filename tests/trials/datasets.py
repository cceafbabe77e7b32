"""Small datasets from arrays of 90 points, of which 53 train, 21 validate and 16 test."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trials.data import Dataset, Part

_CUTS = (slice(0, 53), slice(53, 74), slice(74, 90))


def dataset_of(
    kind: Any, task: Any, x: NDArray[Any], y: NDArray[Any] | None, **facts: Any
) -> Dataset:
    """The points `x`, shape (90, ...), with answers `y`, shape (90,), or none."""
    train, validation, test = (
        Part(x[cut].astype(np.float32), None if y is None else y[cut]) for cut in _CUTS
    )
    plain: dict[str, Any] = {"feature_names": (), "classes": (), "target_name": ""}
    return Dataset(
        name="small",
        kind=kind,
        task=task,
        train=train,
        validation=validation,
        test=test,
        **(plain | {"fingerprint": ""} | facts),
    )
