"""What a cohort remembers of a row's last epochs, so that failures can be told from them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trials.contract import Finding


@dataclass(frozen=True)
class Watch:
    """What is looked at after every epoch of a row.

    Attributes:
        names: Figures that are remembered.
        n_epochs: Of so many last epochs.
        find: From those epochs, oldest first, and the number of the last one, from 1, to what
            shows at its end. A figure that the row did not measure is nan.
        hidden: Those of the figures that are no metrics and are not reported.
    """

    names: tuple[str, ...]
    n_epochs: int
    find: Callable[[Sequence[Mapping[str, float]], int], tuple[Finding, ...]]
    hidden: tuple[str, ...] = ()


class Recent:
    """The watched figures of one row's last epochs.

    Args:
        watch: Which, and how many.
        epoch: Epochs that the row has completed.
        saved: What `tensor` gave after that epoch; None for a row that starts anew.

    Raises:
        ValueError: `saved` is not of that row, or missing.
    """

    def __init__(self, watch: Watch, epoch: int = 0, saved: Tensor | None = None) -> None:
        self._watch = watch
        shape = (min(epoch, watch.n_epochs), len(watch.names))
        if saved is None and epoch == 0:
            saved = torch.empty(shape, dtype=torch.float64)
        if saved is None or tuple(saved.shape) != shape or saved.dtype != torch.float64:
            raise ValueError(f"the state must hold recent figures of shape {shape} in float64")
        rows = (dict(zip(watch.names, figures, strict=True)) for figures in saved.tolist())
        self._epochs = deque(rows, maxlen=watch.n_epochs)

    @property
    def tensor(self) -> Tensor:
        """The figures, float64, shape (epochs, names)."""
        names = self._watch.names
        rows = [[epoch[name] for name in names] for epoch in self._epochs]
        return torch.tensor(rows, dtype=torch.float64).view(len(rows), len(names))

    def after(self, epoch: int, metrics: dict[str, float]) -> tuple[Finding, ...]:
        """What shows once the row has completed `epoch`; hidden figures leave its `metrics`."""
        self._epochs.append({name: metrics.get(name, math.nan) for name in self._watch.names})
        for name in self._watch.hidden:
            metrics.pop(name, None)
        return self._watch.find(tuple(self._epochs), epoch)
