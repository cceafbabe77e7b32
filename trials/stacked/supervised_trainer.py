"""The trainer of a supervised network: all of it but the network, which a subclass adds.

A subclass says how large a row's tensors are, which rows may be stacked, and how the stacked
network computes; order of the data, dropout, losses, penalties, optimizers, schedules, storing and
measuring are here and in the modules this one uses.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from search_spaces import Categorical, Space
from trials.contract import Cohort, Objective, Row, RowState
from trials.data import DataError, Dataset
from trials.stacked.architecture import Architecture
from trials.stacked.cohort import StackedCohort, alone, on_test
from trials.stacked.costs import COSTS, CostedCohort, Costing
from trials.stacked.health import watch_of
from trials.stacked.measures import MEASURES
from trials.stacked.settings import SupervisedSettings, settings_of
from trials.stacked.supervised import Examples, Task
from trials.stacked.supervised_family import SupervisedFamily

S = TypeVar("S", bound=SupervisedSettings)


class SupervisedTrainer(Architecture[S]):
    """Networks that learn known answers; a `contract.Trainer`.

    Attributes:
        space: The ready space, without axes that mean nothing for the task.
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
        steps = self.may_answer_steps
        self.task = Task(data, torch.device(device), dtype, self.inputs, may_answer_steps=steps)
        idle = self.task.idle_axes
        self.space = Space({name: axis for name, axis in self.space.items() if name not in idle})
        self.domain = self._fitting(self.domain)
        self._costing: Costing | None = None

    def _fitting(self, domain: Space) -> Space:
        """`domain` without the values that the data cannot have."""
        axes = dict(domain)
        for name, choices in self.task.choices.items():
            if name in axes:
                values = axes[name].values() or ()
                axes[name] = Categorical([value for value in values if value in choices])
        return Space(axes)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What may be optimised on this data; the first is the default."""
        return self.task.objectives + COSTS

    def measure(self, names: Collection[str]) -> None:
        """Cohorts that are made from now on report the objectives of these names too.

        Raises:
            DataError: The validation part has not what one of them needs.
        """
        task = self.task
        if "validation_auroc" in names and not task.validation.is_varied:
            raise DataError(
                f"data '{task.data.name}': must have points of two classes in the validation part "
                "for validation_auroc; choose another objective or data.seed"
            )
        task.validation.wanted = frozenset(names)

        def build(few: Dataset) -> SupervisedTrainer[S]:
            return type(self)(few, task.device, task.dtype)

        costing = Costing(SupervisedFamily(self), task.data, build, names)
        self._costing = costing if costing.wanted else None

    def structure(self, params: Mapping[str, Any]) -> Hashable:
        """Trials that agree in the separating axes can share a cohort.

        Raises:
            ValueError: An axis that there is not, or a loss that the task does not have.
        """
        settings = settings_of(self.kind, params)
        self.task.slope(settings.loss)
        return tuple((axis, getattr(settings, axis)) for axis in self.separating)

    def family(self) -> SupervisedFamily[S]:
        """How rows are made, stored and trained."""
        return SupervisedFamily(self)

    def cohort(self, structure: Hashable) -> Cohort:
        """An empty cohort for that structure."""
        has_signs = self.hidden_units(self.kind()) is not None
        watch = watch_of(self.task.constant_loss, has_signs=has_signs)
        cohort = StackedCohort(self.family(), watch)
        return cohort if self._costing is None else CostedCohort(cohort, self._costing)

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights by the names of the equivalent torch.nn model."""
        return self.family().tensors(Row(0, params, 0, 1), state, "parameters")

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives that predictions have, on the test part; the loss is called test_loss."""
        row = Row(0, params, 0, 1)
        family = self.family()
        with family.mode():
            vectors = alone(family, row, state)
            examples = Examples(self.task, self.task.data.test, MEASURES[self.task.name])
            figures = family.plain_training([row], vectors).evaluate(examples)
        return on_test(figures)
