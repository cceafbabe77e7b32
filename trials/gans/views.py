"""How discriminators look at points: one by one, or several at a time."""

from __future__ import annotations

from torch import Tensor

from trials.stacked.layout import whole_lanes
from trials.stacked.workspace import Workspace


class Single:
    """Points one by one; an `adversarial.View`."""

    def see(self, points: Tensor, name: str) -> Tensor:
        """`points`."""
        return points

    def feel(self, slope: Tensor) -> Tensor:
        """`slope`."""
        return slope


class Packed:
    """Several points at a time, their features one after another; an `adversarial.View`.

    A discriminator that sees points together tells a generator that repeats itself.

    Args:
        n_features: D, of a point without padding.
        packing: Points at a time; batches hold a multiple of it.
        width: Of a point with padding.
        workspace: Where buffers come from.

    Source: Lin et al., PacGAN, NeurIPS (2018).
    """

    def __init__(self, n_features: int, packing: int, width: int, workspace: Workspace) -> None:
        self._n_features, self._packing, self._width = n_features, packing, width
        self._take = workspace.take

    def see(self, points: Tensor, name: str) -> Tensor:
        """The packs, shape (K, B / packing, packing * D), padded to whole lanes."""
        n_rows, n_batch, n_all = len(points), points.shape[1], self._packing * self._n_features
        packs = self._take(name, n_rows, n_batch // self._packing, whole_lanes(n_all))
        packs[:, :, n_all:] = 0.0
        packs[:, :, :n_all] = points[:, :, : self._n_features].reshape(n_rows, -1, n_all)
        return packs

    def feel(self, slope: Tensor) -> Tensor:
        """The gradient at each point of the packs, shape (K, B, D) with padding."""
        n_all = self._packing * self._n_features
        below = self._take("unpacked", len(slope), slope.shape[1] * self._packing, self._width)
        below[:, :, self._n_features :] = 0.0
        parts = slope[:, :, :n_all].reshape(len(slope), -1, self._n_features)
        below[:, :, : self._n_features] = parts
        return below


View = Single | Packed


def view_of(n_features: int, packing: int, width: int, workspace: Workspace) -> View:
    """How points are looked at, `packing` at a time."""
    return Single() if packing == 1 else Packed(n_features, packing, width, workspace)
