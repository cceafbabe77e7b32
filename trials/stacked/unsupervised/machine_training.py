"""The epoch of stacked restricted Boltzmann machines, with a classifier on their features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from trials.contract import Row
from trials.stacked.batches import Order, evaluated_at_once, padded_batch, pieces
from trials.stacked.cohort import Vectors, by_row
from trials.stacked.dropout import real_units
from trials.stacked.layout import Layout
from trials.stacked.noise import generator
from trials.stacked.pace import COURSE, Pace
from trials.stacked.sending import sent
from trials.stacked.unsupervised.contrast import Machines, Sparsity, Tapes, Weights
from trials.stacked.unsupervised.descent import Descent
from trials.stacked.unsupervised.points import N_SHOWN, Points, Source, View
from trials.stacked.unsupervised.readout import Answers, Readout
from trials.stacked.unsupervised.settings import DescentSettings
from trials.stacked.unsupervised.visible import VISIBLE
from trials.stacked.workspace import Workspace

CHAIN = "chain"


@dataclass(frozen=True)
class MachineSettings(DescentSettings):
    """The axes of a restricted Boltzmann machine; those a trial does not name have these values.

    `k` steps of Gibbs sampling make a chain; `persistent` chains begin where they ended, others at
    the points. `sparsity` is the share of ones that hidden units are drawn to with the strength
    `sparsity_weight`; `classifier_rate` is the learning rate of the classifier, under adam.
    """

    learning_rate: float = 0.05
    optimizer: str = "sgd"
    batch_size: int = 32
    initializer: str = "normal"
    initial_scale: float = 0.1
    input_scaling: str = "standardize"
    visible: str = "binary"
    binarize: str = "none"
    units: int = 64
    k: int = 1
    persistent: bool = False
    sparsity: float = 0.1
    sparsity_weight: float = 0.0
    classifier_rate: float = 0.01

    @property
    def view(self) -> View:
        """How the row sees the points: from 0 to 1 where units are binary."""
        is_probable = self.visible != "gaussian"
        return View.of(self.input_scaling, self.binarize, is_probable=is_probable)

    @property
    def of_classifier(self) -> MachineSettings:
        """How the classifier moves: by adam, without penalties."""
        return replace(
            self,
            optimizer="adam",
            learning_rate=self.classifier_rate,
            l1=0.0,
            l2=0.0,
            max_norm=0.0,
        )


def _kept(settings: Sequence[MachineSettings], like: Tensor) -> Tensor | None:
    """Which rows keep their chains, bool, shape (K, 1, 1); None where none does."""
    keeps = [s.persistent for s in settings]
    return torch.tensor(keeps, device=like.device).view(-1, 1, 1) if any(keeps) else None


def sparsity_of(settings: Sequence[MachineSettings], width: int, like: Tensor) -> Sparsity | None:
    """The rows' targets of sparsity; None where no row has one."""
    if not any(s.sparsity_weight for s in settings):
        return None
    real = real_units([s.units for s in settings], width, like).unsqueeze(1)
    figures = torch.tensor([(s.sparsity, s.sparsity_weight) for s in settings])
    target, weight = figures.to(like).view(-1, 2, 1, 1).unbind(1)
    return Sparsity(target, weight, real)


