"""The adversarial step: K generators and K discriminators that move in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from trials.gans.losses import Fooling, Judging
from trials.gans.remedies import Bounds
from trials.stacked.optimizers import MOMENTS, Rule, Updates
from trials.stacked.workspace import Workspace


class Extent(NamedTuple):
    """How large a batch is: groups of points one after another, each padded alike.

    Attributes:
        n_groups: Real and generated points are two; batch statistics are those of a group.
        n_batch: B, points of a group with padding.
        n_points: Points of a group that count.
    """

    n_groups: int
    n_batch: int
    n_points: int

    @property
    def n_rows(self) -> int:
        """Length of the batch."""
        return self.n_groups * self.n_batch


class PlayerNetwork(Protocol):
    """K networks of one player over batches of one extent."""

    def forward(self, x: Tensor, masks: None, out: Tensor) -> Tensor:
        """Outputs for `x`, shape (K, B, inputs), in `out`, shape (K, B, outputs)."""

    def backward(self, slope: Tensor) -> None:
        """Fills the gradient for the last `forward`, from that at its outputs."""


class JudgeNetwork(PlayerNetwork, Protocol):
    """K discriminators; the generator learns from the gradient that they pass on."""

    def through(self, slope: Tensor) -> Tensor:
        """The gradient at the last `forward`'s inputs, from that at its outputs."""


@runtime_checkable
class PenalisedNetwork(Protocol):
    """K discriminators whose slopes can be penalised."""

    def penalise(self, x: Tensor, weight: Tensor) -> None:
        """Adds the gradient of sum weight * (slope at x - 1)**2 to that of the parameters.

        Args:
            x: Points, shape (K, B, inputs).
            weight: Shape (K, B), 0 where there is no point.
        """


N_co = TypeVar("N_co", bound=PlayerNetwork, covariant=True)


class Build(Protocol[N_co]):
    """Makes networks from their parameters and where the gradient goes, (K, P) each."""

    def __call__(self, parameters: Tensor, gradient: Tensor, extent: Extent, use: str) -> N_co:
        """Networks for batches of that extent; of different uses, two may be alive together."""


LEARNING, JUDGING, EVALUATION = "", "judging", "evaluation"
"""What networks are for: their parameters learn; they only pass gradients on; they are asked."""


def prefix_of(player: str, use: str) -> str:
    """Prefix of the buffers of a player's networks; learning and asked ones share theirs."""
    return player + (JUDGING if use == JUDGING else LEARNING)


class Player(Generic[N_co]):
    """K generators, or K discriminators: parameters, gradients and optimizers.

    Args:
        name: "generator" or "discriminator"; prefix of its tensors in `stack`.
        n_outputs: Outputs with padding.
        stack: Parameters and moments, (K, P) each, and the average where it is taken.
        rules: The optimizer of each row, in the order that `Updates` asks for.
        build: Makes the networks.
        bounds: What its parameters keep to.
        workspace: Where buffers come from.
    """

    def __init__(
        self,
        name: str,
        n_outputs: int,
        stack: dict[str, Tensor],
        rules: Sequence[Rule],
        build: Build[N_co],
        bounds: Bounds,
        workspace: Workspace,
    ) -> None:
        parameters = stack[f"{name}.parameters"]
        gradient = workspace.take(f"{name}.gradient", *parameters.shape)
        self.n_outputs = n_outputs
        self._parameters, self._gradient, self._bounds = parameters, gradient, bounds
        self._evaluated = stack.get(f"{name}.average", parameters)
        first, second = (stack[f"{name}.{moment}"] for moment in MOMENTS)
        self.updates = Updates(
            rules,
            parameters,
            gradient,
            first,
            second,
            workspace.take("scratch", *parameters.shape),
        )
        self._build = build
        self._networks: dict[tuple[str, Extent], N_co] = {}

    def network(self, extent: Extent, use: str = LEARNING) -> N_co:
        """The networks for batches of that extent."""
        key = (use, extent)
        if key not in self._networks:
            parameters = self._evaluated if use == EVALUATION else self._parameters
            self._networks[key] = self._build(parameters, self._gradient, extent, use)
        return self._networks[key]

    def move(self, step: int) -> None:
        """The parameters follow the gradient, within their bounds; `step` is its number."""
        self.updates.step(step)
        self._bounds.keep()


