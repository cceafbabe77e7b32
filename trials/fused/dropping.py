"""Dropout whose factors are handed in, so that each row's are a function of its own seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

from torch import Tensor, nn

DROPOUTS: dict[type[nn.Module], int | None] = {
    nn.Dropout: None,
    nn.Dropout1d: 2,
    nn.Dropout2d: 2,
    nn.Dropout3d: 2,
}
"""Module that is replaced -> dimensions that have factors of their own; None for all."""


class Tape:
    """The factors of one forward pass, in the order in which the module asks for them.

    Attributes:
        calls: Which site asked, and for how many factors; noted while nothing is handed in.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []
        self._factors: Iterator[Tensor] | None = None

    def hand_in(self, factors: Sequence[Tensor]) -> None:
        """The next pass multiplies by these, one tensor per call; by nothing if there are none."""
        self.calls = []
        self._factors = iter(factors) if factors else None

    def drop(self, site: int, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`x` times the next factors, which are given `shape`."""
        if self._factors is None:
            self.calls.append((site, math.prod(shape)))
            return x
        return x * next(self._factors).view(shape)


class HandedDropout(nn.Module):
    """Stands where a dropout module was.

    Args:
        dropout: The module.
        site: Its place among those of the model.
        tape: Where factors come from.

    Source: Srivastava et al., JMLR 15 (2014); Tompson et al., CVPR (2015) for whole channels.
    """

    def __init__(self, dropout: nn.Module, site: int, tape: Tape) -> None:
        super().__init__()
        self.p = cast("float", dropout.p)
        self._n_dims = DROPOUTS[type(dropout)]
        self._site, self._tape = site, tape

    def forward(self, x: Tensor) -> Tensor:
        """`x` with its factors in training; `x` itself otherwise."""
        if not self.training:
            return x
        own = x.shape[: self._n_dims]
        return self._tape.drop(self._site, x, (*own, *(1,) * (x.dim() - len(own))))


def rates(module: nn.Module) -> tuple[float, ...]:
    """The rate of each dropout module of `module`, in order."""
    return tuple(cast("float", child.p) for child in module.modules() if type(child) in DROPOUTS)


def hand_dropout(module: nn.Module) -> Tape:
    """Every dropout module in `module` takes its factors from the tape that comes back."""
    tape = Tape()
    found = [child for child in module.modules() if type(child) in DROPOUTS]
    handed = {id(child): HandedDropout(child, site, tape) for site, child in enumerate(found)}
    for name, child in list(module.named_modules(remove_duplicate=False)):
        if name and id(child) in handed:
            parent, _, own = name.rpartition(".")
            setattr(module.get_submodule(parent), own, handed[id(child)])
    return tape
