"""The gradient of K restricted Boltzmann machines by contrastive divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trials.stacked.batches import Piece
from trials.stacked.layout import Part
from trials.stacked.losses import ABSENT
from trials.stacked.network import Gradients
from trials.stacked.noise import generator, normal_tape
from trials.stacked.sending import sent
from trials.stacked.unsupervised.visible import Visible, bits, free_energy

WEIGHT, HIDDEN, VISIBLE_BIAS = "hidden.weight", "hidden.bias", "visible.bias"


def machine_parts(
    n_visible: int, n_hidden: int, units: Visible, hidden_padding: float = ABSENT
) -> list[Part]:
    """The tensors of one machine; hidden units are those of a torch.nn.Linear called `hidden`.

    Args:
        n_visible: D.
        n_hidden: H.
        units: The visible units.
        hidden_padding: Bias of padded hidden units; that of a machine keeps them at 0.
    """
    return [
        Part(WEIGHT, (n_hidden, n_visible), order=(1, 0)),
        Part(HIDDEN, (n_hidden,), start=0.0, padding=hidden_padding),
        Part(VISIBLE_BIAS, (n_visible,), start=0.0, padding=units.padding),
    ]


def uniform_tape(rng: torch.Generator, n_steps: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform float32 draws in [0, 1) for `n_steps` steps, shape (n_steps, *shape)."""
    return torch.rand(n_steps, *shape, generator=rng)


@dataclass(frozen=True)
class Sparsity:
    """What draws the hidden units of each row towards a share of ones.

    Attributes:
        target: Shape (K, 1, 1), in (0, 1).
        weight: Shape (K, 1, 1), zero where there is no target; at least 0.
        real: One for real and zero for padded units, shape (K, 1, H).

    Source: Hinton's guide (2010), section 11: the slope of the cross-entropy to the target.
    """

    target: Tensor
    weight: Tensor
    real: Tensor

    def pull(self, probability: Tensor, weight: Tensor) -> Tensor:
        """What is taken from the probabilities, shape (K, 1, H).

        Args:
            probability: Of the hidden units, shape (K, B, H).
            weight: 1 / points for real points, else 0; shape (B, 1).
        """
        share = (probability * weight).sum(1, keepdim=True)
        return (share - self.target).mul_(self.weight).mul_(self.real)