class Batch(NamedTuple):
    """What depends on the size of a batch alone.

    Attributes:
        extent: Of what the generator makes.
        judged: Of one group of what the discriminator looks at.
        weight: 1 / points for what is judged in column 0, else 0; shape (B, 16).
        pair_weight: The same for real and generated points one after another, (2 B, 16).
        targets: What the discriminator should say of the pair, (K, 2 B, 16).
    """

    extent: Extent
    judged: Extent
    weight: Tensor
    pair_weight: Tensor
    targets: Tensor

    @property
    def pair(self) -> Extent:
        """Of real and generated points one after another."""
        return self.judged._replace(n_groups=2)


class Move(NamedTuple):
    """What one step draws from the rows' own generators, and from the data.

    Attributes:
        step: Its number within the epoch, counted in the player's own steps.
        points: Real points in the first half, shape (K, 2 B, D); the second is the step's.
        latent: Inputs of the generator, shape (K, B, Z).
        haze: Instance noise, shape (K, 2 B, D), or (K, B, D) for the generator's step, or None.
        flips: 1 for points under the other label, else 0, shape (K, 2 B, 1), or None.
        mixing: Where on the way between real and generated points slopes are penalised, in
            [0, 1), shape (K, B, 1), or None.
        codes: What the further outputs of the discriminator should say, (K, B, 16), or None.
    """

    step: int
    points: Tensor
    latent: Tensor
    haze: Tensor | None = None
    flips: Tensor | None = None
    mixing: Tensor | None = None
    codes: Tensor | None = None


class Lesson(Protocol):
    """What the players learn from the discriminator's outputs after the first."""

    def teach(self, logits: Tensor, slope: Tensor, codes: Tensor, weight: Tensor) -> None:
        """Adds the gradient of the lesson's cost for generated points to `slope`.

        Args:
            logits: Outputs, shape (K, B, 16).
            slope: The gradient at them, shape (K, B, 16).
            codes: What they should say, shape (K, B, 16).
            weight: 1 / points for generated points, else 0; shape (B, 1).
        """


class View(Protocol):
    """How the discriminator looks at points."""

    def see(self, points: Tensor, name: str) -> Tensor:
        """What it is shown of `points`, shape (K, B, D): its inputs; `name` is of the buffer."""

    def feel(self, slope: Tensor) -> Tensor:
        """The gradient at the generator's outputs, (K, B, D), from that at the inputs."""


