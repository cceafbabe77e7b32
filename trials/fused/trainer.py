"""A user's own module, loss and space as a trainer, whose trials are stacked where that can be."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from search_spaces import Space
from trials.contract import Objective, Row, RowState
from trials.data import Dataset
from trials.fused.catalogue import Blueprint, Catalogue
from trials.fused.errors import ModelError
from trials.fused.family import FusedFamily
from trials.fused.recipe import BuildModel, Loss, Recipe, TargetScaling
from trials.fused.task import task_of
from trials.stacked.cohort import StackedCohort, alone, on_test


class FusedTrainer:
    """Trains what its recipe builds; a `contract.Trainer`.

    A row's bits on one CPU are its own, with one exception: where the gradient of a Conv1d or a
    batch norm reaches the bias of a layer before it, it lies batch by batch, all rows side by
    side, and torch sums such columns in an order that depends on how many there are. Those rows
    agree with themselves in other company up to rounding.

    Attributes:
        recipe: Of the subclass that `fused` made.
    """

    name: ClassVar[str] = "fused"
    default_epochs: ClassVar[int] = 20
    default_value: ClassVar[Literal["last", "best"]] = "last"
    default_data: ClassVar[str] = "breast_cancer"
    recipe: ClassVar[Recipe]

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        task = task_of(data, torch.device(device), dtype, self.recipe.target_scaling)
        self._task, self._catalogue = task, Catalogue(self.recipe, task)
        self._check()

    def _check(self) -> None:
        """Small models of the space are built and run; ModelError names what fails."""
        problems: dict[str, None] = {}
        for params in self.recipe.corners():
            try:
                self._blueprint(params).findings  # noqa: B018 - runs the module
            except ModelError as error:
                problems |= dict.fromkeys(error.problems)
        if problems:
            raise ModelError(problems)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What may be optimised on this data; the first is the default."""
        return self._task.objectives

    @property
    def notes(self) -> tuple[str, ...]:
        """Why trials are not stacked, a sentence for each kind of module that is not."""
        return self._catalogue.notes

    @property
    def space(self) -> Space:
        """The user's space."""
        return self.recipe.space

    @property
    def domain(self) -> Space:
        """Every axis of training with all its values, and the model's own."""
        return self.recipe.domain

    def structure(self, params: Mapping[str, Any]) -> Hashable:
        """Trials whose modules are built alike can share a cohort; none is run for it."""
        entry = self._catalogue.entry(params)
        return entry if isinstance(entry, ModelError) else entry.blueprint

    def cohort(self, structure: Hashable) -> StackedCohort:
        """An empty cohort for that structure.

        Raises:
            ModelError: Its modules cannot be built.
        """
        if isinstance(structure, ModelError):
            raise structure
        assert isinstance(structure, Blueprint)
        return StackedCohort(FusedFamily(self._catalogue, structure))

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """The state dict of the row's module, on the CPU."""
        module = self._catalogue.build(params, 0)
        self._blueprint(params).tensors.load(module, Row(0, params, 0, 1), state)
        return {name: tensor.cpu().clone() for name, tensor in module.state_dict().items()}

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives on the test part; the loss is called test_loss."""
        row = Row(0, params, 0, 1)
        family = FusedFamily(self._catalogue, self._blueprint(params))
        with family.mode():
            training = family.training([row], alone(family, row, state))
            figures = training.evaluate(self._task.examples("test"))
        return on_test(figures)

    def _blueprint(self, params: Mapping[str, Any]) -> Blueprint:
        entry = self._catalogue.entry(params)
        if isinstance(entry, ModelError):
            raise entry
        return entry.blueprint


def fused(
    build_model: BuildModel,
    loss: Loss,
    space: Space,
    *,
    target_scaling: TargetScaling = "none",
) -> type[FusedTrainer]:
    """A trainer of ordinary torch modules; trials of one architecture train as one.

    `tuner.launch(tuner.fused(build_model, loss, space), data=..., trials=200)` tunes it. Trials
    whose modules are built alike share their operations (`torch.func.vmap`): what differs may be
    the numbers of the training axes and the rates of `torch.nn.Dropout`. A module that cannot be
    stacked trains one trial at a time, and the study's notes say why.

    Args:
        build_model: `build_model(params)` or `build_model(params, data)` -> torch.nn.Module, with
            its own initial weights, called after seeding torch. `params` holds the axes that are
            not of the training; `data.n_inputs`, `data.inputs` (shape of one point) and
            `data.n_outputs` (classes, or 1) say what must go in and come out.
        loss: `loss(outputs, targets)` -> the mean over a batch, such as
            `torch.nn.functional.cross_entropy`. Targets are classes, int64 of shape (B,); or
            floats of the outputs' shape, (B,) or (B, 1), for a regression and for two classes
            told by one output.
        space: What is tried. The axes learning_rate, optimizer, momentum, nesterov, beta1, beta2,
            rho, epsilon, l1, l2, batch_size, schedule and input_scaling are the training's, as in
            the ready trainers; penalties act on tensors of at least two dimensions.
        target_scaling: `standardize` makes a regression learn targets of mean 0 and deviation 1;
            its losses are then in that unit.

    Returns:
        A class that stands where a trainer class may stand.

    Raises:
        ModelError: Names every mistake; a ValueError.
    """

    class Fused(FusedTrainer):
        """Trainer of the recipe that it was made with."""

        recipe = Recipe(build_model, loss, space, target_scaling)

    return Fused
