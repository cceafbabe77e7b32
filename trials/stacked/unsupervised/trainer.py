"""The trainer of networks that learn without answers: all of it but the family of its rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from torch import Tensor

from search_spaces import Space
from trials.contract import Cohort, Objective, Row, RowState
from trials.data import Dataset
from trials.stacked.cohort import StackedCohort, alone, on_test
from trials.stacked.costs import COSTS, CostedCohort, Costing
from trials.stacked.settings import settings_of
from trials.stacked.unsupervised.family import DescentFamily
from trials.stacked.unsupervised.points import Points, Source
from trials.stacked.unsupervised.settings import DescentSettings

S = TypeVar("S", bound=DescentSettings)


class DescentTrainer(ABC, Generic[S]):
    """Networks that learn from points without answers; a `contract.Trainer`.

    Attributes:
        kind: The dataclass of the settings.
        separating: Axes whose values must be equal for rows to share a cohort.
        space: The ready space.
        domain: Every axis with all its values.
        source: The points on the device.
    """

    name: ClassVar[str]
    default_epochs: ClassVar[int] = 20
    default_value: ClassVar[Literal["last", "best"]] = "last"
    default_data: ClassVar[str] = "digits"
    kind: type[S]
    separating: ClassVar[tuple[str, ...]] = ()
    space: Space
    domain: Space

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.source = Source(data, torch.device(device), dtype)

    _costing: Costing | None = None

    @property
    @abstractmethod
    def figures(self) -> tuple[Objective, ...]:
        """What rows measure on this data; the first is the default objective."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What may be optimised on this data; the first is the default."""
        return self.figures + COSTS

    def measure(self, names: Collection[str]) -> None:
        """Cohorts that are made from now on report the costs of these names too."""
        source = self.source

        def build(few: Dataset) -> DescentTrainer[S]:
            return type(self)(few, source.device, source.dtype)

        costing = Costing(self.family(), source.data, build, names)
        self._costing = costing if costing.wanted else None

    @abstractmethod
    def family(self) -> DescentFamily[S]:
        """The rows on this data."""

    def structure(self, params: Mapping[str, Any]) -> Hashable:
        """Trials that agree in the separating axes can share a cohort."""
        settings = settings_of(self.kind, params)
        return tuple((axis, getattr(settings, axis)) for axis in self.separating)

    def cohort(self, structure: Hashable) -> Cohort:
        """An empty cohort for that structure."""
        cohort = StackedCohort(self.family())
        return cohort if self._costing is None else CostedCohort(cohort, self._costing)

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights by the names of the equivalent torch.nn model, a module for each network."""
        family, row = self.family(), Row(0, params, 0, 1)
        return {
            f"{network}.{name}": tensor
            for network in family.networks
            for name, tensor in family.tensors(row, state, network, "parameters").items()
        }

    def samples(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """What the row makes of one fixed batch, in units of the data, shape (N, ...)."""
        family, row = self.family(), Row(0, params, 0, 1)
        with family.mode():
            vectors = alone(family, row, state)
            made = family.plain_training([row], vectors).samples()[0]
        return made.cpu().view(len(made), *self.source.data.shape)

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives on the test part; `validation` in their names is `test`."""
        family, row = self.family(), Row(0, params, 0, 1)
        with family.mode():
            vectors = alone(family, row, state)
            points = Points(self.source, self.source.data.test)
            figures = family.plain_training([row], vectors).evaluate(points)
        return on_test(figures)
