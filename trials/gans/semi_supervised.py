"""The semi-supervised GAN: a discriminator that learns classes from a few labels and all points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from search_spaces import Float, Space
from search_spaces.gans import SEMI_SUPERVISED_GAN as SPACE
from trials.contract import Objective, Row
from trials.data import DataError, Dataset
from trials.data.splits import turns
from trials.gans.adversarial import (
    EVALUATION,
    LEARNING,
    Build,
    Extent,
    JudgeNetwork,
    prefix_of,
)
from trials.gans.leaks import leaky_spans
from trials.gans.real import Real
from trials.gans.settings import NORM_AXES, Shape
from trials.gans.training import GameFamily, GameTraining
from trials.gans.vectors import AXES, Settings, VectorFamily, VectorGAN
from trials.stacked.batches import padded_batch
from trials.stacked.cohort import Vectors
from trials.stacked.layout import LANES
from trials.stacked.per_row import per_row
from trials.stacked.perceptron import Perceptron
from trials.stacked.settings import settings_of
from trials.stacked.workspace import Workspace

N_LABELS = 100
"""Training points whose classes are known, as many of each class as can be."""


@dataclass(frozen=True)
class SemiSettings(Settings):
    """The axes of a semi-supervised GAN.

    Attributes:
        supervision: Weight of the labelled points' cross-entropy in the discriminator's loss.
    """

    supervision: float = 1.0


class SemiReal(Real):
    """Real points, a few of them with labels.

    Attributes:
        labelled: Points with labels, padded to whole lanes, shape (L, width).
        share: Their classes, a one among zeros, over their number; zero in the padding, (L, 16).
        asked: Validation points as the players see them, padded, shape (V, width).
        classes: Of the validation points, int64, shape (n,).
    """

    def __init__(self, data: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        n_classes = data.n_classes
        has_classes = data.task == "classification" and data.train.y is not None
        if not has_classes or data.validation.y is None or not 2 <= n_classes <= LANES:
            raise DataError(
                f"data '{data.name}': must have 2 to {LANES} classes for the trainer "
                f"semi_supervised_gan, got {n_classes}; choose digits, iris, wine or trainer gan"
            )
        super().__init__(data, device, dtype)
        y = np.asarray(data.train.y)
        chosen = torch.as_tensor(np.argsort(turns(y), kind="stable")[:N_LABELS])
        n_padding = padded_batch(len(chosen)) - len(chosen)
        own = self.points[chosen.to(device)]
        self.labelled = functional.pad(own, (0, 0, 0, n_padding))
        share = functional.one_hot(torch.as_tensor(y)[chosen], LANES).to(own) / len(chosen)
        self.share = functional.pad(share, (0, 0, 0, n_padding))
        points = torch.as_tensor(data.validation.x).flatten(1).to(device=device, dtype=dtype)
        n_padding = padded_batch(len(points)) - len(points)
        widths = (0, self.width - self.n_features, 0, n_padding)
        self.asked = functional.pad((points - self.shift) / self.scale, widths)
        self.classes = torch.as_tensor(data.validation.y).to(device)


class SemiSupervisedGAN(VectorGAN):
    """GAN on vectors whose discriminator tells classes, of which it is told 100 labels.

    The discriminator has a logit per class and none for generated points: that one is 0, so that
    log sum exp of the others is the logit of being real. Its loss is that of a GAN plus the
    cross-entropy of all labelled points, weighted, at every step. Weights have the names of
    `VectorGAN`. All is stacked; norms, packing, other scales and the gradient penalty are not
    offered, since the labelled points go through its network with the others.

    Source: Salimans et al., NeurIPS (2016).
    """

    name: ClassVar[str] = "semi_supervised_gan"
    default_data: ClassVar[str] = "digits"
    space = SPACE
    kind: ClassVar[type[Settings]] = SemiSettings
    domain = Space(
        **{name: axis for name, axis in AXES.items() if name not in NORM_AXES},
        supervision=Float(0.0, 1e6),
    )
    reads = SemiReal
    real: SemiReal

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """How well classes are told, then the objectives of every GAN."""
        told = (
            Objective("validation_accuracy", "maximize"),
            Objective("validation_loss", "minimize", "nats"),
        )
        return (*told, *super().objectives)

    def family(self, shape: Shape) -> GameFamily:
        """Perceptrons of that shape on the data."""
        return _Family(self.real, shape)


class ClassJudge:
    """K discriminators with a logit per class; an `adversarial.JudgeNetwork`.

    Args:
        network: Gives the logits of classes; labelled points come after the others.
        n_classes: C.
        labelled: Points with labels, (L, D), or none, (0, D).
        share: Their classes over their number, (L, 16).
        supervision: Weight of their cross-entropy, (K, 1, 1).
        workspace: Where buffers come from.
    """

    def __init__(
        self,
        network: Perceptron,
        n_classes: int,
        labelled: Tensor,
        share: Tensor,
        supervision: Tensor,
        workspace: Workspace,
    ) -> None:
        self._network, self._labelled, self._share = network, labelled, share
        self._supervision, self._take = supervision, workspace.take
        self._is_other = torch.arange(LANES, device=share.device) >= n_classes
        self._shares = torch.empty(0)

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """How real `x` is, shape (K, B, inputs), in the first column of `out`, (K, B, 16)."""
        logits = self.logits(x)
        most = logits.amax(2, keepdim=True)
        heights = (logits - most).exp_()
        total = heights.sum(2, keepdim=True)
        self._shares = heights / total
        # over whole lanes, as the scalar end of a vector loop rounds otherwise than its body
        out.copy_((total.expand_as(logits).contiguous().log_() + most)[:, : x.shape[1]])
        out[:, :, 1:] = 0.0
        return out

    def logits(self, x: Tensor) -> Tensor:
        """Logits of classes for `x` and the labelled points, -inf in padding, (K, B + L, 16)."""
        n_rows, n_batch = x.shape[:2]
        n_all = n_batch + len(self._labelled)
        points = self._take("with labelled", n_rows, n_all, x.shape[2])
        points[:, :n_batch], points[:, n_batch:] = x, self._labelled
        logits = self._network.forward(points, None, self._take("classes", n_rows, n_all, LANES))
        return logits.masked_fill(self._is_other, -math.inf)

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for the last `forward`, that of the labelled points included."""
        self._network.backward(self._below(slope))

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the last `forward`'s inputs, from that at its outputs."""
        return self._network.through(self._below(slope))

    def _below(self, slope: Tensor) -> Tensor:
        """The gradient at the logits of classes."""
        n_batch = slope.shape[1]
        below = torch.empty_like(self._shares)
        below[:, :n_batch] = self._shares[:, :n_batch] * slope[:, :, :1]
        weight = self._share.sum(1, keepdim=True)
        excess = self._shares[:, n_batch:] * weight - self._share
        below[:, n_batch:] = excess * self._supervision
        return below


