"""Rows of GANs: how they are made, stored and stacked, and the epoch of a stacked cohort."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from search_spaces import Categorical, Float, Int
from search_spaces.parameters import Axis
from trials.contract import Row, RowState
from trials.gans.accuracy import accuracies
from trials.gans.adversarial import Batch, Build, Game, JudgeNetwork, Player, PlayerNetwork
from trials.gans.quality import N_SAMPLES
from trials.gans.real import Real
from trials.stacked.batches import Order, Piece, pieces
from trials.stacked.cohort import Vectors, by_row, fitted
from trials.stacked.drawing import draw
from trials.stacked.layout import LANES, Layout
from trials.stacked.noise import generator, normal_tape
from trials.stacked.optimizers import Rule
from trials.stacked.settings import settings_of
from trials.stacked.workspace import Workspace

PLAYERS = ("generator", "discriminator")
_INITIALIZER = "xavier_uniform"


@dataclass(frozen=True)
class GameSettings:
    """The axes of every GAN; those a trial does not name have these values.

    `learning_rate` is the generator's; the discriminator's is `discriminator_ratio` times it.
    """

    learning_rate: float = 1e-3
    discriminator_ratio: float = 1.0
    beta1: float = 0.5
    beta2: float = 0.999
    layers: int = 2
    latent: int = 8
    batch_size: int = 64
    activation: str = "leaky_relu"
    loss: str = "non_saturating"
    discriminator_steps: int = 1
    label_smoothing: float = 0.0

    def rule(self, player: str) -> Rule:
        """The optimizer of a player."""
        ratio = self.discriminator_ratio if player == "discriminator" else 1.0
        return Rule("adam", self.learning_rate * ratio, beta1=self.beta1, beta2=self.beta2)


GAME_AXES: dict[str, Axis] = {
    "learning_rate": Float(1e-12, 1e3),
    "discriminator_ratio": Float(1e-6, 1e6),
    "beta1": Float(0.0, 0.999999),
    "beta2": Float(0.0, 0.999999),
    "latent": Int(1, 4096),
    "batch_size": Int(1, 2**20),
    "loss": Categorical(("minimax", "non_saturating")),
    "discriminator_steps": Int(1, 100),
    "label_smoothing": Float(0.0, 0.999),
}
"""What may be asked of every GAN, far beyond what is worth trying."""


@dataclass(frozen=True)
class Shape:
    """The structure of a GAN.

    Attributes:
        layers: Inner layers of each player.
        width: Of the layers, with padding.
        latent: Latent features with padding.
        batch_size: Real points per step of the discriminator.
        discriminator_steps: Its steps for one of the generator.
    """

    layers: int
    width: int
    latent: int
    batch_size: int
    discriminator_steps: int


class GameFamily(ABC):
    """GANs of one `Shape` on one dataset; a `cohort.Family`.

    Attributes:
        kind: The dataclass of the settings.
        width_axis: The axis of which `Shape.width` is the bucket.
    """

    kind: ClassVar[type[GameSettings]]
    width_axis: ClassVar[str]

    def __init__(self, real: Real, shape: Shape) -> None:
        self.real = real
        self.shape = shape
        self.layouts = self.padded_layouts()
        self.workspace = Workspace(real.device, real.dtype)

    @abstractmethod
    def padded_layouts(self) -> Mapping[str, Layout]:
        """Player -> how its tensors are stacked."""

    @abstractmethod
    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""

    @abstractmethod
    def generators(self, rows: Sequence[Row], like: Tensor) -> Build[PlayerNetwork]:
        """What makes the stacked generators of `rows`; `like` says where and how precise."""

    @abstractmethod
    def discriminators(self, rows: Sequence[Row], like: Tensor) -> Build[JudgeNetwork]:
        """What makes the stacked discriminators of `rows`."""

    def settings(self, row: Row) -> GameSettings:
        """The row's settings."""
        return settings_of(self.kind, row.params)

    @property
    def mode(self) -> Callable[[], AbstractContextManager[Any]]:
        """The context in which rows train."""
        return torch.inference_mode

    def block(self, row: Row) -> Hashable:
        """All rows of one shape are stacked."""
        return self.shape

    def label(self, row: Row) -> str:
        """What separates the rows from those of other shapes."""
        return (
            f"batch_size={self.shape.batch_size} {self.width_axis}<={self.shape.width} "
            f"latent<={self.shape.latent} discriminator_steps={self.shape.discriminator_steps}"
        )

    def begin(self, row: Row) -> Vectors:
        """The padded vectors of a row that starts anew."""
        vectors = {}
        for player in PLAYERS:
            true, rng = self.true_layout(row, player), generator(row.seed, f"{player} weights")
            tensors = draw(true, _INITIALIZER, rng, self.real.dtype)
            parameters = self.layouts[player].pack(tensors, true).to(self.real.device)
            vectors[f"{player}.parameters"] = parameters
            for moment in ("first_moment", "second_moment"):
                vectors[f"{player}.{moment}"] = torch.zeros_like(parameters)
        return vectors

    def tensors(self, row: Row, state: RowState, player: str, kind: str) -> dict[str, Tensor]:
        """The named tensors of a state; ValueError when they do not fit the row."""
        shapes = self.true_layout(row, player).shapes
        like = torch.empty(0, device="cpu", dtype=self.real.dtype)
        return fitted(row, state, f"{player}.{kind}", shapes, like)

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The padded vectors of a saved row; ValueError when the state does not fit it."""
        vectors = {}
        for player in PLAYERS:
            true = self.true_layout(row, player)
            for kind in ("parameters", "first_moment", "second_moment"):
                tensors = self.tensors(row, state, player, kind)
                packed = self.layouts[player].pack(tensors, true)
                vectors[f"{player}.{kind}"] = packed.to(self.real.device)
        return vectors

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Unpadded contiguous copies on the CPU."""
        state: RowState = {}
        for name, vector in vectors.items():
            player = name.split(".")[0]
            parts = self.layouts[player].unpack(vector, self.true_layout(row, player))
            state |= {f"{name}.{part}": tensor for part, tensor in parts.items()}
        return state

    def rank(self, row: Row) -> tuple[Any, ...]:
        """Activations come next to their like."""
        return (self.settings(row).activation,)

    def training(self, rows: Sequence[Row], stack: Vectors) -> GameTraining:
        """Training of `rows`, in place on `stack`."""
        return GameTraining(self, rows, stack)


