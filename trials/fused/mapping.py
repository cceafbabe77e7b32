"""A function of one row applied to all rows: at once by `torch.func.vmap`, or one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

Tree: TypeAlias = "Tensor | Mapping[str, Tensor] | Sequence[Tensor]"
"""Tensors of all rows, index 0 of each; or, inside a function of one row, those of the row."""

RowFunction: TypeAlias = "Callable[..., Tensor]"

_LEAST_ROWS = 3
"""Below it some kernels (grouped convolution, batch norm) take another way, with other bits."""

_LEAST_NUMBERS = 32
"""Numbers of a vector loop; what is left over at the end of a tensor is computed otherwise."""


class Mapper(Protocol):
    """How rows are taken through a function of one row."""

    def __call__(self, function: RowFunction, *trees: Tree) -> Tensor:
        """The results of all rows, index 0; differentiable."""

    def n_company(self, n_rows: int, n_points: int) -> int:
        """Rows to be added behind `n_rows`, whose results are of no use."""


class Together:
    """All rows in the same operations.

    Company behind the real rows takes what makes the end of a tensor special: loops over vectors
    leave up to 31 numbers to another formula, and one or two rows alone to other kernels. With it
    a row's bits do not depend on how many rows there are.
    """

    def __init__(self, device: torch.device) -> None:
        self._is_cpu = device.type == "cpu"

    def __call__(self, function: RowFunction, *trees: Tree) -> Tensor:
        """See `Mapper`; a function that draws random numbers raises RuntimeError."""
        with _composed_attention():
            result: Tensor = vmap(function, randomness="error")(*trees)
        return result

    def n_company(self, n_rows: int, n_points: int) -> int:
        """See `Mapper`; none on a GPU, where bits are not promised."""
        if not self._is_cpu:
            return 0
        return max(_LEAST_ROWS - n_rows, -(-_LEAST_NUMBERS // n_points))


class OneByOne:
    """Each row by itself, as a plain module.

    Attributes:
        seeds: Of torch's generator for each row, in the next call.
    """

    def __init__(self, device: torch.device) -> None:
        self._devices = [device] if device.type == "cuda" else []
        self.seeds: Sequence[int] = ()

    def __call__(self, function: RowFunction, *trees: Tree) -> Tensor:
        """See `Mapper`; each row draws from a generator of its own seed."""
        n_rows = len(next(iter(_tensors(trees[0]))))
        rows = zip(*(_rows(tree, n_rows) for tree in trees), strict=True)
        results = []
        for k, row in enumerate(rows):
            with _seeded(self.seeds[k] if self.seeds else 0, self._devices):
                results.append(function(*row))
        return torch.stack(results)

    def n_company(self, n_rows: int, n_points: int) -> int:
        """See `Mapper`; none."""
        return 0


@contextmanager
def _composed_attention() -> Iterator[None]:
    """Attention is computed by products and softmax, since vmap lacks rules for fused kernels."""
    is_fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fast)


@contextmanager
def _seeded(seed: int, devices: Sequence[torch.device]) -> Iterator[None]:
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        yield


def _tensors(tree: Tree) -> Iterable[Tensor]:
    if isinstance(tree, Tensor):
        return (tree,)
    return tree.values() if isinstance(tree, Mapping) else tree


def _rows(tree: Tree, n_rows: int) -> list[Any]:
    """The tree of each row; the rows of tensors without gradient share memory with them."""
    if isinstance(tree, Tensor):
        # one derivative for all rows, where indexing would fill as many tensors with zeros; but
        # what unbind returns may not be changed in place, as running averages are
        return list(tree.unbind(0)) if tree.requires_grad else [tree[k] for k in range(n_rows)]
    if isinstance(tree, Mapping):
        columns = {name: _rows(tensor, n_rows) for name, tensor in tree.items()}
        return [{name: column[k] for name, column in columns.items()} for k in range(n_rows)]
    lists = [_rows(tensor, n_rows) for tensor in tree]
    return [[column[k] for column in lists] for k in range(n_rows)]
