"""K recursive networks over binary trees, level by level from the leaves to the root."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from trials.stacked.activated import Activated
from trials.stacked.layout import Part, linear, norm
from trials.stacked.normed import Normed

NORM = "norm"
"""Name of what normalises the sums into nodes."""


def tree_parts(
    n_symbols: int, units: int, n_outputs: int, padding: float, normalization: str
) -> Sequence[Part]:
    """The tensors of one network, by the names of the modules in `TreeFunction`.

    Args:
        n_symbols: V, the one that stands for no node included.
        units: H.
        n_outputs: C.
        padding: Bias of padded outputs.
        normalization: Of the sums into nodes: `none` or `layer`.
    """
    return (
        Part("symbols.weight", (n_symbols, units)),
        Part("pair.weight", (units, 2, units), joined=(1, 2)),
        *norm(normalization, NORM, units),
        *linear("output", units, n_outputs, padding),
    )


class TreeFunction:
    """What the networks compute; an `autograd.Function`.

    A node's vector is act(pair(left, right) + symbols[its symbol]), where `symbols` is an
    Embedding and `pair` a Linear(2 H, H) without bias; what is not there is a vector of
    zeros. A LayerNorm `norm` of the sums may come first. The outputs are a Linear of the root's
    vector.

    Args:
        n_places: Of a tree, 2**levels - 1.
        n_symbols: V, padded.
        activated: Sums to vectors.
        normed: Makes what normalises the sums of one level.

    Source: Socher et al., ICML (2011).
    """

    def __init__(
        self, n_places: int, n_symbols: int, activated: Activated, normed: Callable[[], Normed]
    ) -> None:
        self._n_levels = (n_places + 1).bit_length() - 1
        self._n_symbols, self._activated = n_symbols, activated
        self._normed = [normed() for _ in range(self._n_levels)]

    def __call__(
        self,
        tensors: Mapping[str, Tensor],
        x: Tensor,
        masks: Sequence[Tensor] | None,
        is_training: bool,
    ) -> Tensor:
        """Outputs, shape (K, B, C), for trees `x`, shape (K, B, places and padding)."""
        n_rows, n_batch = x.shape[:2]
        # the lowest nodes are leaves, and leaves of one symbol are all alike
        leaves = self._vectors(tensors, tensors["symbols.weight"], self._n_levels - 1, is_training)
        nodes = torch.bmm(self._kinds(x, self._n_levels - 1), leaves)
        for level in reversed(range(self._n_levels - 1)):
            kinds = self._kinds(x, level)
            pairs = nodes.view(n_rows, kinds.shape[1], -1)
            sums = torch.bmm(kinds, tensors["symbols.weight"])
            sums = torch.baddbmm(sums, pairs, tensors["pair.weight"].transpose(1, 2))
            nodes = self._vectors(tensors, sums, level, is_training)
            if self._activated.moves_zero or self._normed[level].moves_zero:
                nodes = nodes * kinds.sum(2, keepdim=True)
        root = nodes if masks is None else nodes * masks[0]
        bias = tensors["output.bias"].unsqueeze(1).expand(n_rows, n_batch, -1)
        return torch.baddbmm(bias, root, tensors["output.weight"].transpose(1, 2))

    def _vectors(
        self, tensors: Mapping[str, Tensor], sums: Tensor, level: int, is_training: bool
    ) -> Tensor:
        """The vectors of a level's nodes for their sums, both (K, nodes, H)."""
        normal = self._normed[level](tensors, sums.unsqueeze(1), is_training)
        return self._activated(normal.squeeze(1))

    def _kinds(self, x: Tensor, level: int) -> Tensor:
        """One-hot symbols of a level's places, (K, B n, V); zeros where there is no node."""
        places = x[:, :, 2**level - 1 : 2 ** (level + 1) - 1].reshape(len(x), -1, 1)
        symbols = torch.arange(self._n_symbols, dtype=x.dtype, device=x.device)
        symbols[0] = -1.0
        return (places == symbols).to(x.dtype)