@dataclass(frozen=True)
class Game:
    """The two players and the rules of each row.

    Attributes:
        generator: Makes points of noise.
        discriminator: One logit: how sure it is that a point is real.
        judging: Neighbouring rows and what their discriminators minimise.
        fooling: Neighbouring rows and what their generators minimise.
        smoothing: One-sided label smoothing, (K, 1, 1): real points count as 1 - smoothing.
        penalty: Weight of the gradient penalty, (K, 1).
        view: How the discriminator looks at points.
        conditions: Columns of a point that the generator is told and does not make.
        lesson: What is learnt besides.
        closeness: Weight of the sum of absolute differences of generated points from the real
            ones of the step, (K, 1, 1), or None.
        n_verdicts: Logits that say how real a point is, or its parts are; losses are their sums.
        workspace: Where buffers come from.
    """

    generator: Player[PlayerNetwork]
    discriminator: Player[JudgeNetwork]
    judging: Sequence[tuple[slice, Judging]]
    fooling: Sequence[tuple[slice, Fooling]]
    smoothing: Tensor
    penalty: Tensor
    view: View
    conditions: slice
    lesson: Lesson | None
    closeness: Tensor | None
    n_verdicts: int
    workspace: Workspace

    def batch(self, extent: Extent, judged: Extent, weight: Tensor) -> Batch:
        """The constants of batches of that extent; `weight` is 1 / judged points, (B, 16)."""
        ones = weight.new_ones(1, *weight.shape)
        targets = torch.cat([ones * (1.0 - self.smoothing), 0.0 * ones * self.smoothing], 1)
        return Batch(extent, judged, weight, torch.cat([weight, weight]), targets)

    def discriminator_step(self, move: Move, batch: Batch, logits: Tensor) -> None:
        """The discriminator moves to tell real points from generated ones.

        Args:
            move: The step's draws.
            batch: Constants of this batch size.
            logits: Receives the discriminator's logits, shape (K, 2 B, 16).
        """
        points, n_batch = move.points, batch.extent.n_batch
        made = self._made(move.latent, batch.extent)
        points[:, n_batch:] = made
        points[:, n_batch:, self.conditions] = points[:, :n_batch, self.conditions]
        if move.haze is not None:
            points += move.haze
        seen = self.view.see(points, "seen")
        network = self.discriminator.network(batch.pair)
        network.forward(seen, None, logits)
        targets = batch.targets
        if move.flips is not None:
            # from t to (1 - smoothing) - t
            targets = targets + move.flips * ((1.0 - self.smoothing) - 2.0 * targets)
        slope = self.workspace.take("slope", *logits.shape)
        for rows, judging in self.judging:
            judging.slope(logits[rows], targets[rows], slope[rows])
        slope.mul_(batch.pair_weight)
        if self.lesson is not None and move.codes is not None:
            fakes = slice(logits.shape[1] // 2, None)
            weight = batch.weight[:, :1]
            self.lesson.teach(logits[:, fakes], slope[:, fakes], move.codes, weight)
        network.backward(slope)
        if move.mixing is not None:
            self._penalise(seen, move.mixing, batch)
        self.discriminator.move(move.step)

    def _penalise(self, seen: Tensor, mixing: Tensor, batch: Batch) -> None:
        """Adds the gradient penalty's part between what was seen of real and of generated points.

        Source: Gulrajani et al., NeurIPS (2017).
        """
        n_batch = batch.judged.n_batch
        real, made = seen[:, :n_batch], seen[:, n_batch:]
        between = torch.lerp(made, real, mixing[:, :n_batch])
        weight = self.penalty * batch.weight[:, 0]
        network = self.discriminator.network(batch.judged)
        assert isinstance(network, PenalisedNetwork)
        network.penalise(between, weight)

    def generator_step(self, move: Move, batch: Batch, logits: Tensor) -> None:
        """The generator moves so that the discriminator takes its points for real ones.

        Args:
            move: The step's draws.
            batch: Constants of this batch size.
            logits: Receives the discriminator's logits, shape (K, B, 16).
        """
        n_batch = batch.extent.n_batch
        made = self._made(move.latent, batch.extent)
        made[:, :, self.conditions] = move.points[:, :n_batch, self.conditions]
        if move.haze is not None:
            made += move.haze
        network = self.discriminator.network(batch.judged, JUDGING)
        network.forward(self.view.see(made, "seen"), None, logits)
        slope = self.workspace.take("slope", *logits.shape)
        for rows, fooling in self.fooling:
            fooling.slope(logits[rows], slope[rows])
        slope.mul_(batch.weight)
        if self.lesson is not None and move.codes is not None:
            self.lesson.teach(logits, slope, move.codes, batch.weight[:, :1])
        below = self.view.feel(network.through(slope))
        if self.closeness is not None:
            away = (made - move.points[:, :n_batch]).sign_()
            below = below + away * (self.closeness * batch.weight[:, :1])
        below[:, :, self.conditions] = 0.0
        self.generator.network(batch.extent).backward(below)
        self.generator.move(move.step)

    def _made(self, latent: Tensor, extent: Extent) -> Tensor:
        made = self.workspace.take("made", *latent.shape[:2], self.generator.n_outputs)
        return self.generator.network(extent).forward(latent, None, made)

    def discriminator_losses(self, logits: Tensor, n_points: int) -> Tensor:
        """Loss per point pair from logits (steps, K, 2 B, 16), shape (steps, K, points).

        Against the labels as they are, and without penalties.
        """
        # over whole lanes: the scalar end of a vector loop rounds otherwise than its body
        targets = torch.zeros_like(logits[0])
        n_batch = logits.shape[2] // 2
        targets[:, :n_batch] = 1.0 - self.smoothing
        costs = torch.cat([j.cost(logits[:, k], targets[k]) for k, j in self.judging], 1)
        real, made = (slice(start, start + n_points) for start in (0, n_batch))
        costs = costs[..., : self.n_verdicts].sum(3) if self.n_verdicts > 1 else costs[..., 0]
        return costs[:, :, real] + costs[:, :, made]

    def generator_losses(self, logits: Tensor, n_points: int) -> Tensor:
        """Loss per generated point from logits (steps, K, B, 16), shape (steps, K, points)."""
        costs = torch.cat([fooling.cost(logits[:, k]) for k, fooling in self.fooling], 1)
        costs = costs[..., : self.n_verdicts].sum(3) if self.n_verdicts > 1 else costs[..., 0]
        return costs[:, :, :n_points]

    def beyond_middle(self, logits: Tensor, n_points: int) -> Tensor:
        """Logits (steps, K, 2 B, 16) less that at which the discriminator cannot tell."""
        n_batch = logits.shape[2] // 2
        moved = logits.clone()
        for rows, judging in self.judging:
            if judging.is_relative:
                real, made = (
                    moved[:, rows, start : start + n_points, :1].sum(2, keepdim=True)
                    for start in (0, n_batch)
                )
                moved[:, rows] -= (real + made) / (2 * n_points)
            elif judging.middle:
                moved[:, rows] -= judging.middle
        return moved