class _Family(VectorFamily):
    """Perceptrons, of which the discriminators tell classes."""

    kind: ClassVar[type[Settings]] = SemiSettings
    real: SemiReal

    def n_logits(self, settings: Settings) -> int:
        """Outputs of the discriminator."""
        return self.real.data.n_classes

    def discriminators(self, rows: Sequence[Row], stack: Vectors) -> Build[JudgeNetwork]:
        """What makes the stacked discriminators of `rows`."""
        settings = [settings_of(SemiSettings, row.params) for row in rows]
        like = stack["discriminator.parameters"]
        masks = self.masks(settings, like)
        supervision = per_row([s.supervision for s in settings], like)
        semi, spans = self.real, leaky_spans(settings)

        def build(parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> ClassJudge:
            n_labelled = len(semi.labelled) if use == LEARNING else 0
            name = prefix_of("discriminator", use)
            tensors = self.layouts["discriminator"], parameters, gradient
            n_batch = extent.n_rows + n_labelled
            network = Perceptron(*tensors, n_batch, spans, masks, self.workspace, name)
            labelled = semi.labelled[:n_labelled], semi.share[:n_labelled]
            n_classes = self.real.data.n_classes
            return ClassJudge(network, n_classes, *labelled, supervision, self.workspace)

        return build

    def figures(self, training: GameTraining, made: Tensor) -> dict[str, Tensor]:
        """Accuracy and cross-entropy on the validation points."""
        semi, n_rows = self.real, len(made)
        extent = Extent(1, len(semi.asked), len(semi.classes))
        judge = training.game.discriminator.network(extent, EVALUATION)
        assert isinstance(judge, ClassJudge)
        points = semi.asked.expand(n_rows, -1, -1)
        shares = judge.logits(points).log_softmax(2)[:, : len(semi.classes)]
        own = shares.gather(2, semi.classes.view(1, -1, 1).expand(n_rows, -1, 1))
        is_right = shares.argmax(2) == semi.classes
        return {
            "validation_accuracy": is_right.double().mean(1),
            "validation_loss": -own.squeeze(2).double().mean(1),
        }
