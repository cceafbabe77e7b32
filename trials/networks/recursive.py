"""The recursive network over trees as a trainer: its axes and defaults, its stacked form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch

from search_spaces import Categorical, Int, Space
from search_spaces.trees import RECURSIVE as SPACE
from trials.data import DataError, Dataset
from trials.data.scaling import ScalingKind
from trials.stacked.activated import Activated
from trials.stacked.activations import ACTIVATIONS
from trials.stacked.autograd import AutogradNetwork
from trials.stacked.layout import Part, whole_lanes, width_bucket
from trials.stacked.network import Network, Site, Stack
from trials.stacked.normed import Normed
from trials.stacked.settings import SUPERVISED_AXES, SupervisedSettings
from trials.stacked.supervised_trainer import SupervisedTrainer
from trials.stacked.tree import NORM, TreeFunction, tree_parts


@dataclass(frozen=True)
class Settings(SupervisedSettings):
    """The axes of a recursive network; those a trial does not name have these values.

    `normalization` is of the sums into each node, before the activation.
    """

    units: int = 32
    activation: str = "tanh"
    normalization: str = "none"
    input_scaling: ScalingKind = "none"


DOMAIN = Space(
    **{**SUPERVISED_AXES, "input_scaling": Categorical(("none",))},
    units=Int(1, 4096),
    activation=Categorical(tuple(ACTIVATIONS)),
    normalization=Categorical(("none", "layer")),
)
"""What may be asked for, far beyond what is worth trying. Symbols are not numbers to scale."""


class Recursive(SupervisedTrainer[Settings]):
    """Recursive network for trees of symbols, such as expressions: classification and regression.

    The same weights join the vectors of two children to that of their parent, from the leaves to
    the root. All nodes of a level, of all trees and all rows, are one product. Autograd finds the
    gradient: a level is large enough to hide what that costs.

    Weights have the names of the modules that `TreeFunction` speaks of.
    """

    name: ClassVar[str] = "recursive"
    default_data: ClassVar[str] = "expressions"
    needs_autograd: ClassVar[bool] = True
    kind = Settings
    space = SPACE
    domain = DOMAIN
    separating: ClassVar[tuple[str, ...]] = ("normalization",)

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if data.kind != "trees":
            raise DataError(
                f"data '{data.name}': must be trees for the trainer recursive, got {data.kind}; "
                "choose expressions, or another trainer"
            )
        super().__init__(data, device, dtype)
        parts = (data.train, data.validation, data.test)
        self._n_symbols = 1 + max(int(part.x.max()) for part in parts)

    def padded(self, settings: Settings) -> dict[str, int]:
        """Units in buckets."""
        return {"units": width_bucket(settings.units)}

    def parts(self, settings: Settings, inputs: tuple[int, ...], n_outputs: int) -> Sequence[Part]:
        """A vector per symbol, what joins two children, and the outputs."""
        is_padded = inputs != self.task.inputs.shape
        n_symbols = whole_lanes(self._n_symbols) if is_padded else self._n_symbols
        padding, kind = self.task.loss.padding, settings.normalization
        return tree_parts(n_symbols, settings.units, n_outputs, padding, kind)

    def sites(self, settings: Settings) -> Sequence[Site]:
        """Units of the root are dropped."""
        return (Site(settings.dropout, (settings.units,)),)

    def rank(self, settings: Settings) -> tuple[Any, ...]:
        """Rows of one activation are neighbours."""
        return (settings.activation,)

    def numbers(self, settings: Settings) -> int:
        """Numbers that the lowest level of a tree holds."""
        n_leaves = (self.task.inputs.shape[0] + 1) // 2
        return max(super().numbers(settings), n_leaves * settings.units)

    def network(self, stack: Stack[Settings], n_batch: int) -> Network:
        """The stacked networks of some rows for batches of that size."""
        units, width = [s.units for s in stack.settings], stack.padded.units
        names = [s.activation for s in stack.settings]
        activated = Activated(names, units, width, stack.parameters)
        normed = partial(Normed, stack.padded.normalization, stack, NORM, units, width)
        n_places, n_symbols = self.task.inputs.shape[0], whole_lanes(self._n_symbols)
        return AutogradNetwork(stack, TreeFunction(n_places, n_symbols, activated, normed))