class MachineTraining:
    """Rows of machines in a fixed order, ready to train; a `cohort.Training`.

    Args:
        source: The points.
        answers: Their classes, or None.
        rows: In the order of the family's rank.
        settings: Of the rows.
        rounded: Settings of the padded shapes.
        layouts: Of the padded "machine" and, with answers, "classifier".
        vectors: Parameters, moments and chains, changed in place.
        workspace: Where buffers come from.
    """

    def __init__(
        self,
        source: Source,
        answers: Answers | None,
        rows: Sequence[Row],
        settings: Sequence[MachineSettings],
        rounded: MachineSettings,
        layouts: Mapping[str, Layout],
        vectors: Vectors,
        workspace: Workspace,
    ) -> None:
        self.source, self._answers, self._rows, self._settings = source, answers, rows, settings
        self._rounded, self._vectors = rounded, vectors
        self._descent = descent = Descent(
            "machine", layouts["machine"], settings, vectors, workspace
        )
        self._like = like = descent.parameters
        units = VISIBLE[rounded.visible]
        sparsity = sparsity_of(settings, rounded.units, like)
        self.machines = Machines(descent.gradients, units, descent.l2, sparsity)
        seeds = [row.seed for row in rows]
        self._tapes = Tapes(
            units,
            rounded.k,
            [s.units for s in settings],
            source.n_features,
            (rounded.units, source.width),
            seeds,
            like,
        )
        self._readout: Readout | None = None
        if answers is not None:
            rates = [s.of_classifier for s in settings]
            follow = Descent("classifier", layouts["classifier"], rates, vectors, workspace)
            self._readout = Readout(follow, answers.n_classes)
        self._pace = Pace(settings, vectors[COURSE])
        self._views = [s.view for s in settings]
        self._units = source.units(self._views)
        self._keeps = _kept(settings, like)

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch and measures it on the validation part."""
        train, n_rows = self.source.train, len(self._rows)
        batch_size = min(self._rounded.batch_size, train.n_points)
        n_batch, n_steps = padded_batch(batch_size), -(-train.n_points // batch_size)
        kinds = train.kinds(self._views)
        order = Order([row.seed for row in self._rows], epochs, train.n_points)
        self._tapes.begin(epochs)
        factors = self._pace.factors(epochs, [row.epochs for row in self._rows])
        self._descent.begin(factors, epochs, n_steps)
        if self._readout is not None:
            self._readout.begin(factors, epochs, n_steps)
        chains = self._chains(n_batch, batch_size)
        numbers = n_rows * (2 * self.source.width + self._tapes.n_numbers)
        for smaller in pieces(train.n_points, batch_size, numbers):
            piece = replace(smaller, n_batch=n_batch)  # chains are as many in the last batch
            chosen = sent(order.take(piece), self.source.device)
            x, tapes = train.chosen(chosen, kinds), self._tapes.take(piece)
            weights = self._weights(piece.weight(1, 1, self._like), batch_size)
            for step in range(piece.n_steps):
                start = x[step]
                if self._keeps is not None:
                    start = torch.where(self._keeps, chains, start)
                known = self.is_known(x[step])
                seen, chain = self.machines.contrast(x[step], start, tapes[step], weights, known)
                if self._keeps is not None:
                    torch.where(self._keeps, chain, chains, out=chains)
                if self._readout is not None and self._answers is not None:
                    said = self._answers.chosen(chosen[step])
                    self._readout.step(piece.first + step, seen, said, weights.points)
                self._descent.step(piece.first + step)
        if self._keeps is not None:
            self._vectors[CHAIN].copy_(chains[:, :batch_size].flatten(1))
        found = self.measured()
        self._pace.observe(found)
        return found

    def measured(self) -> list[dict[str, float]]:
        """The figures of all rows as they are."""
        return by_row(self.evaluate(self.source.validation))

    def is_known(self, x: Tensor) -> Tensor | None:
        """One where points (K, B, D) have a number, else zero; None where they have them all."""
        return None

    def _chains(self, n_batch: int, n_chains: int) -> Tensor:
        """Where the chains ended, shape (K, B, D); nothing where no row keeps them."""
        n_rows, width = len(self._rows), self.source.width
        if self._keeps is None:
            return self._like.new_empty(0)
        chains = self._like.new_zeros(n_rows, n_batch, width)
        chains[:, :n_chains] = self._vectors[CHAIN].view(n_rows, n_chains, width)
        return chains

    def _weights(self, points: Tensor, n_chains: int) -> Weights:
        """Points count alike, and so do chains: those that are kept are always as many."""
        if self._keeps is None:
            return Weights(points, points)
        every = torch.zeros_like(points)
        every[:n_chains] = 1.0 / n_chains
        return Weights(points, torch.where(self._keeps, every, points))

    def evaluate(self, points: Points) -> dict[str, Tensor]:
        """The objectives of every row on `points`, each of shape (K,)."""
        n = points.n_points
        found: dict[str, list[Tensor]] = {"loss": [], "energy": [], "likely": [], "hit": []}
        flips = self._flips(points.n_padded)
        truths = points.kinds([view.truth for view in self._views])
        for part in self.parts(points):
            x = self.seen(points, part)
            features = self.machines.features(x)
            truth = points.x[:, part].index_select(0, truths)
            error = (self.machines.restored(features) - truth).mul_(self._units).square_()
            found["loss"].append(error.sum(-1) / self.source.n_features)
            found["energy"].append(self.machines.free_energy(x))
            found["likely"].append(self._pseudo(x, flips[:, part]))
            if self._readout is not None and self._answers is not None:
                found["hit"].append(self._readout.hits(features, self._answers.of(points)[part]))
        means = {k: torch.cat(v, 1)[:, :n].double().mean(1) for k, v in found.items() if v}
        figures = {
            "validation_loss": means["loss"],
            "validation_pseudo_likelihood": means["likely"],
            "validation_energy_gap": means["energy"] - self.energy_of_training(n),
        }
        if "hit" in means:
            figures["validation_accuracy"] = means["hit"].where(means["loss"].isfinite(), torch.nan)
        return figures

    def restore(self, points: Points) -> Tensor:
        """Points as expected from their features, shape (K, N, D) padded."""
        x = self.seen(points, slice(points.n_padded))
        return self.machines.restored(self.machines.features(x))

    def samples(self) -> Tensor:
        """What is expected where one hidden unit alone is on: its filter, shape (K, N, D)."""
        n_shown = min(N_SHOWN, *(s.units for s in self._settings))
        one = torch.eye(n_shown, self._rounded.units).to(self._like)
        restored = self.machines.restored(one.expand(len(self._rows), -1, -1))
        shown = [self.source.in_units(x, v) for x, v in zip(restored, self._views, strict=True)]
        return torch.stack(shown)

    def parts(self, points: Points) -> list[slice]:
        """The points in pieces that fit in memory."""
        widest = max(self.source.width, self._rounded.units)
        most = evaluated_at_once(widest)
        return [slice(start, start + most) for start in range(0, points.n_padded, most)]

    def seen(self, points: Points, part: slice) -> Tensor:
        """How the rows see these points, shape (K, B, D)."""
        kinds = points.kinds(self._views)
        return points.x[:, part].index_select(0, kinds)

    def energy_of_training(self, most: int) -> Tensor:
        """Mean free energy of as many training points, or all if there are fewer, shape (K,)."""
        points, energies = self.source.train, []
        n = min(most, points.n_points)
        for part in self.parts(points):
            if part.start < n:
                energies.append(self.machines.free_energy(self.seen(points, part)))
        return torch.cat(energies, 1)[:, :n].double().mean(1)

    def _flips(self, n_points: int) -> Tensor:
        """One unit for each point, the same in every epoch, int64, shape (K, N)."""
        flips = [
            torch.randint(
                self.source.n_features, (n_points,), generator=generator(row.seed, "flips")
            )
            for row in self._rows
        ]
        return torch.stack(flips).to(self.source.device)

    def _pseudo(self, x: Tensor, flips: Tensor) -> Tensor:
        """D times the log probability of one bit of a point given the others, shape (K, B).

        Numbers between 0 and 1 are rounded first. Units that are not binary have none.
        """
        if self._rounded.visible != "binary":
            return torch.full(x.shape[:2], torch.nan, dtype=x.dtype, device=x.device)
        place, x = flips.unsqueeze(2), x.round()
        other = x.scatter(2, place, 1.0 - x.gather(2, place))
        odds = self.machines.free_energy(other) - self.machines.free_energy(x)
        return functional.logsigmoid(odds) * self.source.n_features
