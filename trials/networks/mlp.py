"""The perceptron as a trainer: its axes and defaults, its tensors, its stacked network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from search_spaces import Categorical, Float, Int, Space
from search_spaces.deep_networks import MLP as SPACE
from trials.stacked.activations import ACTIVATIONS, spans
from trials.stacked.dropout import padding_masks, real_units
from trials.stacked.layout import Part, chain, unit_bucket
from trials.stacked.network import Network, Site, Stack
from trials.stacked.normalization import NORMALIZATIONS, of_perceptrons
from trials.stacked.perceptron import Perceptron
from trials.stacked.settings import SUPERVISED_AXES, SupervisedSettings
from trials.stacked.signs import HiddenUnits
from trials.stacked.sparsity import sparsity
from trials.stacked.supervised_trainer import SupervisedTrainer

_MOST_WIDTH, _ROOM = 256, 4
"""Up to so many units, rows of 1 to 4, 5 to 8 ... layers are stacked: room that a shallow row does
not use costs memory, never time, and the ready space trains 15 to 30 % faster (2026-11)."""


@dataclass(frozen=True)
class Settings(SupervisedSettings):
    """The axes of a perceptron; those a trial does not name have these values.

    `normalization` is of the sums into hidden units, before their activation. `sparsity_weight`
    pulls the mean activation of sigmoid units to `sparsity`, all other activations to zero.
    """

    units: int = 64
    layers: int = 2
    activation: str = "relu"
    normalization: str = "none"
    sparsity: float = 0.05
    sparsity_weight: float = 0.0


DOMAIN = Space(
    **SUPERVISED_AXES,
    units=Int(1, 16384),
    layers=Int(0, 64),
    activation=Categorical(tuple(ACTIVATIONS)),
    normalization=Categorical(NORMALIZATIONS),
    sparsity=Float(1e-6, 0.999999),
    sparsity_weight=Float(0.0, 1e6),
)
"""What may be asked for, far beyond what is worth trying."""


def _modules(kind: str) -> int:
    """Distance of two linear layers in the equivalent Sequential."""
    return 3 if kind == "none" else 4


class MLP(SupervisedTrainer[Settings]):
    """Perceptron for tables and flattened images: classification and regression.

    Weights have the names of Sequential(Linear, activation, Dropout, ..., Linear), or with
    normalization of Sequential(Linear, BatchNorm1d or LayerNorm, activation, Dropout, ...).
    """

    name: ClassVar[str] = "mlp"
    default_data: ClassVar[str] = "breast_cancer"
    kind = Settings
    space = SPACE
    domain = DOMAIN
    separating: ClassVar[tuple[str, ...]] = ("normalization",)

    def padded(self, settings: Settings) -> dict[str, int]:
        """Units in buckets; room for a few layers where they are not wide."""
        width = unit_bucket(settings.units)
        layers = settings.layers
        if layers and width <= _MOST_WIDTH:
            layers = -(-layers // _ROOM) * _ROOM
        return {"units": width, "layers": layers}

    def parts(self, settings: Settings, inputs: tuple[int, ...], n_outputs: int) -> Sequence[Part]:
        """Linear layers; padded outputs can never be chosen."""
        widths = (*inputs, *(settings.units,) * settings.layers, n_outputs)
        kind = settings.normalization
        return chain(_modules(kind), widths, self.task.loss.padding, kind).parts

    def sites(self, settings: Settings) -> Sequence[Site]:
        """Units are dropped after every hidden layer."""
        return (Site(settings.dropout, (settings.units,)),) * settings.layers

    def rank(self, settings: Settings) -> tuple[Any, ...]:
        """Rows of one activation are neighbours."""
        return (settings.activation, settings.sparsity_weight > 0)

    def hidden_units(self, settings: Settings) -> HiddenUnits | None:
        """Every hidden layer has them."""
        return HiddenUnits(settings.activation, settings.units)

    def counts_points(self, settings: Settings) -> bool:
        """Batch statistics and mean activations are of real points."""
        return settings.normalization == "batch" or settings.sparsity_weight > 0

    def network(self, stack: Stack[Settings], n_batch: int) -> Network:
        """The stacked perceptrons of some rows for batches of that size."""
        names = [s.activation for s in stack.settings]
        units, width = [s.units for s in stack.settings], stack.padded.units
        kind, real = stack.padded.normalization, real_units(units, width, stack.parameters)
        padding = padding_masks(names, units, stack.padded.layers, width, stack.parameters)
        return Perceptron(
            stack.layout,
            stack.parameters,
            stack.gradient,
            n_batch,
            spans(names),
            padding,
            stack.workspace,
            "mlp",
            [s.layers for s in stack.settings],
            stack.gradients,
            of_perceptrons(kind, stack.gradients, _modules(kind), real, stack.n_points),
            sparsity(stack),
        )
