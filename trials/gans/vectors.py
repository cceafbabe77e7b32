"""The GAN on vectors as a trainer: its axes and defaults, and the epoch of a stacked cohort."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from search_spaces import Categorical, Float, Int, Space
from search_spaces.gans import VECTOR_GAN as SPACE
from trials.contract import Objective, Row, RowState
from trials.data import DataError, Dataset, Part
from trials.data.scaling import fit_scaling
from trials.gans.adversarial import Batch, Game, Player
from trials.gans.quality import N_SAMPLES, Quality
from trials.stacked.activations import ACTIVATIONS, spans
from trials.stacked.batches import Order, Piece, pieces, table
from trials.stacked.cohort import StackedCohort, Vectors, by_row, fitted
from trials.stacked.dropout import padding_masks
from trials.stacked.initializers import draw_perceptron
from trials.stacked.layout import LANES, Layout, whole_lanes, width_bucket
from trials.stacked.noise import generator, normal_tape
from trials.stacked.optimizers import Rule
from trials.stacked.settings import settings_of
from trials.stacked.workspace import Workspace

_PLAYERS = ("generator", "discriminator")
_INITIALIZER = "xavier_uniform"


@dataclass(frozen=True)
class Settings:
    """The axes of a GAN; those a trial does not name have these values.

    `learning_rate` is the generator's; the discriminator's is `discriminator_ratio` times it.
    """

    learning_rate: float = 1e-3
    discriminator_ratio: float = 1.0
    beta1: float = 0.5
    beta2: float = 0.999
    units: int = 64
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


DOMAIN = Space(
    learning_rate=Float(1e-12, 1e3),
    discriminator_ratio=Float(1e-6, 1e6),
    beta1=Float(0.0, 0.999999),
    beta2=Float(0.0, 0.999999),
    units=Int(1, 16384),
    layers=Int(1, 64),
    latent=Int(1, 4096),
    batch_size=Int(1, 2**20),
    activation=Categorical(tuple(ACTIVATIONS)),
    loss=Categorical(("minimax", "non_saturating")),
    discriminator_steps=Int(1, 100),
    label_smoothing=Float(0.0, 0.999),
)
"""What may be asked for, far beyond what is worth trying."""


@dataclass(frozen=True)
class Shape:
    """The structure of a GAN.

    Attributes:
        layers: Hidden layers of each player.
        width: Units of each hidden layer with padding.
        latent: Latent features with padding.
        batch_size: Real points per step of the discriminator.
        discriminator_steps: Its steps for one of the generator.
    """

    layers: int
    width: int
    latent: int
    batch_size: int
    discriminator_steps: int


class VectorGAN:
    """Generative adversarial network on vectors and points in the plane."""

    name: ClassVar[str] = "gan"
    default_epochs: ClassVar[int] = 50
    default_value: ClassVar[Literal["last", "best"]] = "best"
    default_data: ClassVar[str] = "ring"

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._real = _Real(data, torch.device(device), dtype)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What may be optimised on this data; the first is the default."""
        distance = Objective("sample_distance", "minimize", "data units")
        if self._real.modes is None:
            return (distance,)
        return (distance, Objective("high_quality", "maximize"), Objective("modes", "maximize"))

    @property
    def space(self) -> Space:
        """The ready space."""
        return SPACE

    @property
    def domain(self) -> Space:
        """Every axis of `Settings` with all its values."""
        return DOMAIN

    def structure(self, params: Mapping[str, Any]) -> Shape:
        """Trials of equal depth, buckets, batch size and discriminator steps share a cohort."""
        settings = settings_of(Settings, params)
        return Shape(
            settings.layers,
            width_bucket(settings.units),
            width_bucket(settings.latent, 4),
            settings.batch_size,
            settings.discriminator_steps,
        )

    def cohort(self, structure: Hashable) -> StackedCohort:
        """An empty cohort for that structure."""
        assert isinstance(structure, Shape)
        return StackedCohort(_Family(self._real, structure))

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights of both players by the names of Sequential(Linear, activation, ..., Linear)."""
        family = _Family(self._real, self.structure(params))
        row = Row(0, params, 0, 1)
        return {
            f"{player}.{name}": tensor
            for player in _PLAYERS
            for name, tensor in family.tensors(row, state, player, "parameters").items()
        }

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives of samples from a fixed latent batch against the test part."""
        row = Row(0, params, 0, 1)
        family = _Family(self._real, self.structure(params))
        with torch.inference_mode():
            stack = {k: v.unsqueeze(0) for k, v in family.restore(row, state).items()}
            samples = family.training([row], stack).samples()
            figures = self._real.quality(self._real.data.test).figures(samples)
        return {name: float(value) for name, value in figures.items()}


