"""What a GAN imitates: the real points on the device, and how good imitations of them are."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor

from trials.data import DataError, Dataset, Part
from trials.data.scaling import ScalingKind, fit_scaling
from trials.gans.quality import Figures, Quality
from trials.gans.wanted import Wanted
from trials.stacked.batches import table
from trials.stacked.layout import whole_lanes


class Scaled(NamedTuple):
    """The real points on another scale.

    Attributes:
        points: As `Real.points`.
        shift: What 0 stands for, in data units, shape (D,) or (1,).
        scale: What 1 stands for beyond it, in data units, shape (D,) or (1,).
    """

    points: Tensor
    shift: Tensor
    scale: Tensor


class Real:
    """The real points on the device, standardised for training.

    Raises:
        DataError: There are no points to learn from.
    """

    def __init__(self, data: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        self.data, self.device, self.dtype = data, device, dtype
        points = data.train.x
        if points.size == 0:
            raise DataError(f"data '{data.name}': must have points to learn from, got none")
        scaled, self.shift, self.scale = self._on("standardize")
        self.n_points, self.n_features = scaled.shape
        self.n_conditions = 0
        self.width = whole_lanes(self.n_features)
        self.points = table(scaled, self.width)
        self._scaled: dict[ScalingKind, Scaled] = {}
        self.modes = None
        if data.modes is not None:
            self.modes = torch.as_tensor(data.modes).to(device=device, dtype=dtype)
        self.validation = self.quality(data.validation)
        self._wanted: Wanted | None = None

    def measure(self, names: Collection[str]) -> None:
        """`watched` has the objectives of these names from now on, of those in `wanted.offered`."""
        if self._wanted is None or self._wanted.names != frozenset(names):
            self._wanted = Wanted(self.data, names, self.device, self.dtype)

    def watched(self, samples: Tensor) -> Figures:
        """Figures of an epoch: of `Quality.watched`, and those that were asked for.

        Args:
            samples: Generated points in data units, shape (K, N_SAMPLES, D).
        """
        figures = self.validation.watched(samples)
        return figures if self._wanted is None else figures | self._wanted.figures(samples)

    def _on(self, kind: ScalingKind) -> Scaled:
        """The points without padding, (N, D), and their scale."""
        x = self.data.train.x
        scaling = fit_scaling(kind, x)
        return Scaled(
            *(
                torch.as_tensor(numbers).to(device=self.device, dtype=self.dtype)
                for numbers in (
                    scaling.apply(x).reshape(len(x), -1),
                    scaling.shift.flatten(),
                    scaling.scale.flatten(),
                )
            )
        )

    def scaled(self, kind: ScalingKind) -> Scaled:
        """The points as players see them on that scale, what follows them unchanged."""
        if kind == "standardize":
            return Scaled(self.points, self.shift, self.scale)
        if kind not in self._scaled:
            own, points = self._on(kind), self.points.clone()
            points[: self.n_points, : self.n_features] = own.points
            self._scaled[kind] = own._replace(points=points)
        return self._scaled[kind]

    def in_data_units(self, made: Tensor) -> Tensor:
        """Points as the generator makes them, (K, N, width), as they are in the data, (K, N, D)."""
        return made[:, :, : self.n_features] * self.scale + self.shift

    def quality(self, part: Part) -> Quality:
        """Figures against the points of `part`, in data units."""
        points = torch.as_tensor(part.x).flatten(1).to(device=self.device, dtype=self.dtype)
        return Quality(points, self.modes, self.data.mode_std)
