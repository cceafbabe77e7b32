"""The pretrained perceptron as a trainer: layers learn without answers, then all learn them."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from search_spaces import Categorical, Int, Space
from search_spaces.unsupervised import PRETRAINED as SPACE
from trials.contract import Cohort, RowState
from trials.data import Dataset
from trials.networks.mlp import DOMAIN as MLP_DOMAIN
from trials.networks.mlp import MLP
from trials.networks.mlp import Settings as MLPSettings
from trials.stacked.cohort import StackedCohort
from trials.stacked.costs import CostedCohort
from trials.stacked.layout import unit_bucket
from trials.stacked.pretraining.few_labels import few_labels
from trials.stacked.pretraining.phases import PretrainedFamily
from trials.stacked.pretraining.settings import PRETRAINING_AXES, PretrainingSettings
from trials.stacked.settings import settings_of


@dataclass(frozen=True)
class Settings(PretrainingSettings, MLPSettings):
    """The axes of a pretrained perceptron; those a trial does not name have these values."""


DOMAIN = Space(
    **{
        **{name: axis for name, axis in MLP_DOMAIN.items() if name != "normalization"},
        **PRETRAINING_AXES,
        "layers": Int(1, 64),
        "input_scaling": Categorical(("none", "standardize", "minmax")),
    }
)
"""What may be asked for, far beyond what is worth trying."""


class Pretrained(MLP):
    """Perceptron whose layers learn the inputs before it learns the answers, perhaps few.

    Weights have the names of Sequential(Linear, activation, Dropout, ..., Linear). The figures of
    an epoch of pretraining are those of the network as it is, its last layer still as drawn. Rows
    of one depth and kind of pretraining are stacked, in whatever phase they are.
    """

    name: ClassVar[str] = "pretrained"
    default_data: ClassVar[str] = "digits"
    default_epochs: ClassVar[int] = 30
    default_pruner: ClassVar[str] = "none"
    """While layers learn without answers, figures say nothing of what they are worth later."""
    kind = Settings
    space = SPACE
    domain = DOMAIN
    separating: ClassVar[tuple[str, ...]] = (
        *("normalization", "layers", "pretraining", "visible", "k", "n_labels"),
    )

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(data, device, dtype)
        self._few: dict[int, Pretrained] = {}

    def hidden_units(self, settings: MLPSettings) -> None:
        """None are watched: while layers learn without answers, nothing is wrong with them."""

    def labelled(self, n_labels: int) -> Pretrained:
        """The trainer on as many labelled points; all where 0 or more than there are."""
        if n_labels == 0 or n_labels >= len(self.task.data.train):
            return self
        if n_labels not in self._few:
            self._few[n_labels] = copy.copy(self)
            self._few[n_labels].task = few_labels(self.task, n_labels)
        found = self._few[n_labels]
        found.task.validation.wanted = self.task.validation.wanted
        return found

    def padded(self, settings: MLPSettings) -> dict[str, int]:
        """Units in buckets."""
        return {"units": unit_bucket(settings.units)}

    def cohort(self, structure: Hashable) -> Cohort:
        """An empty cohort for that structure."""
        assert isinstance(structure, tuple)
        trainer = self.labelled(dict(structure)["n_labels"])
        cohort = StackedCohort(PretrainedFamily[Any](trainer, self.task))
        return cohort if self._costing is None else CostedCohort(cohort, self._costing)

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives that predictions have, on the test part; the loss is called test_loss."""
        trainer = self.labelled(settings_of(Settings, params).n_labels)
        return super(Pretrained, trainer).test(state, params)
