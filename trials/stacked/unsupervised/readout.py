"""A softmax layer on features that others learn: what they tell of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from trials.data import Dataset, Part
from trials.stacked.layout import Part as Tensors
from trials.stacked.layout import whole_lanes
from trials.stacked.losses import ABSENT
from trials.stacked.unsupervised.descent import Descent
from trials.stacked.unsupervised.points import Points


def readout_parts(n_features: int, n_classes: int) -> list[Tensors]:
    """The tensors of a torch.nn.Linear; padded classes can never be chosen."""
    return [
        Tensors("weight", (n_classes, n_features), order=(1, 0)),
        Tensors("bias", (n_classes,), start=0.0, padding=ABSENT),
    ]


class Answers:
    """The classes of a dataset's points on the device.

    Attributes:
        n_classes: C.
        width: C in whole lanes.
    """

    def __init__(self, data: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self.n_classes, self.width = data.n_classes, whole_lanes(data.n_classes)
        train = self._labels(data.train)
        one_hot = functional.one_hot(train, self.width).to(device=device, dtype=dtype)
        self._one_hot = functional.pad(one_hot, (0, 0, 0, 1))

    def _labels(self, part: Part) -> Tensor:
        return torch.as_tensor(part.y).long()

    def chosen(self, points: Tensor) -> Tensor:
        """One-hot classes of training points, (K, B, C); index N is padding and has none."""
        return self._one_hot.index_select(0, points.flatten()).view(*points.shape, -1)

    def of(self, points: Points) -> Tensor:
        """Classes of all points of a part and of its padding, int64, shape (N,)."""
        labels = self._labels(points.part).to(self._device)
        return functional.pad(labels, (0, points.n_padded - len(labels)), value=-1)


class Readout:
    """K softmax layers that learn while their features do.

    Args:
        descent: Their tensors, of `readout_parts`.
        n_classes: C.
    """

    def __init__(self, descent: Descent, n_classes: int) -> None:
        self._descent = descent
        values = descent.gradients.values
        self._weight, self._bias = values["weight"], values["bias"].unsqueeze(1)

    def begin(self, factors: Sequence[float], epochs: Sequence[int], n_steps: int) -> None:
        """Prepares an epoch of `n_steps`; see `Descent.begin`."""
        self._descent.begin(factors, epochs, n_steps)

    def step(self, index: int, features: Tensor, said: Tensor, weight: Tensor) -> None:
        """Moves the layers along the gradient of the cross-entropy; the features stay.

        Args:
            index: Of the step in the epoch.
            features: Shape (K, B, H).
            said: One-hot classes, shape (K, B, C).
            weight: 1 / points for real points, else 0; shape (B, 1).
        """
        logits = torch.baddbmm(self._bias, features, self._weight)
        slope = torch.softmax(logits, -1).sub_(said).mul_(weight)
        put = self._descent.gradients.put
        put("weight", torch.bmm(features.transpose(1, 2), slope), None)
        put("bias", slope.sum(1), None)
        self._descent.step(index)

    def hits(self, features: Tensor, labels: Tensor) -> Tensor:
        """Whether each point's most probable class is its own, shape (K, B)."""
        logits = torch.baddbmm(self._bias, features, self._weight)
        return logits.argmax(-1) == labels
