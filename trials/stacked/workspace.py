"""Memory that a cohort's steps use again and again, whatever their shapes are at the moment."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Workspace:
    """Named buffers that grow by doubling and are handed out as contiguous views.

    Fresh memory costs page faults that are dearer than the arithmetic of a small step.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        self._storage: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int) -> Tensor:
        """A contiguous buffer with unspecified content; it shares memory with all of `name`."""
        size = math.prod(shape)
        held = self._storage.get(name)
        if held is None or held.numel() < size:
            grown = max(size, 2 * held.numel() if held is not None else 0)
            held = torch.empty(grown, dtype=self.dtype, device=self.device)
            self._storage[name] = held
        return held[:size].view(shape)