class Machines:
    """K machines of one padded shape.

    Args:
        gradients: Their tensors and where the gradient goes, of `machine_parts`.
        units: Their visible units.
        l2: Coefficient of the penalty on weights, shape (K, 1), or None.
        sparsity: Of the hidden units, or None.
    """

    def __init__(
        self,
        gradients: Gradients,
        units: Visible,
        l2: Tensor | None = None,
        sparsity: Sparsity | None = None,
    ) -> None:
        self._gradients, self._units = gradients, units
        self._l2, self._sparsity = l2, sparsity
        self._weight = gradients.values[WEIGHT]
        self._back = self._weight.transpose(1, 2)
        self._hidden = gradients.values[HIDDEN].unsqueeze(1)
        self._visible = gradients.values[VISIBLE_BIAS].unsqueeze(1)

    def hidden_sums(self, x: Tensor) -> Tensor:
        """Inputs of the hidden units, shape (K, B, H), for points (K, B, D)."""
        return torch.baddbmm(self._hidden, x, self._weight)

    def features(self, x: Tensor) -> Tensor:
        """Probability of each hidden unit given points (K, B, D), shape (K, B, H)."""
        return self.hidden_sums(x).sigmoid_()

    def restored(self, features: Tensor) -> Tensor:
        """Expected points given hidden units, shape (K, B, D)."""
        return self._units.mean(torch.baddbmm(self._visible, features, self._back))

    def free_energy(self, x: Tensor) -> Tensor:
        """Of points (K, B, D), in nats, shape (K, B)."""
        return free_energy(self.hidden_sums(x), self._units.energy(x, self._visible))

    def contrast(
        self,
        x: Tensor,
        start: Tensor,
        tapes: Sequence[tuple[Tensor, Tensor]],
        weights: Weights,
        is_known: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Fills the gradient of minus the log likelihood, as far as short chains know it.

        Args:
            x: Points, shape (K, B, D).
            start: Where the chains begin, shape (K, B, D).
            tapes: For each step of the chains draws for hidden (K, B, H) and visible units.
            weights: What each point and each chain counts.
            is_known: One where a point has a number, else zero, as chains then have; None for all.

        Returns:
            Features of the points, shape (K, B, H), and the last points of the chains.

        Sources: Hinton, Neural Computation 14 (2002); Tieleman, ICML (2008), for chains that
        begin where they ended.
        """
        seen = self.features(x)
        chain, chained = start, seen if start is x else self.features(start)
        for hidden, visible in tapes:
            sums = torch.baddbmm(self._visible, bits(chained, hidden), self._back)
            chain = self._units.draw(sums, visible)
            if is_known is not None:
                chain = chain * is_known
            chained = self.features(chain)
        taken = seen
        if self._sparsity is not None:
            taken = seen - self._sparsity.pull(seen, weights.points)
        self._fill(x, taken * weights.points, chain, chained * weights.chains, weights)
        return seen, chain

    def _fill(
        self, x: Tensor, taken: Tensor, chain: Tensor, given: Tensor, weights: Weights
    ) -> None:
        """The gradient is what chains give less what points take, weighted features beside them."""
        slope = torch.bmm(chain.transpose(1, 2), given)
        slope.baddbmm_(x.transpose(1, 2), taken, alpha=-1.0)
        put = self._gradients.put
        put(WEIGHT, slope, self._l2)
        put(HIDDEN, given.sum(1).sub_(taken.sum(1)), None)
        moved = (chain * weights.chains).sum(1)
        put(VISIBLE_BIAS, moved.sub_((x * weights.points).sum(1)), None)


@dataclass(frozen=True)
class Weights:
    """What counts in a gradient.

    Attributes:
        points: 1 / points for real points, else 0; shape (B, 1).
        chains: The same for chains; shape (K, B, 1) or (B, 1).
    """

    points: Tensor
    chains: Tensor


class Tapes:
    """The draws of all rows' chains, each from the row's own generators.

    Args:
        units: The visible units.
        n_steps: Of a chain, the same for all rows.
        hidden: True hidden units of each row.
        n_visible: True visible units.
        padded: Hidden and visible units with padding.
        seeds: Of the rows.
        like: Says where draws are wanted.
        purpose: What the draws are for.
    """

    def __init__(
        self,
        units: Visible,
        n_steps: int,
        hidden: Sequence[int],
        n_visible: int | Sequence[int],
        padded: tuple[int, int],
        seeds: Sequence[int],
        like: Tensor,
        purpose: str = "chains",
    ) -> None:
        self._units, self._n_steps, self._padded = units, n_steps, padded
        visible = [n_visible] * len(seeds) if isinstance(n_visible, int) else n_visible
        self._widths = (hidden, visible)
        self._seeds, self._device, self._purpose = seeds, like.device, purpose
        self._held: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}
        self._rngs: list[tuple[torch.Generator, torch.Generator]] = []

    @property
    def n_numbers(self) -> int:
        """Numbers that the draws of one row hold for one point."""
        return self._n_steps * sum(self._padded)

    def begin(self, epochs: Sequence[int]) -> None:
        """Starts the tapes of an epoch; `epochs` counts from 0."""
        self._rngs = [
            (
                generator(seed, f"{self._purpose} hidden", epoch),
                generator(seed, f"{self._purpose} visible", epoch),
            )
            for seed, epoch in zip(self._seeds, epochs, strict=True)
        ]

    def take(self, piece: Piece) -> list[list[tuple[Tensor, Tensor]]]:
        """For each step of the next `piece` and of a chain: draws (K, B, H) and (K, B, D)."""
        n_rows, n_batch = len(self._seeds), piece.n_batch
        key = (piece.n_steps, n_batch)
        if key not in self._held:
            room = (piece.n_steps, self._n_steps, n_rows, n_batch)
            # zeros behind the true widths stay; only those are written
            self._held[key] = (
                torch.zeros(*room, self._padded[0]),
                torch.zeros(*room, self._padded[1]),
            )
        held = self._held[key]
        for k, rngs in enumerate(self._rngs):
            for place, (rng, tape) in enumerate(zip(rngs, held, strict=True)):
                width = self._widths[place][k]
                shape = (self._n_steps, n_batch, width)
                if place == 1 and self._units.is_normal:
                    drawn = normal_tape(rng, piece.n_steps, (self._n_steps * n_batch, width))
                    drawn = drawn.view(piece.n_steps, *shape)
                else:
                    drawn = uniform_tape(rng, piece.n_steps, shape)
                tape[:, :, k, :, :width] = drawn
        hidden, visible = (sent(tape, self._device) for tape in held)
        return [
            list(zip(h.unbind(0), v.unbind(0), strict=True))
            for h, v in zip(hidden.unbind(0), visible.unbind(0), strict=True)
        ]