class _Real:
    """The real points on the device, standardised for training.

    Raises:
        DataError: There are no points to learn from.
    """

    def __init__(self, data: Dataset, device: torch.device, dtype: torch.dtype) -> None:
        self.data, self.device, self.dtype = data, device, dtype
        points = data.train.x
        if points.size == 0:
            raise DataError(f"data '{data.name}': must have points to learn from, got none")
        scaling = fit_scaling("standardize", points)
        self.shift, self.scale = (
            torch.as_tensor(t).flatten().to(device=device, dtype=dtype)
            for t in (scaling.shift, scaling.scale)
        )
        scaled = torch.as_tensor(scaling.apply(points)).flatten(1)
        self.n_points, self.n_features = scaled.shape
        self.width = whole_lanes(self.n_features)
        self.points = table(scaled.to(device=device, dtype=dtype), self.width)
        self.modes = None
        if data.modes is not None:
            self.modes = torch.as_tensor(data.modes).to(device=device, dtype=dtype)
        self.validation = self.quality(data.validation)

    def quality(self, part: Part) -> Quality:
        """Figures against the points of `part`, in data units."""
        points = torch.as_tensor(part.x).flatten(1).to(device=self.device, dtype=self.dtype)
        return Quality(points, self.modes, self.data.mode_std)


class _Family:
    """GANs of one `Shape` on one dataset."""

    def __init__(self, real: _Real, shape: Shape) -> None:
        self.real = real
        self.shape = shape
        hidden = (shape.width,) * shape.layers
        self.layouts = {
            "generator": Layout((shape.latent, *hidden, real.width), 2),
            "discriminator": Layout((real.width, *hidden, LANES), 2),
        }
        self.workspace = Workspace(real.device, real.dtype)

    def widths(self, row: Row, player: str) -> tuple[int, ...]:
        """The true widths of the row's `player`."""
        settings = settings_of(Settings, row.params)
        assert settings.units <= self.shape.width
        assert settings.latent <= self.shape.latent
        hidden = (settings.units,) * settings.layers
        if player == "generator":
            return (settings.latent, *hidden, self.real.n_features)
        return (self.real.n_features, *hidden, 1)

    def begin(self, row: Row) -> Vectors:
        """The padded vectors of a row that starts anew."""
        vectors = {}
        for player in _PLAYERS:
            layout, rng = self.layouts[player], generator(row.seed, f"{player} weights")
            widths = self.widths(row, player)
            tensors = draw_perceptron(layout, widths, _INITIALIZER, rng, self.real.dtype)
            parameters = layout.pack(tensors).to(self.real.device)
            vectors[f"{player}.parameters"] = parameters
            for moment in ("first_moment", "second_moment"):
                vectors[f"{player}.{moment}"] = torch.zeros_like(parameters)
        return vectors

    def tensors(self, row: Row, state: RowState, player: str, kind: str) -> dict[str, Tensor]:
        """The named tensors of a state; ValueError when they do not fit the row."""
        shapes = self.layouts[player].shapes(self.widths(row, player))
        like = torch.empty(0, device="cpu", dtype=self.real.dtype)
        return fitted(row, state, f"{player}.{kind}", shapes, like)

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The padded vectors of a saved row; ValueError when the state does not fit it."""
        vectors = {}
        for player in _PLAYERS:
            for kind in ("parameters", "first_moment", "second_moment"):
                packed = self.layouts[player].pack(self.tensors(row, state, player, kind))
                vectors[f"{player}.{kind}"] = packed.to(self.real.device)
        return vectors

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Unpadded contiguous copies on the CPU."""
        state: RowState = {}
        for name, vector in vectors.items():
            player = name.split(".")[0]
            parts = self.layouts[player].unpack(vector, self.widths(row, player))
            state |= {f"{name}.{part}": tensor for part, tensor in parts.items()}
        return state

    def rank(self, row: Row) -> tuple[Any, ...]:
        """Activations come next to their like."""
        return (settings_of(Settings, row.params).activation,)

    def training(self, rows: Sequence[Row], stack: Vectors) -> _Training:
        """Training of `rows`, in place on `stack`."""
        return _Training(self, rows, stack)


class _Training:
    """Rows of one cohort in a fixed order, ready to train."""

    def __init__(self, family: _Family, rows: Sequence[Row], stack: Vectors) -> None:
        self._family, self._rows, self._real = family, rows, family.real
        self._settings = settings = [settings_of(Settings, row.params) for row in rows]
        self._take = family.workspace.take
        shape = family.shape
        some = stack["generator.parameters"]
        masks = None
        if any(ACTIVATIONS[s.activation].moves_zero for s in settings):
            masks = padding_masks([s.units for s in settings], shape.layers, shape.width, some)
        players = {
            player: Player(
                player,
                family.layouts[player],
                stack,
                [s.rule(player) for s in settings],
                spans([s.activation for s in settings]),
                masks,
                family.workspace,
            )
            for player in _PLAYERS
        }
        self._game = Game(
            **players,
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
            for player in _PLAYERS
        }
        numbers = n_rows * 2 * (real.width + shape.latent + 2 * LANES)
        losses: dict[str, list[Tensor]] = {"generator_loss": [], "discriminator_loss": []}
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
            seen = game.discriminator_losses(logits, piece.n_points)
            losses["discriminator_loss"].append(_per_row(seen))
            seen = game.generator_losses(judged, piece.n_points)
            losses["generator_loss"].append(_per_row(seen))
        figures = real.validation.figures(self.samples())
        figures |= {name: torch.cat(parts, 1).double().mean(1) for name, parts in losses.items()}
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
