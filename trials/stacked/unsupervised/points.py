"""Points without answers on the device, one copy per way in which rows see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from trials.data import DataError, Dataset, Part
from trials.data.scaling import ScalingKind, fit_scaling
from trials.stacked.batches import padded_batch
from trials.stacked.layout import whole_lanes

BINARIZATIONS = ("none", "threshold", "sampled")
"""How points from 0 to 1 become zeros and ones: not at all; one from a half on; or drawn once,
with the number as the probability of a one."""

N_SHOWN = 64
"""Most points that a row makes to be looked at."""

_OTHER_KINDS = {"ratings": "rbm", "series": "rnn", "trees": "recursive"}
"""Kinds of data whose numbers are not those of a vector -> the trainer that learns from them."""

_BINARY_SEED = 20090101


@dataclass(frozen=True)
class View:
    """How a row sees the points.

    Attributes:
        scaling: Fitted on the training part.
        is_unit: Numbers beyond 0 and 1 are moved to the nearer of them.
        binarize: One of `BINARIZATIONS`.
    """

    scaling: ScalingKind = "minmax"
    is_unit: bool = False
    binarize: str = "none"

    @classmethod
    def of(cls, input_scaling: str, binarize: str, *, is_probable: bool) -> View:
        """That of a row with these axes.

        Args:
            input_scaling: Asked for; used where numbers are not probable.
            binarize: Asked for; used where they are.
            is_probable: Whether numbers are taken for probabilities or bits, from 0 to 1.
        """
        if not is_probable:
            return cls(input_scaling)  # type: ignore[arg-type]
        return cls(is_unit=True) if binarize == "none" else cls(binarize=binarize)

    @property
    def truth(self) -> View:
        """What restored points are compared with: also the numbers beyond 0 and 1."""
        return self if self.binarize != "none" else View(self.scaling)


class Source:
    """A dataset's points as vectors, and where and how precisely they are computed with.

    Attributes:
        n_features: D.
        width: D in whole lanes.
        train: The training points.
        validation: The validation points.

    Raises:
        DataError: There are no points to learn from.
    """

    def __init__(self, data: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        self.data, self.device, self.dtype = data, device, dtype
        if data.train.x.size == 0:
            raise DataError(f"data '{data.name}': must have points to learn from, got none")
        self.n_features = self.count(data)
        self.width = whole_lanes(self.n_features)
        self.train = Points(self, data.train)
        self.validation = Points(self, data.validation)

    def count(self, data: Dataset) -> int:
        """Numbers that a network sees of a point.

        Raises:
            DataError: Points of that kind are not vectors of numbers.
        """
        if data.kind in _OTHER_KINDS:
            raise DataError(
                f"data '{data.name}': must be a table, images or points, got {data.kind}; "
                f"choose the trainer {_OTHER_KINDS[data.kind]}"
            )
        return int(np.prod(data.shape))

    def seen(self, part: Part, view: View) -> Tensor:
        """The points of `part` as `view` has them, float32, shape (N, D)."""
        points = fit_scaling(view.scaling, self.data.train.x).apply(part.x)
        points = points.reshape(len(points), self.n_features)
        if view.is_unit or view.binarize != "none":
            points = points.clip(0.0, 1.0)
        if view.binarize == "threshold":
            points = (points >= 0.5).astype(np.float32)
        elif view.binarize == "sampled":
            drawn = np.random.default_rng(_BINARY_SEED).random(points.shape)
            points = (drawn < points).astype(np.float32)
        return torch.as_tensor(points)

    def mean(self, view: View) -> Tensor:
        """Mean of the training points as `view` has them, float64, shape (D,)."""
        return self.seen(self.data.train, view).double().mean(0)

    def affine(self, view: View) -> tuple[Tensor, Tensor]:
        """Shift and scale that bring a column to what `view` begins with, shape (D,) each."""
        scaling = fit_scaling(view.scaling, self.data.train.x)
        shift, scale = (
            torch.as_tensor(part).flatten().expand(self.n_features).contiguous()
            for part in (scaling.shift, scaling.scale)
        )
        return shift, scale

    def in_units(self, x: Tensor, view: View) -> Tensor:
        """Numbers as `view` has them, (..., D) padded or not, in units of the data, (..., D)."""
        x = x[..., : self.n_features]
        if view.binarize != "none":
            return x
        shift, scale = (part.to(x) for part in self.affine(view))
        return x * scale + shift

    def units(self, views: Sequence[View]) -> Tensor:
        """One step of each row's numbers in units of the data, shape (K, 1, D) padded with 0.

        Of what is binarised the unit is the binary number's.
        """
        columns = [
            functional.pad(self._unit(view), (0, self.width - self.n_features)) for view in views
        ]
        return torch.stack(columns).unsqueeze(1).to(device=self.device, dtype=self.dtype)

    def _unit(self, view: View) -> Tensor:
        if view.binarize != "none":
            return torch.ones(self.n_features)
        return self.affine(view)[1]


class Points:
    """One part of the data, padded; there is at least one point of zeros behind the N real ones.

    Attributes:
        n_points: N.
        n_padded: Points with padding, a multiple of 8.
        part: The points as they were given.
    """

    def __init__(self, source: Source, part: Part) -> None:
        self._source, self.part = source, part
        self.n_points = len(part)
        self.n_padded = padded_batch(self.n_points + 1)
        self._kinds: dict[View, int] = {}
        self._x: Tensor | None = None

    def kinds(self, views: Sequence[View]) -> Tensor:
        """The index in `x` of the copy that each row sees, int64, shape (K,)."""
        return torch.tensor([self._kind(view) for view in views], device=self._source.device)

    def _kind(self, view: View) -> int:
        if view not in self._kinds:
            self._kinds[view] = len(self._kinds)
            source = self._source
            seen = source.seen(self.part, view).to(device=source.device, dtype=source.dtype)
            room = (0, source.width - source.n_features, 0, self.n_padded - self.n_points)
            seen = functional.pad(seen, room).unsqueeze(0)
            self._x = seen if self._x is None else torch.cat([self._x, seen])
        return self._kinds[view]

    @property
    def x(self) -> Tensor:
        """The points per way of seeing them, shape (kinds, n_padded, D)."""
        assert self._x is not None
        return self._x

    def chosen(self, points: Tensor, kinds: Tensor) -> Tensor:
        """Each row's own points, shape (steps, K, B, D).

        Args:
            points: Indices, int64, shape (steps, K, B).
            kinds: The copy that each row sees, shape (K,).
        """
        places = points + (kinds * self.n_padded).unsqueeze(1)
        x = self.x.flatten(0, 1).index_select(0, places.flatten())
        return x.view(*points.shape, -1)