class GameTraining:
    """Rows of one cohort in a fixed order, ready to train."""

    def __init__(self, family: GameFamily, rows: Sequence[Row], stack: Vectors) -> None:
        self._family, self._rows, self._real = family, rows, family.real
        self._settings = settings = [family.settings(row) for row in rows]
        self._take = family.workspace.take
        some = stack["generator.parameters"]
        workspace = family.workspace
        self._game = Game(
            Player(
                "generator",
                family.real.width,
                stack,
                [s.rule("generator") for s in settings],
                family.generators(rows, some),
                workspace,
            ),
            Player(
                "discriminator",
                LANES,
                stack,
                [s.rule("discriminator") for s in settings],
                family.discriminators(rows, some),
                workspace,
            ),
            smoothing=_column([s.label_smoothing for s in settings], some),
            is_saturating=_column([float(s.loss == "minimax") for s in settings], some),
            workspace=family.workspace,
        )
        self._batches: dict[int, Batch] = {}

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """One pass of every discriminator over the training points; measures the samples."""
        shape, game, real = self._family.shape, self._game, self._real
        n_rows, seeds = len(self._rows), [row.seed for row in self._rows]
        batch_size = min(shape.batch_size, real.n_points)
        n_steps = -(-real.n_points // batch_size)
        n_moves = -(-n_steps // shape.discriminator_steps)
        ones = [1.0] * n_rows
        game.discriminator.updates.begin(ones, [e * n_steps for e in epochs], n_steps)
        game.generator.updates.begin(ones, [e * n_moves for e in epochs], n_moves)
        order = Order(seeds, epochs, real.n_points)
        tapes = {
            player: [
                generator(seed, f"{player} latent", epoch)
                for seed, epoch in zip(seeds, epochs, strict=True)
            ]
            for player in PLAYERS
        }
        numbers = n_rows * 2 * (real.width + shape.latent + 2 * LANES)
        seen: defaultdict[str, list[Tensor]] = defaultdict(list)
        move = 0
        for piece in pieces(real.n_points, batch_size, numbers):
            pairs, batch = self._pairs(order, piece), self._batch(piece)
            turns = [self._is_turn(piece.first + step, n_steps) for step in range(piece.n_steps)]
            noise = self._noise(tapes["discriminator"], piece.n_steps, piece.n_batch)
            answers = self._noise(tapes["generator"], sum(turns), piece.n_batch).unbind(0)
            logits = self._take("logits", *pairs.shape[:3], LANES)
            judged = self._take("judged", len(answers), n_rows, piece.n_batch, LANES)
            n_answered = 0
            for step in range(piece.n_steps):
                index = piece.first + step
                game.discriminator_step(index, pairs[step], noise[step], batch, logits[step])
                if turns[step]:
                    game.generator_step(move, answers[n_answered], batch, judged[n_answered])
                    n_answered, move = n_answered + 1, move + 1
            values = accuracies(logits, piece.n_points)
            values["discriminator_loss"] = game.discriminator_losses(logits, piece.n_points)
            values["generator_loss"] = game.generator_losses(judged, piece.n_points)
            for name, value in values.items():
                seen[name].append(_per_row(value))
        figures = real.validation.watched(self.samples())
        figures |= {name: torch.cat(parts, 1).double().mean(1) for name, parts in seen.items()}
        return by_row(figures)

    def _is_turn(self, step: int, n_steps: int) -> bool:
        """Whether the generator moves after that step: after every k-th, and after the last."""
        return (step + 1) % self._family.shape.discriminator_steps == 0 or step + 1 == n_steps

    def _pairs(self, order: Order, piece: Piece) -> Tensor:
        """Real points of each step in the first half of (steps, K, 2 B, D)."""
        chosen = order.take(piece).to(self._real.device)
        n_steps, n_rows, n_batch = chosen.shape
        pairs = self._take("pairs", n_steps, n_rows, 2 * n_batch, self._real.width)
        points = self._real.points.index_select(0, chosen.flatten())
        pairs[:, :, :n_batch] = points.view(n_steps, n_rows, n_batch, -1)
        return pairs

    def _batch(self, piece: Piece) -> Batch:
        """The constants of the piece's batch size."""
        if piece.n_points not in self._batches:
            weight = piece.weight(LANES, 1, self._real.points)
            self._batches[piece.n_points] = self._game.batch(weight)
        return self._batches[piece.n_points]

    def _noise(self, tapes: Sequence[torch.Generator], n_steps: int, n_batch: int) -> Tensor:
        """Latent points from each row's own generator, shape (steps, K, B, Z)."""
        noise = torch.zeros(n_steps, len(tapes), n_batch, self._family.shape.latent)
        for k, (tape, settings) in enumerate(zip(tapes, self._settings, strict=True)):
            noise[:, k, :, : settings.latent] = normal_tape(
                tape, n_steps, (n_batch, settings.latent)
            )
        return noise.to(device=self._real.device, dtype=self._real.dtype)

    def samples(self) -> Tensor:
        """Points that each row makes of its fixed latent batch, in data units, (K, N, D)."""
        tapes = [generator(row.seed, "evaluation latent") for row in self._rows]
        noise = self._noise(tapes, 1, N_SAMPLES)[0]
        made = self._take("made", len(self._rows), N_SAMPLES, self._real.width)
        self._game.generator.outputs(noise, made)
        return made[:, :, : self._real.n_features] * self._real.scale + self._real.shift


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    """One number per row, shape (K, 1, 1)."""
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 1).to(like)


def _per_row(values: Tensor) -> Tensor:
    """Values (steps, K, points) with the row first, shape (K, steps * points)."""
    return values.transpose(0, 1).flatten(1)
