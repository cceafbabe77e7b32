"""Rows of GANs: how they are made, stored and stacked, and the epoch of a stacked cohort."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from trials.contract import Row, RowState
from trials.gans.accuracy import accuracies
from trials.gans.adversarial import (
    EVALUATION,
    Batch,
    Build,
    Extent,
    Game,
    JudgeNetwork,
    Lesson,
    Move,
    Player,
    PlayerNetwork,
)
from trials.gans.losses import LOSSES
from trials.gans.quality import N_SAMPLES
from trials.gans.real import Real
from trials.gans.remedies import Bounds, factors
from trials.gans.scales import Scales
from trials.gans.settings import GameSettings, Shape
from trials.gans.tapes import Tapes, latent_tape
from trials.gans.telling import Nothing, Telling
from trials.gans.views import view_of
from trials.stacked.batches import Order, Piece, padded_batch, pieces
from trials.stacked.cohort import Vectors, by_row, fitted
from trials.stacked.drawing import draw
from trials.stacked.layout import LANES, Layout
from trials.stacked.noise import generator
from trials.stacked.optimizers import MOMENTS
from trials.stacked.per_row import per_row
from trials.stacked.runs import runs
from trials.stacked.sending import sent
from trials.stacked.settings import settings_of
from trials.stacked.workspace import Workspace

PLAYERS = ("generator", "discriminator")

_INITIALIZER = "xavier_uniform"


class GameFamily(ABC):
    """GANs of one `Shape` on one dataset; a `cohort.Family`.

    Attributes:
        kind: The dataclass of the settings.
        width_axis: The axis of which `Shape.width` is the bucket.
        n_verdicts: Logits that say how real a point is, or its parts are.
    """

    kind: ClassVar[type[GameSettings]]
    width_axis: ClassVar[str]
    n_verdicts: ClassVar[int] = 1

    def __init__(self, real: Real, shape: Shape) -> None:
        self.real = real
        self.shape = shape
        self.layouts = self.padded_layouts()
        self.buffers = self.padded_buffers()
        self.workspace = Workspace(real.device, real.dtype)

    @abstractmethod
    def padded_layouts(self) -> Mapping[str, Layout]:
        """Player -> how its tensors are stacked."""

    @abstractmethod
    def true_layout(self, row: Row, player: str) -> Layout:
        """The tensors of the row's `player` without padding."""

    def padded_buffers(self) -> Mapping[str, Layout]:
        """Player -> how what it remembers without learning it is stacked; not all have it."""
        return {}

    def true_buffers(self, row: Row, player: str) -> Layout:
        """What the row's `player` remembers without learning it."""
        raise NotImplementedError

    @abstractmethod
    def generators(self, rows: Sequence[Row], stack: Vectors) -> Build[PlayerNetwork]:
        """What makes the stacked generators of `rows`."""

    @abstractmethod
    def discriminators(self, rows: Sequence[Row], stack: Vectors) -> Build[JudgeNetwork]:
        """What makes the stacked discriminators of `rows`."""

    def telling(self, rows: Sequence[Row]) -> Telling:
        """What the generators of `rows` are told besides noise."""
        return Nothing()

    def lesson(self, rows: Sequence[Row]) -> Lesson | None:
        """What `rows` learn from the discriminator's further outputs."""
        return None

    def closeness(self, rows: Sequence[Row]) -> Tensor | None:
        """Weight of generated points' distance from the real ones of the step, (K, 1, 1)."""
        return None

    def figures(self, training: GameTraining, made: Tensor) -> dict[str, Tensor]:
        """Further figures of points `made`, standardised, (K, N, width); (K,) each."""
        return {}

    def settings(self, row: Row) -> GameSettings:
        """The row's settings."""
        return settings_of(self.kind, row.params)

    @property
    def mode(self) -> Callable[[], AbstractContextManager[Any]]:
        """The context in which rows train."""
        by_autograd = any(self.shape.needs_autograd(player) for player in PLAYERS)
        return torch.no_grad if by_autograd else torch.inference_mode

    def block(self, row: Row) -> Hashable:
        """All rows of one shape are stacked, but those with an average have a vector more."""
        return self.shape, self.settings(row).average_half_life > 0

    def label(self, row: Row) -> str:
        """What separates the rows from those of other shapes."""
        label = f"batch_size={self.shape.batch_size} {self.width_axis}<={self.shape.width} "
        average = " average_half_life>0" if self.settings(row).average_half_life > 0 else ""
        return label + self.shape.label + average

    def begin(self, row: Row) -> Vectors:
        """The padded vectors of a row that starts anew."""
        vectors = {}
        for player in PLAYERS:
            true, rng = self.true_layout(row, player), generator(row.seed, f"{player} weights")
            tensors = draw(true, _INITIALIZER, rng, self.real.dtype)
            parameters = self.layouts[player].pack(tensors, true).to(self.real.device)
            vectors[f"{player}.parameters"] = parameters
            vectors |= {f"{player}.{moment}": torch.zeros_like(parameters) for moment in MOMENTS}
            if player in self.buffers:
                true, rng = self.true_buffers(row, player), generator(row.seed, f"{player} buffers")
                tensors = draw(true, _INITIALIZER, rng, self.real.dtype)
                packed = self.buffers[player].pack(tensors, true)
                vectors[f"{player}.buffers"] = packed.to(self.real.device)
        if self.settings(row).average_half_life > 0:
            vectors["generator.average"] = vectors["generator.parameters"].clone()
        return vectors

    def tensors(self, row: Row, state: RowState, player: str, kind: str) -> dict[str, Tensor]:
        """The named tensors of a state; ValueError when they do not fit the row."""
        shapes = self._layouts(row, player, kind)[1].shapes
        like = torch.empty(0, device="cpu", dtype=self.real.dtype)
        return fitted(row, state, f"{player}.{kind}", shapes, like)

    def weights(self, row: Row, state: RowState, player: str) -> dict[str, Tensor]:
        """What the player is evaluated with, by the names of the equivalent torch.nn model."""
        is_averaged = player == "generator" and self.settings(row).average_half_life > 0
        tensors = self.tensors(row, state, player, "average" if is_averaged else "parameters")
        if player in self.buffers:
            tensors |= self.tensors(row, state, player, "buffers")
        return tensors

    def _kinds(self, row: Row, player: str) -> list[str]:
        """Names of the player's vectors."""
        kinds = ["parameters", *MOMENTS]
        kinds += ["buffers"] * (player in self.buffers)
        is_averaged = player == "generator" and self.settings(row).average_half_life > 0
        return kinds + ["average"] * is_averaged

    def _layouts(self, row: Row, player: str, kind: str) -> tuple[Layout, Layout]:
        """How a vector of that kind is stacked, and without padding."""
        if kind == "buffers":
            return self.buffers[player], self.true_buffers(row, player)
        return self.layouts[player], self.true_layout(row, player)

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The padded vectors of a saved row; ValueError when the state does not fit it."""
        vectors = {}
        for player in PLAYERS:
            for kind in self._kinds(row, player):
                padded, true = self._layouts(row, player, kind)
                tensors = self.tensors(row, state, player, kind)
                vectors[f"{player}.{kind}"] = padded.pack(tensors, true).to(self.real.device)
        return vectors

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Unpadded contiguous copies on the CPU."""
        state: RowState = {}
        for name, vector in vectors.items():
            padded, true = self._layouts(row, *name.split("."))
            parts = padded.unpack(vector, true)
            state |= {f"{name}.{part}": tensor for part, tensor in parts.items()}
        return state

    def rank(self, row: Row) -> tuple[Any, ...]:
        """Activations and losses come next to their like."""
        settings = self.settings(row)
        return settings.activation, list(LOSSES).index(settings.loss)

    def training(self, rows: Sequence[Row], stack: Vectors) -> GameTraining:
        """Training of `rows`, in place on `stack`."""
        return GameTraining(self, rows, stack)


