"""What pulls at the outputs of each row: its loss, smoothed targets, and weights of classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trials.stacked.batches import Piece
from trials.stacked.losses import Meaning, Slope, smoothed
from trials.stacked.settings import SupervisedSettings
from trials.stacked.supervised import Task
from trials.stacked.workspace import Workspace


class Teaching:
    """The gradient at the outputs of K rows, each by its own settings.

    Rows of one loss share its passes; where all rows have the same, nothing is copied. A row
    without smoothing or weights has the same bits beside rows that have them.

    Args:
        task: What is learnt.
        settings: Of the rows.
        workspace: Where buffers come from.

    Raises:
        ValueError: A loss that the task does not have.
    """

    def __init__(
        self, task: Task, settings: Sequence[SupervisedSettings], workspace: Workspace
    ) -> None:
        self._like = torch.empty(0, dtype=task.dtype, device=task.device)
        self._take = workspace.take
        self._meaning = Meaning(task.n_outputs, task.shift, task.scale)
        self._groups = self._grouped(task, settings)
        is_classes = task.name == "classification"
        self._smoothing: Tensor | None = None
        self._weights: Tensor | None = None
        if is_classes and any(s.label_smoothing for s in settings):
            self._smoothing = self._tensor([[[s.label_smoothing]] for s in settings])
        if is_classes and any(s.class_weights != "none" for s in settings):
            tables = {"none": [1.0] * task.n_outputs_padded, "balanced": task.balance}
            self._weights = self._tensor([[tables[s.class_weights]] for s in settings])
        self._targets: list[Tensor] = []
        self._shares = self._like
        self._of_points: Tensor | None = None

    def _grouped(
        self, task: Task, settings: Sequence[SupervisedSettings]
    ) -> list[tuple[Slope, Tensor | None]]:
        """The gradient of each loss in use with its rows; None for all rows."""
        rows: dict[Slope, list[int]] = {}
        for k, own in enumerate(settings):
            rows.setdefault(task.slope(own.loss), []).append(k)
        if len(rows) == 1:
            return [(slope, None) for slope in rows]
        return [(slope, torch.tensor(ks, device=task.device)) for slope, ks in rows.items()]

    def _tensor(self, values: object) -> Tensor:
        """One number per row or class, rounded once."""
        return torch.tensor(values, dtype=torch.float64).to(self._like)

    def begin(self, piece: Piece, y: Tensor) -> None:
        """Prepares the steps of a piece.

        Args:
            piece: The steps.
            y: Targets, shape (steps, K, B, C); zero for padded points. May be kept until the next
                call.
        """
        self._shares = piece.weight(y.shape[-1], self._meaning.n_outputs, self._like)
        if self._weights is not None:
            weights = (y * self._weights).sum(-1, keepdim=True)
            self._of_points = weights * (piece.n_points / weights.sum(-2, keepdim=True))
        if self._smoothing is not None:
            out = self._take("taught", *y.shape)
            y = smoothed(y, self._smoothing, self._meaning.n_outputs, out)
        self._targets = [y if rows is None else y.index_select(1, rows) for _, rows in self._groups]

    def slope(self, step: int, outputs: Tensor, out: Tensor) -> Tensor:
        """The gradient of each row's mean loss over a batch, at its outputs.

        The mean is over points, weighted where classes have weights: what
        `torch.nn.CrossEntropyLoss(weight=...)` gives.

        Args:
            step: Within the piece, from 0.
            outputs: Shape (K, B, C).
            out: Receives the result, zero for padded points and outputs.
        """
        for (slope, rows), targets in zip(self._groups, self._targets, strict=True):
            if rows is None:
                slope(outputs, targets[step], self._meaning, out)
            else:
                part = outputs.index_select(0, rows)
                found = slope(part, targets[step], self._meaning, torch.empty_like(part))
                out.index_copy_(0, rows, found)
        out.mul_(self._shares)
        return out if self._of_points is None else out.mul_(self._of_points[step])
