"""What normalises the layers of stacked players: the batch, a fixed batch, or the weights' norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from trials.gans.adversarial import Extent
from trials.stacked.layout import Layout, Part

EPSILON = 1e-5
"""Added to variances, as torch.nn does."""

MOMENTUM = 0.1
"""What the newest batch counts for in the running figures, as in torch.nn."""

N_REFERENCE = 64
"""Points of the batch that virtual batch normalisation refers to."""


def running_parts(widths: Sequence[int]) -> Layout:
    """Running mean and variance of each hidden layer, for evaluation; named as in torch.nn."""
    parts = []
    for layer, width in enumerate(widths[1:-1]):
        parts.append(Part(f"{3 * layer + 1}.running_mean", (width,), start=0.0))
        parts.append(Part(f"{3 * layer + 1}.running_var", (width,), start=1.0))
    return Layout(tuple(parts))


def direction_parts(widths: Sequence[int]) -> Layout:
    """The estimate of each weight's first left singular vector."""
    return Layout(tuple(Part(f"{2 * i}.u", (width,)) for i, width in enumerate(widths[1:])))


class Pass(Protocol):
    """One pass through the layers."""

    def beginning(self, x: Tensor) -> Tensor:
        """What goes into the first layer for inputs `x`, (K, B, D)."""

    def ending(self, outputs: Tensor) -> Tensor:
        """What belongs to the inputs, (K, B, C), of what comes out of the last layer."""

    def weight(self, name: str, weight: Tensor) -> Tensor:
        """The weight that the layer of that name works with, (K, inputs, outputs)."""

    def normalised(self, name: str, sums: Tensor) -> Tensor:
        """The sums into a layer's units, normalised; `name` is that of the normalisation."""


class Norm(Protocol):
    """A way to normalise all passes of one player."""

    @property
    def is_layer(self) -> bool:
        """Whether it is a layer of its own, with scale and shift."""

    def over(self, extent: Extent, *, is_training: bool, remembers: bool) -> Pass:
        """A pass over batches of that extent; `remembers` what the next passes go on from."""


class Plain:
    """No normalisation, and what the others have in common."""

    is_layer = False

    def over(self, extent: Extent, *, is_training: bool, remembers: bool) -> Pass:
        """A pass."""
        return self

    def beginning(self, x: Tensor) -> Tensor:
        """`x`."""
        return x

    def ending(self, outputs: Tensor) -> Tensor:
        """`outputs`."""
        return outputs

    def weight(self, name: str, weight: Tensor) -> Tensor:
        """`weight`."""
        return weight

    def normalised(self, name: str, sums: Tensor) -> Tensor:
        """`sums`."""
        return sums


@dataclass(frozen=True)
class Batch(Plain):
    """Batch normalisation: each group of points has its own mean and variance.

    Attributes:
        running: Mean and variance for evaluation by name, (K, H) each; empty for a player that
            is never evaluated.

    Source: Ioffe and Szegedy, ICML (2015).
    """

    running: Mapping[str, Tensor]
    is_layer = True

    def over(self, extent: Extent, *, is_training: bool, remembers: bool) -> Pass:
        """A pass."""
        if not is_training:
            return _Running(self.running)
        return _BatchPass(self.running if remembers else {}, extent)


@dataclass(frozen=True)
class _Running(Plain):
    """Evaluation by running figures."""

    running: Mapping[str, Tensor]

    def normalised(self, name: str, sums: Tensor) -> Tensor:
        mean, var = (self.running[f"{name}.running_{kind}"] for kind in ("mean", "var"))
        return (sums - mean.unsqueeze(1)) * torch.rsqrt(var + EPSILON).unsqueeze(1)


@dataclass(frozen=True)
class _BatchPass(Plain):
    """Training by the figures of the batch."""

    running: Mapping[str, Tensor]
    extent: Extent

    def normalised(self, name: str, sums: Tensor) -> Tensor:
        n_groups, n_batch, n = self.extent
        groups = sums.view(len(sums), n_groups, n_batch, -1)
        weight = groups.new_zeros(n_batch, 1)
        weight[:n] = 1.0 / n
        mean = (groups * weight).sum(2, keepdim=True)
        centred = groups - mean
        var = (centred.square() * weight).sum(2, keepdim=True)
        if self.running:
            unbiased = var.detach() * (n / max(n - 1, 1))
            for kind, figure in (("mean", mean.detach()), ("var", unbiased)):
                kept = self.running[f"{name}.running_{kind}"]
                kept.mul_(1.0 - MOMENTUM).add_(figure[:, 0, 0], alpha=MOMENTUM)
        return (centred * torch.rsqrt(var + EPSILON)).view_as(sums)


@dataclass(frozen=True)
class Virtual(Plain):
    """Virtual batch normalisation: each point beside a batch that stays the same.

    A point's mean and variance are those of the fixed batch with the point added, so that points
    of one batch do not depend on each other.

    Attributes:
        reference: The fixed inputs of each row, (K, R, D).

    Source: Salimans et al., NeurIPS (2016).
    """

    reference: Tensor
    is_layer = True

    def beginning(self, x: Tensor) -> Tensor:
        """The fixed batch and `x`, one after the other."""
        return torch.cat([self.reference, x], 1)

    def ending(self, outputs: Tensor) -> Tensor:
        """The outputs for the inputs alone."""
        return outputs[:, self.reference.shape[1] :]

    def normalised(self, name: str, sums: Tensor) -> Tensor:
        """Both, by the figures of the fixed batch and, for inputs, themselves."""
        n = self.reference.shape[1]
        fixed, own = sums[:, :n], sums[:, n:]
        mean = fixed.mean(1, keepdim=True)
        var = (fixed - mean).square().mean(1, keepdim=True)
        away, share = own - mean, 1.0 / (n + 1)
        own_var = (1.0 - share) * var + share * (1.0 - share) * away.square()
        own = (1.0 - share) * away * torch.rsqrt(own_var + EPSILON)
        return torch.cat([(fixed - mean) * torch.rsqrt(var + EPSILON), own], 1)


@dataclass(frozen=True)
class Spectral(Plain):
    """Weights divided by their largest singular value, estimated by one power iteration a pass.

    Attributes:
        directions: First left singular vectors by name, (K, outputs) each, kept up to date.

    Source: Miyato et al., ICLR (2018).
    """

    directions: Mapping[str, Tensor]

    def over(self, extent: Extent, *, is_training: bool, remembers: bool) -> Pass:
        """A pass."""
        return _SpectralPass(self.directions, is_training and remembers)


@dataclass(frozen=True)
class _SpectralPass(Plain):
    directions: Mapping[str, Tensor]
    iterates: bool

    def weight(self, name: str, weight: Tensor) -> Tensor:
        kept = self.directions[f"{name}.u"]
        with torch.no_grad():
            right = functional.normalize(torch.bmm(weight, kept.unsqueeze(2)), dim=1)
            left = kept.clone()  # all names share memory, which changes while autograd needs it
            if self.iterates:
                left = torch.bmm(right.transpose(1, 2), weight).squeeze(1)
                kept.copy_(left := functional.normalize(left, dim=1))
        largest = torch.bmm(torch.bmm(right.transpose(1, 2), weight), left.unsqueeze(2))
        return weight / largest