class GameTraining:
    """Rows of one cohort in a fixed order, ready to train.

    Attributes:
        family: What they are.
        rows: In order.
        game: Their players.
        telling: What the generators are told.
        scales: On which players see points.
    """

    def __init__(self, family: GameFamily, rows: Sequence[Row], stack: Vectors) -> None:
        self.family, self.rows, self._real = family, rows, family.real
        self._settings = settings = [family.settings(row) for row in rows]
        self._take = family.workspace.take
        self.scales = Scales(family.real, settings)
        self.telling = family.telling(rows)
        shape, some = family.shape, stack["generator.parameters"]
        self._bounds = [Bounds(player, settings, stack, shape.batch_size) for player in PLAYERS]
        generators = family.generators(rows, stack), self._bounds[0], family.workspace
        discriminators = family.discriminators(rows, stack), self._bounds[1], family.workspace
        rules = [[s.rule(player) for s in settings] for player in PLAYERS]
        losses = [LOSSES[s.loss] for s in settings]
        n_features = family.real.n_features + family.real.n_conditions
        self.game = Game(
            Player("generator", family.real.width, stack, rules[0], *generators),
            Player("discriminator", LANES, stack, rules[1], *discriminators),
            judging=[(rows, j) for j, rows in runs(loss.judging for loss in losses)],
            fooling=[(rows, f) for f, rows in runs(loss.fooling for loss in losses)],
            smoothing=per_row([s.label_smoothing for s in settings], some),
            penalty=per_row([s.gradient_penalty for s in settings], some, 2),
            view=view_of(n_features, shape.packing, family.real.width, family.workspace),
            conditions=slice(family.real.n_features, n_features),
            lesson=family.lesson(rows),
            closeness=family.closeness(rows),
            n_verdicts=family.n_verdicts,
            workspace=family.workspace,
        )
        self._batches: dict[int, Batch] = {}

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """One pass of every discriminator over the training points; measures the samples."""
        real, shape, n_rows = self._real, self.family.shape, len(self.rows)
        n_used = real.n_points // shape.packing * shape.packing
        batch_size = min(-(-shape.batch_size // shape.packing) * shape.packing, n_used)
        self._begin(epochs, -(-n_used // batch_size))
        tapes = Tapes(self.rows, self._settings, epochs, shape.latent, real.n_features, real.points)
        order = Order([row.seed for row in self.rows], epochs, real.n_points)
        numbers = n_rows * 2 * (real.width * (1 + tapes.is_hazy) + shape.latent + 2 * LANES)
        seen: defaultdict[str, list[Tensor]] = defaultdict(list)
        n_moves = 0
        for piece in map(self._wide, pieces(n_used, batch_size, numbers)):
            turns = self._turns(piece, -(-n_used // batch_size))
            pairs, batch = self._pairs(order, piece), self._batch(piece)
            judgings = self._judgings(tapes, piece, pairs)
            moving = pairs if len(turns) == len(pairs) else pairs[turns]
            foolings = self._foolings(tapes, piece, moving, n_moves)
            n_moves += len(foolings)
            logits = self._take("logits", len(judgings), n_rows, batch.pair.n_rows, LANES)
            judged = self._take("judged", len(foolings), n_rows, batch.judged.n_rows, LANES)
            answers = iter(zip(foolings, judged, strict=True))
            for step, judging in enumerate(judgings):
                self.game.discriminator_step(judging, batch, logits[step])
                if step in turns:
                    fooling, answer = next(answers)
                    self.game.generator_step(fooling, batch, answer)
            for name, value in self._values(logits, judged, batch.judged.n_points).items():
                seen[name].append(_by_row(value))
        figures = self._measured()
        figures |= {name: torch.cat(parts, 1).double().mean(1) for name, parts in seen.items()}
        return by_row(figures)

    def _begin(self, epochs: Sequence[int], n_steps: int) -> None:
        """Prepares the optimizers for the steps of an epoch, and what is told."""
        self.telling.begin(epochs)
        paces = factors(self.rows, self._settings, epochs)
        n_moves = -(-n_steps // self.family.shape.discriminator_steps)
        for name, bounds, player, n in (
            ("generator", self._bounds[0], self.game.generator, n_moves),
            ("discriminator", self._bounds[1], self.game.discriminator, n_steps),
        ):
            bounds.begin(epochs)
            own = zip(self._settings, epochs, strict=True)
            done = [n * settings.moved(name, epoch) for settings, epoch in own]
            player.updates.begin(paces, done, n)

    def _turns(self, piece: Piece, n_steps: int) -> list[int]:
        """Steps of the piece after which the generator moves: every k-th, and the last."""
        every = self.family.shape.discriminator_steps
        numbers = range(piece.first + 1, piece.first + piece.n_steps + 1)
        return [i for i, step in enumerate(numbers) if step % every == 0 or step == n_steps]

    def _wide(self, piece: Piece) -> Piece:
        """The piece, padded to whole lanes of packs."""
        packing = self.family.shape.packing
        return replace(piece, n_batch=packing * padded_batch(piece.n_points // packing))

    def _judgings(self, tapes: Tapes, piece: Piece, pairs: Tensor) -> list[Move]:
        """What each step of the discriminators draws."""
        n_steps, n_packs = piece.n_steps, piece.n_batch // self.family.shape.packing
        latent, codes = self._latent("discriminator", tapes, pairs[:, :, : piece.n_batch])
        haze = tapes.haze("discriminator", n_steps, 2 * piece.n_batch, self._real.width)
        flips, mixing = tapes.flips(n_steps, 2 * n_packs), tapes.mixing(n_steps, n_packs)
        draws = pairs, latent, *(_steps(d, n_steps) for d in (haze, flips, mixing, codes))
        return [Move(piece.first + i, *drawn) for i, drawn in enumerate(zip(*draws, strict=True))]

    def _foolings(self, tapes: Tapes, piece: Piece, pairs: Tensor, first: int) -> list[Move]:
        """What each step of the generators draws; `pairs` are those of the steps before them."""
        latent, codes = self._latent("generator", tapes, pairs[:, :, : piece.n_batch])
        haze = tapes.haze("generator", len(pairs), piece.n_batch, self._real.width)
        steps = zip(*(_steps(d, len(pairs)) for d in (pairs, latent, haze, codes)), strict=True)
        return [
            Move(first + i, points, noise, own_haze, codes=code)
            for i, (points, noise, own_haze, code) in enumerate(steps)
        ]

    def _latent(self, player: str, tapes: Tapes, points: Tensor) -> tuple[Tensor, Tensor | None]:
        """Inputs of the generators and what should be told from their points, for some steps."""
        latent = tapes.latent(player, len(points), points.shape[2])
        told = self.telling.told(player, len(points), points)
        self.telling.put(latent, told, [s.latent for s in self._settings])
        return latent, self.telling.codes(told)

    def _pairs(self, order: Order, piece: Piece) -> Tensor:
        """Real points of each step in the first half of (steps, K, 2 B, D)."""
        chosen = sent(order.take(piece), self._real.device)
        n_steps, n_rows, n_batch = chosen.shape
        pairs = self._take("pairs", n_steps, n_rows, 2 * n_batch, self._real.width)
        points = self._real.points.index_select(0, chosen.flatten())
        pairs[:, :, :n_batch] = points.view(n_steps, n_rows, n_batch, -1)
        self.scales.show(pairs, chosen)
        return pairs

    def _batch(self, piece: Piece) -> Batch:
        """The constants of the piece's batch size."""
        if piece.n_points not in self._batches:
            packing = self.family.shape.packing
            packs = replace(
                piece, n_batch=piece.n_batch // packing, n_points=piece.n_points // packing
            )
            self._batches[piece.n_points] = self.game.batch(
                Extent(1, piece.n_batch, piece.n_points),
                Extent(1, packs.n_batch, packs.n_points),
                packs.weight(LANES, self.family.n_verdicts, self._real.points),
            )
        return self._batches[piece.n_points]

    def _values(self, logits: Tensor, judged: Tensor, n_points: int) -> dict[str, Tensor]:
        """Figures of each step and point, (steps, K, points)."""
        values = accuracies(self.game.beyond_middle(logits, n_points), n_points)
        values["discriminator_loss"] = self.game.discriminator_losses(logits, n_points)
        values["generator_loss"] = self.game.generator_losses(judged, n_points)
        return values

    def _measured(self) -> dict[str, Tensor]:
        """Figures of the samples, (K,) each."""
        made = self._evaluated()
        figures = self._real.watched(self._real.in_data_units(made))
        return figures | self.family.figures(self, made)

    def samples(self) -> Tensor:
        """Points that each row makes of its fixed latent batch, in data units, (K, N, D)."""
        return self._real.in_data_units(self._evaluated())

    def _evaluated(self) -> Tensor:
        """What generators make of their fixed latent batches, standardised, (K, N, width)."""
        made = self._take("made", len(self.rows), N_SAMPLES, self._real.width)
        network = self.game.generator.network(Extent(1, N_SAMPLES, N_SAMPLES), EVALUATION)
        return self.scales.standardise(network.forward(self.evaluation_latent(), None, made))

    def evaluation_latent(self) -> Tensor:
        """The fixed latent batch of each row, with what it is told, (K, N, inputs)."""
        noise = torch.zeros(len(self.rows), N_SAMPLES, self.family.shape.latent)
        for k, (row, settings) in enumerate(zip(self.rows, self._settings, strict=True)):
            rng, shape = generator(row.seed, "evaluation latent"), (N_SAMPLES, settings.latent)
            drawn = latent_tape(rng, settings.latent_distribution, 1, shape)
            noise[k, :, : settings.latent] = drawn[0]
        sizes = [s.latent for s in self._settings]
        return self.telling.join(noise.to(self._real.points), sizes)


def _steps(draws: Tensor | None, n_steps: int) -> Sequence[Tensor | None]:
    """The draws of each step."""
    return [None] * n_steps if draws is None else draws.unbind(0)


def _by_row(values: Tensor) -> Tensor:
    """Values (steps, K, points) with the row first, shape (K, steps * points)."""
    return values.transpose(0, 1).flatten(1)
