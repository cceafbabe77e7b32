"""DropConnect: single weights left out of each training step, each row with its own rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from trials.stacked.batches import Piece
from trials.stacked.layout import Layout
from trials.stacked.noise import generator, keep_tape, keep_threshold
from trials.stacked.sending import sent
from trials.stacked.workspace import Workspace


def weight_places(padded: Layout, true: Layout) -> Tensor:
    """Where a row's weights lie in its padded row, in the order of torch's tensors, int64."""
    numbered, n_before = {}, 0
    for part in true.parts:
        n = math.prod(part.shape) if part.is_weight else 0
        numbers = torch.arange(n_before + 1, n_before + n + 1, dtype=torch.float64)
        numbered[part.name] = (numbers if n else torch.zeros(part.shape)).view(part.torch_shape)
        n_before += n
    row = padded.pack(numbered, true, is_parameters=False)
    places = row.nonzero().flatten()
    return places[row[places].argsort()]


class DropConnect:
    """Every step trains the network that some of the weights make; biases always stay.

    One mask per row and step, where the paper has one per point: a mask of weights for each point
    would cost as much as a batch of networks. Weights that stay are divided by the probability of
    staying, so that the network of all weights, which is measured, is the mean one. A weight that
    is left out has no gradient but that of its penalties.

    Args:
        rates: Probability of leaving a weight out, per row, in [0, 1).
        places: Of each row's weights, from `weight_places`.
        seeds: Of the rows.
        weights: (K, W), left out in place.
        slopes: (K, W), their gradient.
        workspace: Where buffers come from.
        purpose: What its draws are for; the networks of a row have one each.

    Source: Wan et al., ICML (2013).
    """

    def __init__(
        self,
        rates: Sequence[float],
        places: Sequence[Tensor],
        seeds: Sequence[int],
        weights: Tensor,
        slopes: Tensor,
        workspace: Workspace,
        purpose: str = "dropconnect",
    ) -> None:
        self._rates, self._places, self._seeds = rates, places, seeds
        self._weights, self._slopes, self._purpose = weights, slopes, purpose
        self._host = Workspace(torch.device("cpu"), weights.dtype)
        self._held = workspace.take(f"{purpose} held", *weights.shape)
        self._tapes: list[torch.Generator] = []
        self._masks: Sequence[Tensor] = ()

    @property
    def n_numbers(self) -> int:
        """Numbers that the masks of all rows hold for one step."""
        return self._weights.numel()

    def begin(self, epochs: Sequence[int]) -> None:
        """Starts the tapes of an epoch; `epochs` counts from 0."""
        self._tapes = [
            generator(seed, self._purpose, epoch)
            for seed, epoch in zip(self._seeds, epochs, strict=True)
        ]

    def prepare(self, piece: Piece) -> None:
        """The masks of the next `piece` are drawn."""
        masks = self._host.take("masks", piece.n_steps, *self._weights.shape)
        masks.fill_(1.0)
        for k, (rate, places) in enumerate(zip(self._rates, self._places, strict=True)):
            if rate > 0:
                tape = keep_tape(self._tapes[k], piece.n_steps, (len(places),))
                kept = (tape < keep_threshold(rate)).to(masks.dtype)
                masks[:, k].index_copy_(1, places, kept.mul_(1.0 / (1.0 - rate)))
        self._masks = sent(masks, self._weights.device).unbind(0)

    def drop(self, step: int) -> None:
        """The weights are those of a step of the piece, counted from 0."""
        self._held.copy_(self._weights)
        self._weights.mul_(self._masks[step])

    def restore(self, step: int, decay: Tensor | None) -> None:
        """All weights are back, and the gradient is that at them; the L2 penalty joins it.

        Args:
            step: That `drop` was called with.
            decay: L2 coefficient per row, shape (K, 1), or None.
        """
        self._weights.copy_(self._held)
        self._slopes.mul_(self._masks[step])
        if decay is not None:
            self._slopes.addcmul_(self._weights, decay)
