"""How the tensors of a module lie in flat vectors, one per row, which cohorts move about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trials.contract import Row, RowState
from trials.stacked.cohort import Vectors, fitted
from trials.stacked.layout import Layout, Part
from trials.stacked.optimizers import MOMENTS

PARAMETERS = "parameters"
BUFFERS = "buffers"


@dataclass(frozen=True)
class Tensors:
    """The vectors of a module.

    Attributes:
        parameters: Of what is trained; tensors of at least two dimensions are weights, and
            penalised, the others (biases, gains of norms) are not.
        buffers: By name of their vector, one for each kind of number: what else the module holds,
            frozen parameters included.
        dtypes: Of all vectors.
    """

    parameters: Layout
    buffers: Mapping[str, Layout]
    dtypes: Mapping[str, torch.dtype]

    @classmethod
    def of(cls, module: nn.Module) -> Tensors:
        """Those of `module` and of every module that is built alike."""
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        parts = {name: _part(name, tensor) for name, tensor in trained.items()}
        dtypes = dict.fromkeys((PARAMETERS, *MOMENTS), next(iter(trained.values())).dtype)
        kinds: dict[str, list[Part]] = {}
        for name, tensor in _held(module).items():
            vector = _vector(tensor)
            kinds.setdefault(vector, []).append(_part(name, tensor))
            dtypes[vector] = tensor.dtype
        buffers = {vector: Layout(tuple(held)) for vector, held in kinds.items()}
        return cls(Layout(tuple(parts.values())), buffers, dtypes)

    @property
    def _layouts(self) -> dict[str, tuple[str, Layout]]:
        """Vector -> what its tensors are called in a state, and where they are."""
        trained = {name: (name, self.parameters) for name in (PARAMETERS, *MOMENTS)}
        return trained | {vector: (BUFFERS, layout) for vector, layout in self.buffers.items()}

    def begin(self, module: nn.Module) -> Vectors:
        """The vectors of a row that starts as `module`."""
        tensors = dict(module.named_parameters()) | _held(module)
        vectors = {PARAMETERS: self._pack(PARAMETERS, self.parameters, tensors)}
        vectors |= {name: torch.zeros_like(vectors[PARAMETERS]) for name in MOMENTS}
        return vectors | {
            vector: self._pack(vector, layout, tensors) for vector, layout in self.buffers.items()
        }

    def restore(self, row: Row, state: RowState, device: torch.device) -> Vectors:
        """The vectors of a saved row; ValueError when the state does not fit it."""
        vectors = {}
        for vector, (prefix, layout) in self._layouts.items():
            like = torch.empty(0, dtype=self.dtypes[vector])
            tensors = fitted(row, state, prefix, layout.shapes, like)
            vectors[vector] = self._pack(vector, layout, tensors).to(device)
        return vectors

    def store(self, vectors: Vectors) -> RowState:
        """Contiguous copies on the CPU by name."""
        state: RowState = {}
        for vector, (prefix, layout) in self._layouts.items():
            views = layout.views(vectors[vector].detach().cpu().unsqueeze(0))
            state |= {f"{prefix}.{name}": view[0].clone() for name, view in views.items()}
        return state

    def load(self, module: nn.Module, row: Row, state: RowState) -> None:
        """`module`, which is built alike, has the numbers of a saved row."""
        held = dict(module.named_parameters()) | _held(module)
        for vector, (prefix, layout) in self._layouts.items():
            if vector in MOMENTS:
                continue
            like = torch.empty(0, dtype=self.dtypes[vector])
            for name, tensor in fitted(row, state, prefix, layout.shapes, like).items():
                held[name].detach().copy_(tensor)

    def views(self, vectors: Vectors) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Parameters and buffers of all rows by name, views of `vectors`, (K, *shape) each."""
        buffers: dict[str, Tensor] = {}
        for vector, layout in self.buffers.items():
            buffers |= layout.views(vectors[vector])
        return self.parameters.views(vectors[PARAMETERS]), buffers

    def _pack(self, vector: str, layout: Layout, tensors: Mapping[str, Tensor]) -> Tensor:
        some = tensors[layout.parts[0].name]
        flat = torch.zeros(1, layout.size, dtype=self.dtypes[vector], device=some.device)
        for name, view in layout.views(flat).items():
            view[0] = tensors[name].detach()
        return flat[0]


def _held(module: nn.Module) -> dict[str, Tensor]:
    """Buffers and frozen parameters by name."""
    frozen = {name: p.detach() for name, p in module.named_parameters() if not p.requires_grad}
    return frozen | dict(module.named_buffers())


def _vector(tensor: Tensor) -> str:
    return f"{BUFFERS}.{str(tensor.dtype).removeprefix('torch.')}"


def _part(name: str, tensor: Tensor) -> Part:
    return Part(name, tuple(tensor.shape), start=None if tensor.dim() > 1 else 0.0)
