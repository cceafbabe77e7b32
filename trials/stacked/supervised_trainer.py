"""The trainer of a supervised network: all of it but the network, which a subclass adds.

A subclass says how large a row's tensors are, which rows may be stacked, and how the stacked
network computes; order of the data, dropout, losses, penalties, optimizers, schedules, storing and
measuring are here and in the modules this one uses.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from search_spaces import Space
from trials.contract import Objective, Row, RowState
from trials.data import Dataset
from trials.stacked.architecture import Architecture
from trials.stacked.cohort import StackedCohort
from trials.stacked.settings import SupervisedSettings, settings_of
from trials.stacked.supervised import Examples, Task
from trials.stacked.supervised_family import SupervisedFamily

S = TypeVar("S", bound=SupervisedSettings)


class SupervisedTrainer(Architecture[S]):
    """Networks that learn known answers; a `contract.Trainer`.

    Attributes:
        space: The ready space.
        domain: Every axis with all its values.
    """

    name: ClassVar[str]
    default_epochs: ClassVar[int] = 20
    default_value: ClassVar[Literal["last", "best"]] = "last"
    default_data: ClassVar[str]
    space: Space
    domain: Space

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.task = Task(data, torch.device(device), dtype, self.inputs)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What may be optimised on this data; the first is the default."""
        return self.task.objectives

    def structure(self, params: Mapping[str, Any]) -> Hashable:
        """Trials that agree in the separating axes can share a cohort."""
        settings = settings_of(self.kind, params)
        return tuple((axis, getattr(settings, axis)) for axis in self.separating)

    def cohort(self, structure: Hashable) -> StackedCohort:
        """An empty cohort for that structure."""
        return StackedCohort(SupervisedFamily(self))

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights by the names of the equivalent torch.nn model."""
        return SupervisedFamily(self).tensors(Row(0, params, 0, 1), state, "parameters")

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives on the test part; the loss is called test_loss."""
        row = Row(0, params, 0, 1)
        family = SupervisedFamily(self)
        with family.mode():
            vectors = {k: v.unsqueeze(0) for k, v in family.restore(row, state).items()}
            examples = Examples(self.task, self.task.data.test)
            figures = family.training([row], vectors).evaluate(examples)
        return {name.replace("validation", "test"): float(value) for name, value in figures.items()}
