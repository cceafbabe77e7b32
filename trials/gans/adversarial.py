"""The adversarial step: K generators and K discriminators that move in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from trials.stacked.optimizers import Rule, Updates
from trials.stacked.workspace import Workspace


class PlayerNetwork(Protocol):
    """K networks of one player over batches of one size."""

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs), in `out`, shape (K, B, outputs)."""

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for the last `forward`, from that at its outputs."""


class JudgeNetwork(PlayerNetwork, Protocol):
    """K discriminators; the generator learns from the gradient that they pass on."""

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the last `forward`'s inputs, from that at its outputs."""


N_co = TypeVar("N_co", bound=PlayerNetwork, covariant=True)


class Build(Protocol[N_co]):
    """Makes networks from their parameters and where the gradient goes, (K, P) each."""

    def __call__(self, parameters: Tensor, gradient: Tensor, n_batch: int, name: str) -> N_co:
        """Networks for batches of that size; `name` is a prefix for their buffers."""


class Player(Generic[N_co]):
    """K generators, or K discriminators: parameters, gradients and optimizers.

    Args:
        name: "generator" or "discriminator"; prefix of its tensors in `stack`.
        n_outputs: Outputs with padding.
        stack: Parameters and moments, (K, P) each.
        rules: The optimizer of each row, in the order that `Updates` asks for.
        build: Makes the networks.
        workspace: Where buffers come from.
    """

    def __init__(
        self,
        name: str,
        n_outputs: int,
        stack: dict[str, Tensor],
        rules: Sequence[Rule],
        build: Build[N_co],
        workspace: Workspace,
    ) -> None:
        parameters = stack[f"{name}.parameters"]
        gradient = workspace.take(f"{name}.gradient", *parameters.shape)
        self.n_outputs = n_outputs
        self._parameters, self._gradient = parameters, gradient
        self.updates = Updates(
            rules,
            parameters,
            gradient,
            stack[f"{name}.first_moment"],
            stack[f"{name}.second_moment"],
            workspace.take("scratch", *parameters.shape),
        )
        self._name, self._build = name, build
        self._networks: dict[tuple[str, int], N_co] = {}

    def network(self, n_batch: int, use: str = "") -> N_co:
        """The networks for batches of that size; two uses may be alive together."""
        key = (use, n_batch)
        if key not in self._networks:
            name = f"{self._name}{use}"
            self._networks[key] = self._build(self._parameters, self._gradient, n_batch, name)
        return self._networks[key]

    def outputs(self, x: Tensor, out: Tensor, use: str = "") -> Tensor:
        """What the player makes of `x`, shape (K, B, inputs), in `out`."""
        return self.network(x.shape[1], use).forward(x, None, out)


class Batch(NamedTuple):
    """What depends on the size of a batch alone.

    Attributes:
        weight: 1 / points for real points in column 0, else 0; shape (B, 16).
        pair_weight: The same for real and generated points one after another, (2 B, 16).
        targets: What the discriminator should say of the pair, (K, 2 B, 16).
    """

    weight: Tensor
    pair_weight: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Game:
    """The two players and the rules of each row.

    Attributes:
        generator: Makes points of noise.
        discriminator: One logit: how sure it is that a point is real.
        smoothing: One-sided label smoothing, (K, 1, 1): real points count as 1 - smoothing.
        is_saturating: 1 for rows with the minimax loss, 0 for the non-saturating, (K, 1, 1).
        workspace: Where buffers come from.

    Source: Goodfellow et al., NeurIPS (2014); smoothing: Salimans et al., NeurIPS (2016).
    """

    generator: Player[PlayerNetwork]
    discriminator: Player[JudgeNetwork]
    smoothing: Tensor
    is_saturating: Tensor
    workspace: Workspace

    def batch(self, weight: Tensor) -> Batch:
        """The constants of batches with that `weight`, shape (B, 16)."""
        ones = weight.new_ones(1, *weight.shape)
        targets = torch.cat([ones * (1.0 - self.smoothing), 0.0 * ones * self.smoothing], 1)
        return Batch(weight, torch.cat([weight, weight]), targets)

    def discriminator_step(
        self, index: int, pair: Tensor, noise: Tensor, batch: Batch, logits: Tensor
    ) -> None:
        """The discriminator moves to tell real points from generated ones.

        Minimises mean softplus(-s) over real points (smoothed: softplus(s) - target * s) plus
        mean softplus(s) over generated ones, for logits s.

        Args:
            index: The step within the epoch.
            pair: Real points in the first half, shape (K, 2 B, D); the second is filled here.
            noise: Latent points, shape (K, B, Z).
            batch: Constants of this batch size.
            logits: Receives the discriminator's logits, shape (K, 2 B, 16).
        """
        n_batch = noise.shape[1]
        made = self.workspace.take("made", pair.shape[0], n_batch, pair.shape[2])
        pair[:, n_batch:] = self.generator.outputs(noise, made)
        player = self.discriminator
        player.outputs(pair, logits)
        slope = self.workspace.take("slope", *logits.shape)
        torch.sigmoid(logits, out=slope).sub_(batch.targets).mul_(batch.pair_weight)
        player.network(pair.shape[1]).backward(slope)
        player.updates.step(index)

    def generator_step(self, index: int, noise: Tensor, batch: Batch, logits: Tensor) -> None:
        """The generator moves so that the discriminator takes its points for real ones.

        Minimises mean log(1 - sigmoid(s)) = mean -softplus(s) (minimax), or
        mean -log sigmoid(s) = mean softplus(-s) (non-saturating).

        Args:
            index: The step, counted in the generator's own steps within the epoch.
            noise: Latent points, shape (K, B, Z).
            batch: Constants of this batch size.
            logits: Receives the discriminator's logits, shape (K, B, 16).
        """
        player, judge = self.generator, self.discriminator
        made = self.workspace.take("made", *noise.shape[:2], player.n_outputs)
        player.outputs(noise, made)
        judge.outputs(made, logits, "judging")
        slope = self.workspace.take("slope", *logits.shape)
        torch.sigmoid(logits, out=slope)
        # -sigmoid(s) for minimax, sigmoid(s) - 1 for non-saturating
        slope.mul_(1.0 - 2.0 * self.is_saturating).sub_(1.0 - self.is_saturating)
        slope.mul_(batch.weight)
        slope = judge.network(noise.shape[1], "judging").through(slope)
        player.network(noise.shape[1]).backward(slope)
        player.updates.step(index)

    def discriminator_losses(self, logits: Tensor, n_points: int) -> Tensor:
        """Loss per point pair from logits (steps, K, 2 B, 16), shape (steps, K, points)."""
        n_batch = logits.shape[2] // 2
        # over whole lanes: the scalar end of a vector loop rounds otherwise than its body
        costs = functional.softplus(logits)
        real, made = (slice(start, start + n_points) for start in (0, n_batch))
        targets = (1.0 - self.smoothing).squeeze(2)
        likely = costs[:, :, real, 0] - targets * logits[:, :, real, 0]
        return likely + costs[:, :, made, 0]

    def generator_losses(self, logits: Tensor, n_points: int) -> Tensor:
        """Loss per generated point from logits (steps, K, B, 16), shape (steps, K, points)."""
        costs = functional.softplus(logits)[:, :, :n_points, 0]
        is_saturating = self.is_saturating.squeeze(2)
        away = (costs - logits[:, :, :n_points, 0]) * (1.0 - is_saturating)
        return away - costs * is_saturating
