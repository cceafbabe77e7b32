"""Figures of generated points: few and cheap after each epoch, or all there are."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

from trials.gans.quality.cells import Cells
from trials.gans.quality.kernels import GaussianMixture, KernelDistance
from trials.gans.quality.modes import mode_figures
from trials.gans.quality.neighbours import NeighbourFigures, Neighbours
from trials.gans.quality.projections import SlicedWasserstein
from trials.gans.quality.reference import Figures, only_finite

N_SAMPLES = 256
"""Samples per row that the figures of an epoch are computed from."""


DEAR_FIGURES = ("kernel_distance", *NeighbourFigures._fields)
"""Figures that need every sample beside every other."""


class Quality:
    """The figures of an epoch: samples against one part of the data.

    Args:
        real: Points, shape (N, D).
        modes: Centres of the true modes, shape (M, D), where they are known.
        mode_std: Standard deviation of a mode in each direction.
        n_samples: Generated samples per row.
    """

    def __init__(
        self,
        real: Tensor,
        modes: Tensor | None,
        mode_std: float | None,
        n_samples: int = N_SAMPLES,
    ) -> None:
        self._slices = SlicedWasserstein(real, n_samples)
        self._cells = Cells(real, modes)
        self._modes = modes
        self._mode_std = mode_std or 0.0

    def figures(self, samples: Tensor) -> Figures:
        """Figures by name, one number per row, float64, shape (K,).

        Args:
            samples: Generated points, shape (K, n_samples, D).

        Returns:
            `sample_distance`, and `high_quality` and `modes` where the modes are known; all of
            them not finite where a sample is not.
        """
        figures = {"sample_distance": self._slices.distance(samples)}
        if self._modes is not None:
            figures |= mode_figures(samples, self._modes, self._mode_std)._asdict()
        return only_finite(figures, samples)

    def watched(self, samples: Tensor) -> Figures:
        """The `figures`, and those by which failures are told.

        Args:
            samples: Generated points, shape (K, n_samples, D).

        Returns:
            Besides `figures`: `relative_distance`, the `sample_distance` over that of one point,
            repeated, in the middle of the real ones; and `reach`, the share of real points in
            cells that samples reach, in [0, 1].
        """
        figures = self.figures(samples)
        figures["relative_distance"] = figures["sample_distance"] / self._slices.centre_distance
        return figures | only_finite({"reach": self._cells.reach(samples)}, samples)


class PointQuality:
    """All figures of points, for the trials that deserve a closer look.

    Args:
        real: Points, shape (N, D).
        modes: Centres of the true modes, shape (M, D), where they are known.
        mode_std: Standard deviation of a mode in each direction.
        n_samples: Generated samples per row.

    Raises:
        ValueError: There are too few real points.
    """

    def __init__(
        self, real: Tensor, modes: Tensor | None, mode_std: float | None, n_samples: int
    ) -> None:
        self._neighbours = Neighbours(real)
        self._quality = Quality(real, modes, mode_std, n_samples)
        self._kernel = KernelDistance(real, GaussianMixture(real))

    def figures(self, samples: Tensor) -> Figures:
        """Those of `Quality`, and `kernel_distance`, `precision`, `recall`, `density`, `coverage`.

        Args:
            samples: Generated points, shape (K, n_samples, D).

        Returns:
            Not finite where a sample is not.
        """
        return self._quality.figures(samples) | self.further(samples, DEAR_FIGURES)

    def further(self, samples: Tensor, names: Collection[str]) -> Figures:
        """Those that are not of `Quality`; what none of `names` needs may be left out."""
        figures: Figures = {}
        if "kernel_distance" in names:
            figures["kernel_distance"] = self._kernel.distance(samples)
        if set(NeighbourFigures._fields) & set(names):
            figures |= self._neighbours.figures(samples)._asdict()
        return only_finite(figures, samples)
