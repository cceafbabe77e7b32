"""How rows of modules that are built alike are made, stored and trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

from trials.contract import Row, RowState
from trials.fused.catalogue import Blueprint, Catalogue
from trials.fused.training import FusedTraining
from trials.stacked.cohort import Vectors


class FusedFamily:
    """Rows of one blueprint; a `cohort.Family` whose blocks are the batch sizes."""

    def __init__(self, catalogue: Catalogue, blueprint: Blueprint) -> None:
        self._catalogue, self._blueprint = catalogue, blueprint

    @property
    def mode(self) -> Callable[[], AbstractContextManager[Any]]:
        """The context in which rows train; steps turn gradients on."""
        return torch.no_grad

    def block(self, row: Row) -> int:
        """Rows of one batch size are stacked."""
        return self._catalogue.recipe.settings(row.params).batch_size

    def label(self, row: Row) -> str:
        """The batch size, and whether rows are really stacked."""
        is_stacked = self._blueprint.findings.reason is None
        return f"batch_size={self.block(row)}{'' if is_stacked else ' one at a time'}"

    def begin(self, row: Row) -> Vectors:
        """The vectors of a row whose module was just built from its own seed."""
        return self._blueprint.tensors.begin(self._catalogue.build(row.params, row.seed))

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The vectors of a saved row; ValueError when the state does not fit it."""
        return self._blueprint.tensors.restore(row, state, self._catalogue.task.device)

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Contiguous copies on the CPU."""
        return self._blueprint.tensors.store(vectors)

    def rank(self, row: Row) -> tuple[Any, ...]:
        """Optimizers come in the order of `Updates`."""
        return self._catalogue.recipe.settings(row.params).rule.rank

    def training(self, rows: Sequence[Row], stack: Vectors) -> FusedTraining:
        """Training of `rows`, which share a block, in place on `stack`."""
        settings = [self._catalogue.recipe.settings(row.params) for row in rows]
        rates = [self._catalogue.rates(row) for row in rows]
        return FusedTraining(
            self._blueprint.findings,
            self._blueprint.tensors,
            self._catalogue.task,
            rows,
            settings,
            rates,
            stack,
        )
