"""What normalises the layers of stacked players: the batch, a fixed batch, or the weights' norm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from trials.gans.adversarial import Extent
from trials.stacked.layout import Layout, Part
from trials.stacked.normalization import EPSILON, MOMENTUM

N_REFERENCE = 64
"""Points of the batch that virtual batch normalisation refers to."""


def running_parts(widths: Mapping[str, int]) -> Layout:
    """Running mean and variance for evaluation, as in torch.nn; name of a norm -> its units."""
    parts = []
    for name, width in widths.items():
        parts.append(Part(f"{name}.running_mean", (width,), start=0.0))
        parts.append(Part(f"{name}.running_var", (width,), start=1.0))
    return Layout(tuple(parts))


def direction_parts(widths: Mapping[str, int]) -> Layout:
    """The estimate of each weight's first left singular vector; name of a layer -> its outputs."""
    return Layout(tuple(Part(f"{name}.u", (width,)) for name, width in widths.items()))


class Pass(Protocol):
    """One pass through the layers."""

    def beginning(self, x: Tensor) -> Tensor:
        """What goes into the first layer for inputs `x`, (K, B, D)."""

    def ending(self, outputs: Tensor) -> Tensor:
        """What belongs to the inputs, (K, B, C), of what comes out of the last layer."""

    def weight(self, name: str, weight: Tensor) -> Tensor:
        """The weight that the layer of that name works with, (K, inputs, outputs)."""

    def normalised(self, name: str, sums: Tensor, n_places: int = 1) -> Tensor:
        """The sums into a layer's units, normalised.

        Args:
            name: Of the normalisation.
            sums: Shape (K, B * n_places, H): the places of a point follow each other.
            n_places: Pixels of a map, which share its mean and variance.
        """


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

    def normalised(self, name: str, sums: Tensor, n_places: int = 1) -> Tensor:
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

    def normalised(self, name: str, sums: Tensor, n_places: int = 1) -> Tensor:
        mean, var = (self.running[f"{name}.running_{kind}"] for kind in ("mean", "var"))
        return (sums - mean.unsqueeze(1)) * torch.rsqrt(var + EPSILON).unsqueeze(1)


@dataclass(frozen=True)
class _BatchPass(Plain):
    """Training by the figures of the batch."""

    running: Mapping[str, Tensor]
    extent: Extent

    def normalised(self, name: str, sums: Tensor, n_places: int = 1) -> Tensor:
        n_groups, n_batch, n = self.extent.n_groups, *(n_places * n for n in self.extent[1:])
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
        return (centred * torch.rsqrt(var + EPSILON)).reshape(sums.shape)


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

    def normalised(self, name: str, sums: Tensor, n_places: int = 1) -> Tensor:
        """Both, by the figures of the fixed batch and, for inputs, themselves."""
        n = self.reference.shape[1]
        fixed, own = sums[:, : n * n_places], sums[:, n * n_places :]
        mean = fixed.mean(1, keepdim=True)
        var = (fixed - mean).square().mean(1, keepdim=True)
        points = own.reshape(len(own), -1, n_places, own.shape[2])
        share = 1.0 / (n + 1)
        middle = points.mean(2, keepdim=True)
        away = middle - mean.unsqueeze(2)
        own_var = (points - middle).square().mean(2, keepdim=True)
        both_var = (1.0 - share) * (var.unsqueeze(2) + share * away.square()) + share * own_var
        points = (points - middle + (1.0 - share) * away) * torch.rsqrt(both_var + EPSILON)
        return torch.cat([(fixed - mean) * torch.rsqrt(var + EPSILON), points.flatten(1, 2)], 1)


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
        # sums, since a product of a matrix and a vector rounds otherwise for a row that is alone
        with torch.no_grad():
            right = functional.normalize((weight * kept.unsqueeze(1)).sum(2), dim=1).unsqueeze(2)
            left = kept.clone()  # all names share memory, which changes while autograd needs it
            if self.iterates:
                left = functional.normalize((weight * right).sum(1), dim=1)
                kept.copy_(left)
        largest = (weight * (right * left.unsqueeze(1))).sum((1, 2), keepdim=True)
        return weight / largest
