"""What predictions are worth: figures of K rows on a part of the data, computed on all at once.

Those of `Task.figures` are reported after every epoch; the further ones here only where a study
asks for them, since they cost time and room in its database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from trials.stacked.supervised import Examples, Task


class Predictions(NamedTuple):
    """What K networks say of N points.

    Attributes:
        outputs: float64, without padding, shape (K, N, C); N counts answers.
        answers: Classes, int64, or standardised targets, float64, shape (N,).
        scale: Units of the target in one of the outputs.
    """

    outputs: Tensor
    answers: Tensor
    scale: float


def macro_f1(predictions: Predictions) -> Tensor:
    """The mean over classes of 2 * precision * recall / (precision + recall), shape (K,).

    Over the classes that are among the answers or the predictions, as
    `sklearn.metrics.f1_score(average="macro")` has it.
    """
    outputs, answers, _ = predictions
    chosen = outputs.argmax(-1)
    hits = (chosen == answers).double()
    n_hits, n_chosen, n_true = (
        torch.zeros_like(outputs[:, 0]).scatter_add_(1, classes, counted)
        for classes, counted in (
            (chosen, hits),
            (chosen, torch.ones_like(hits)),
            (answers.expand_as(chosen), torch.ones_like(hits)),
        )
    )
    n_both = n_chosen + n_true
    return (2.0 * n_hits / n_both.clamp_min(1.0)).sum(1) / (n_both > 0).sum(1)


def auroc(predictions: Predictions) -> Tensor:
    """The area under the receiver operating characteristic, shape (K,).

    Of two classes, the chance that a point of class 1 has a higher probability of it than one of
    class 0, ties counting half. Of more, the mean over classes of each against the rest, as
    `sklearn.metrics.roc_auc_score(multi_class="ovr")` has it, over the classes that have points.
    There must be answers of two classes.
    """
    scores, answers = torch.log_softmax(predictions.outputs, -1), predictions.answers
    n_classes = scores.shape[-1]
    areas = []
    for c in [1] if n_classes == 2 else range(n_classes):
        is_positive = answers == c
        if not is_positive.any() or is_positive.all():
            continue
        positives = scores[:, is_positive, c].contiguous()
        negatives = scores[:, ~is_positive, c].sort(1).values
        below = torch.searchsorted(negatives, positives)
        not_above = torch.searchsorted(negatives, positives, right=True)
        wins = (below + not_above).sum(1).double() / 2.0
        areas.append(wins / (positives.shape[1] * negatives.shape[1]))
    return torch.stack(areas).mean(0)


def absolute_error(predictions: Predictions) -> Tensor:
    """The mean absolute error in the target's unit, shape (K,)."""
    outputs, answers, scale = predictions
    return (outputs[..., 0] - answers).abs().mean(1) * scale


Measure: TypeAlias = Callable[[Predictions], Tensor]

MEASURES: dict[str, dict[str, Measure]] = {
    "classification": {"validation_macro_f1": macro_f1, "validation_auroc": auroc},
    "regression": {"validation_mae": absolute_error},
}
"""Task -> objective that is measured only where it is asked for -> how."""


class Marks:
    """The figures of K rows on a part of the data, from predictions that come piece by piece.

    Args:
        task: What was to be learnt.
        examples: What is predicted; `Examples.wanted` says what is measured.
    """

    def __init__(self, task: Task, examples: Examples) -> None:
        self._task, self._examples = task, examples
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._outputs: list[Tensor] = []
        self._wanted = {
            name: measure
            for name, measure in MEASURES[task.name].items()
            if name in examples.wanted and (examples.is_varied or measure is not auroc)
        }

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """The next points: what is said of them, (K, B, C), and what is true, (B, C)."""
        self._losses.append(self._task.loss.values(outputs, targets))
        self._hits.append(outputs.argmax(-1) == targets.argmax(-1))
        if self._wanted:
            self._outputs.append(outputs[..., : self._task.n_outputs].double())

    def figures(self) -> dict[str, Tensor]:
        """The objectives by name, float64, shape (K,); nan of rows whose loss is not finite."""
        losses = torch.cat(self._losses, 1)
        found = self._task.figures(self._examples, losses, torch.cat(self._hits, 1))
        if self._wanted:
            is_finite = found["validation_loss"].isfinite()
            predictions = self._predictions()
            for name, measure in self._wanted.items():
                found[name] = measure(predictions).where(is_finite, torch.nan)
        return found

    def _predictions(self) -> Predictions:
        n = self._examples.n_answers
        targets = self._examples.targets[:n]
        is_classes = self._task.name == "classification"
        answers = targets.argmax(-1) if is_classes else targets[:, 0].double()
        return Predictions(torch.cat(self._outputs, 1)[:, :n], answers, self._task.scale)
