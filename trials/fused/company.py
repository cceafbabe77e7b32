"""Rows of no use beside the real ones, whose number never changes a real row's bits."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from trials.fused.mapping import Mapper
from trials.fused.tensors import PARAMETERS, Tensors
from trials.stacked.cohort import Vectors


class Company:
    """The tensors of K rows with room behind them for copies of the first.

    The real rows train here; `give_back` takes them home.

    Args:
        tensors: Where tensors lie in the vectors.
        vectors: Of the real rows, (K, n) each.
        mapper: Says how much company is wanted.
        sizes: Numbers of points that steps are made over.
    """

    def __init__(
        self, tensors: Tensors, vectors: Vectors, mapper: Mapper, sizes: Collection[int]
    ) -> None:
        self._mapper = mapper
        self._home, self._n_rows = vectors[PARAMETERS], len(vectors[PARAMETERS])
        self._room = max(mapper.n_company(self._n_rows, size) for size in sizes)
        self._wide = self._widened(self._home)
        views = tensors.views({**vectors, PARAMETERS: self._wide})
        self._leaves, self._buffers_at_home = views
        # each contiguous by itself: where the rows of a running average are apart, vmap changes a
        # copy of them
        self._buffers = {name: self._widened(b) for name, b in self._buffers_at_home.items()}
        self._views: dict[int, tuple[dict[str, Tensor], dict[str, Tensor]]] = {}

    def _widened(self, rows: Tensor) -> Tensor:
        """`rows` and as many copies of the first as there is room for."""
        return torch.cat([rows, rows[:1].expand(self._room, *rows.shape[1:])])

    @property
    def parameters(self) -> Tensor:
        """Of the real rows while they train, (K, P)."""
        return self._wide[: self._n_rows]

    def places(self, n_points: int) -> Tensor:
        """The row that each row of a step over `n_points` is fed like, int64, shape (rows,)."""
        n_company = min(self._mapper.n_company(self._n_rows, n_points), self._room)
        places = [*range(self._n_rows), *[0] * n_company]
        return torch.tensor(places, device=self._home.device)

    def tensors(self, n_total: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Parameters, as leaves of autograd, and buffers of `n_total` rows by name."""
        if n_total not in self._views:
            leaves = {n: p[:n_total].detach().requires_grad_() for n, p in self._leaves.items()}
            buffers = {name: buffer[:n_total] for name, buffer in self._buffers.items()}
            self._views[n_total] = leaves, buffers
        return self._views[n_total]

    def give_back(self) -> None:
        """The vectors of the real rows are as they are now."""
        self._home.copy_(self.parameters)
        for name, buffer in self._buffers.items():
            self._buffers_at_home[name].copy_(buffer[: self._n_rows])
