"""Figures of generated images, in what a classifier of the same data sees in them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from torch import Tensor

from trials.gans.quality.features import (
    class_divergence,
    class_shares,
    frechet_distance,
    moments,
)
from trials.gans.quality.kernels import Cubic, KernelDistance
from trials.gans.quality.neighbours import NeighbourFigures, Neighbours
from trials.gans.quality.reference import Figures, only_finite


class Judge(Protocol):
    """A trained classifier as a measure."""

    @property
    def n_classes(self) -> int:
        """C, the classes it tells apart."""

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, F) and the likeliest class, int64 (N,), of images (N, channels, h, w)."""


class ImageQuality:
    """All figures of images against one part of the data.

    Args:
        real: Images, shape (N, channels, h, w), in the unit of the data.
        judge: Whose features and classes count.

    Raises:
        ValueError: There are too few real images.
    """

    def __init__(self, real: Tensor, judge: Judge) -> None:
        features, classes = judge.judge(real)
        self._judge = judge
        self._moments = moments(features)
        self._shares = class_shares(classes.unsqueeze(0), judge.n_classes).squeeze(0)
        self._neighbours = Neighbours(features)
        self._kernel = KernelDistance(features, Cubic())

    def figures(self, samples: Tensor, names: Collection[str] | None = None) -> Figures:
        """Figures by name, one number per row, float64, shape (K,).

        Args:
            samples: Generated images, shape (K, N, channels, h, w).
            names: What none of these needs may be left out; None for all.

        Returns:
            `frechet_distance`, `kernel_distance`, `precision`, `recall`, `density` and `coverage`
            in features, `class_divergence`, and `class_share_<c>` for every class c; not finite
            where a sample is not.
        """
        features, classes = self._judge.judge(samples.flatten(0, 1))
        features = features.view(*samples.shape[:2], -1)
        shares = class_shares(classes.view(samples.shape[:2]), self._judge.n_classes)
        figures = {"class_divergence": class_divergence(shares, self._shares)}
        if names is None or "frechet_distance" in names:
            figures["frechet_distance"] = frechet_distance(moments(features), self._moments)
        if names is None or "kernel_distance" in names:
            figures["kernel_distance"] = self._kernel.distance(features)
        if names is None or set(NeighbourFigures._fields) & set(names):
            figures |= self._neighbours.figures(features)._asdict()
        figures |= {f"class_share_{c}": share for c, share in enumerate(shares.unbind(1))}
        return only_finite(figures, samples)
