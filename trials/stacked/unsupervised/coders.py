"""The networks of stacked autoencoders: encoders, decoders and what leaves weights out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from torch import Tensor

from trials.contract import Row
from trials.stacked.activations import spans
from trials.stacked.batches import Piece
from trials.stacked.cohort import Vectors
from trials.stacked.dropconnect import DropConnect, weight_places
from trials.stacked.dropout import padding_masks, real_units
from trials.stacked.layout import Layout
from trials.stacked.normalization import of_perceptrons
from trials.stacked.perceptron import Perceptron
from trials.stacked.unsupervised.coding_settings import CodingSettings
from trials.stacked.unsupervised.descent import Descent
from trials.stacked.workspace import Workspace

NETWORKS = ("encoder", "decoder")

TrueLayouts: TypeAlias = "Callable[[CodingSettings], Mapping[str, Layout]]"
"""Settings of a row -> the layouts of its networks without padding."""


class Coders:
    """Encoders and decoders of K rows, and how they follow their gradients.

    Args:
        rows: In order.
        settings: Of the rows.
        rounded: Settings of the padded shapes.
        layouts: Of the padded networks, by name.
        true: Of a row's.
        vectors: Parameters and moments of both, changed in place.
        workspace: Where buffers come from.

    Attributes:
        rows: As given, and so are `settings`, `rounded` and `workspace`.
        encoder: How the encoders move.
        decoder: How the decoders do.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        settings: Sequence[CodingSettings],
        rounded: CodingSettings,
        layouts: Mapping[str, Layout],
        true: TrueLayouts,
        vectors: Vectors,
        workspace: Workspace,
    ) -> None:
        self.rows, self.settings, self.rounded = rows, settings, rounded
        self.workspace, self._layouts = workspace, layouts
        self.encoder, self.decoder = (
            Descent(name, layouts[name], settings, vectors, workspace) for name in NETWORKS
        )
        self._connections: list[tuple[DropConnect, Descent]] = []
        if any(s.dropconnect for s in settings):
            self._connections = list(self._connected([row.seed for row in rows], true))
        self._nets: dict[tuple[str, int, int | None], Perceptron] = {}

    def _connected(
        self, seeds: Sequence[int], true: TrueLayouts
    ) -> Iterator[tuple[DropConnect, Descent]]:
        """What leaves weights out of which network."""
        rates, layouts = [s.dropconnect for s in self.settings], list(map(true, self.settings))
        for name, descent in zip(NETWORKS, (self.encoder, self.decoder), strict=True):
            places = [weight_places(self._layouts[name], layout[name]) for layout in layouts]
            purpose, weights = f"{name} dropconnect", descent.of_weights
            yield DropConnect(rates, places, seeds, *weights, self.workspace, purpose), descent

    def net(self, name: str, n_batch: int, n_points: int | None = None) -> Perceptron:
        """The encoders or decoders for batches of that size.

        Args:
            name: Of `NETWORKS`.
            n_batch: B.
            n_points: Of them, those that are not padding; None for all.
        """
        rounded, kind = self.rounded, self.rounded.normalization
        key = name, n_batch, n_points if kind == "batch" else None
        if key not in self._nets:
            descent = self.encoder if name == "encoder" else self.decoder
            names, like = [s.activation for s in self.settings], descent.parameters
            units = [s.units for s in self.settings]
            masks = padding_masks(names, units, rounded.layers, rounded.units, like)
            real = real_units(units, rounded.units, like)
            self._nets[key] = Perceptron(
                self._layouts[name],
                like,
                descent.gradient,
                n_batch,
                spans(names),
                masks,
                self.workspace,
                name,
                gradients=descent.gradients,
                norm=of_perceptrons(kind, descent.gradients, rounded.modules, real, key[2]),
            )
        return self._nets[key]

    def begin(self, factors: Sequence[float], epochs: Sequence[int], n_steps: int) -> None:
        """Prepares an epoch; see `Descent.begin`."""
        for descent in (self.encoder, self.decoder):
            descent.begin(factors, epochs, n_steps)
        for connections, _ in self._connections:
            connections.begin(epochs)

    @property
    def n_numbers(self) -> int:
        """Numbers that the masks of weights hold for one step."""
        return sum(connections.n_numbers for connections, _ in self._connections)

    def prepare(self, piece: Piece) -> None:
        """The weights to be left out in the next `piece` are drawn."""
        for connections, _ in self._connections:
            connections.prepare(piece)

    @contextmanager
    def learning(self, piece: Piece, step: int) -> Iterator[None]:
        """A step of the piece: within, gradients are filled; then the networks follow them."""
        for connections, _ in self._connections:
            connections.drop(step)
        yield
        for connections, descent in self._connections:
            connections.restore(step, descent.l2)
        for descent in (self.encoder, self.decoder):
            descent.step(piece.first + step)

    def decay(self, descent: Descent) -> Tensor | None:
        """The L2 penalty that joins while gradients fill; under DropConnect it joins after."""
        return None if self._connections else descent.l2
