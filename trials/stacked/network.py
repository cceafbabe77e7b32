"""What a network must offer so that rows of it can train: outputs, and gradients of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from trials.stacked.layout import Layout
from trials.stacked.workspace import Workspace

S_co = TypeVar("S_co", covariant=True)


class Network(Protocol):
    """K networks of one padded shape over batches of one size.

    Row k of every result depends only on row k of the arguments and of the parameters.
    """

    def forward(
        self, x: Tensor, masks: Sequence[Tensor] | None, out: Tensor, *, is_training: bool = True
    ) -> Tensor:
        """Outputs for `x`, written into `out`, shape (K, B, C), or (K, B * T, C) for each step.

        Args:
            x: Inputs, shape (K, B, *inputs); not changed until `backward`.
            masks: Factors of each dropout site, shape (K, B, *site), zero where it is padded;
                None for no dropout, as in evaluation.
            out: Contiguous memory for the result.
            is_training: `backward` may follow.
        """

    def backward(self, slope: Tensor, decay: Tensor | None) -> None:
        """Fills the gradient of every parameter for what the last `forward` computed.

        Args:
            slope: Gradient at the outputs, shape (K, B, C).
            decay: L2 coefficient per row, shape (K, 1), or None: decay * weight joins the
                gradient of the weights (`Gradients.put` does it).
        """


@dataclass(frozen=True)
class Site:
    """A place in a row's network where units are dropped.

    Attributes:
        rate: Probability of dropping a unit, in [0, 1).
        shape: Of one point's units there.
    """

    rate: float
    shape: tuple[int, ...]


class Slot:
    """Where the gradient of one tensor of neighbouring rows goes.

    Args:
        slot: (R, ...) of the flat gradient, in memory order.
        value: The same numbers of the parameters; None where there is no L2 penalty.
        rows: Which of all rows they are.
    """

    def __init__(self, slot: Tensor, value: Tensor | None, rows: slice) -> None:
        self._slot, self._rows = slot, rows
        self._flat = None if value is None else (slot.flatten(1), value.flatten(1))
        self._given: Tensor | None = None
        self._decay: Tensor | None = None

    def put(self, gradient: Tensor, decay: Tensor | None) -> None:
        """The slot holds `gradient`, contiguous, shape (R, ...), and for weights decay * weight.

        Args:
            gradient: Of the loss.
            decay: L2 coefficient of all rows, shape (K, 1), or None.
        """
        if decay is None or self._flat is None:
            self._slot.copy_(gradient)
            return
        if decay is not self._given:
            self._given, self._decay = decay, decay[self._rows]
        assert self._decay is not None
        slot, value = self._flat
        torch.addcmul(gradient.flatten(1), value, self._decay, out=slot)


class Gradients:
    """The tensors of some rows by name, and the slots of their gradients.

    Views are made once: one costs as much as a small product.

    Args:
        layout: Where each tensor lies.
        parameters: (K, P).
        gradient: (K, P), filled by `put`.
    """

    def __init__(self, layout: Layout, parameters: Tensor, gradient: Tensor) -> None:
        self._weights = {part.name for part in layout.parts if part.is_weight}
        self.values = layout.views(parameters)
        """Name -> (K, ...) in memory order, the parameters."""
        self.slots = layout.views(gradient)
        """Name -> (K, ...) in memory order, to be written."""
        self._made: dict[tuple[str, int, int], Slot] = {}

    def slot(self, name: str, rows: slice | None = None) -> Slot:
        """Where the gradient of that tensor goes, for some rows or all."""
        slot = self.slots[name]
        rows = rows or slice(0, len(slot))
        key = (name, rows.start, rows.stop)
        if key not in self._made:
            value = self.values[name][rows] if name in self._weights else None
            self._made[key] = Slot(slot[rows], value, rows)
        return self._made[key]

    def put(self, name: str, gradient: Tensor, decay: Tensor | None) -> None:
        """The slot of all rows holds `gradient`; see `Slot.put`."""
        self.slot(name).put(gradient, decay)


@dataclass(frozen=True)
class Stack(Generic[S_co]):
    """What the networks of some rows are made from.

    Attributes:
        settings: Of the rows, in order.
        padded: The settings that the padded shapes belong to.
        layout: Where each tensor lies in a row.
        parameters: (K, P).
        gradient: (K, P); what `Network.backward` fills. Numbers that belong to no part are zero.
        workspace: Where buffers come from; they are shared by all networks of the cohort.
        n_points: Points of a batch in training that are not padding, where the network counts
            them (`Architecture.counts_points`); None for all.
    """

    settings: Sequence[S_co]
    padded: S_co
    layout: Layout
    parameters: Tensor
    gradient: Tensor
    workspace: Workspace
    n_points: int | None = None

    @cached_property
    def gradients(self) -> Gradients:
        """Views of parameters and gradient, shared by the networks for all sizes of batches."""
        return Gradients(self.layout, self.parameters, self.gradient)
