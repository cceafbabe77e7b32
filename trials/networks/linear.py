"""Linear and logistic regression as a trainer: a network without hidden units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from search_spaces import Space
from search_spaces.linear import LINEAR as SPACE
from trials.data.scaling import fit_scaling
from trials.stacked.layout import Part
from trials.stacked.network import Network, Stack
from trials.stacked.perceptron import Perceptron
from trials.stacked.settings import SUPERVISED_AXES, SupervisedSettings, settings_of
from trials.stacked.supervised_trainer import SupervisedTrainer

_OF_HIDDEN_UNITS = frozenset({"dropout"})
"""Axes of every supervised trainer that mean nothing where there are no hidden units."""


@dataclass(frozen=True)
class Settings(SupervisedSettings):
    """The axes of a linear model are those of every supervised trainer."""


DOMAIN = Space(
    **{name: axis for name, axis in SUPERVISED_AXES.items() if name not in _OF_HIDDEN_UNITS}
)
"""What may be asked for, far beyond what is worth trying."""


class Linear(SupervisedTrainer[Settings]):
    """Linear regression of numbers, logistic regression of classes.

    Two classes have a logit each, like any other number of them; the odds follow from the
    difference. Weights have the names of `torch.nn.Linear`.
    """

    name: ClassVar[str] = "linear"
    default_data: ClassVar[str] = "noisy_line"
    kind = Settings
    space = SPACE
    domain = DOMAIN

    def padded(self, settings: Settings) -> dict[str, int]:
        """Nothing is rounded: all rows of one batch size are stacked."""
        return {}

    def parts(self, settings: Settings, inputs: tuple[int, ...], n_outputs: int) -> Sequence[Part]:
        """One linear map; padded outputs can never be chosen."""
        weight = Part("weight", (n_outputs, inputs[0]), order=(1, 0))
        return weight, Part("bias", (n_outputs,), start=0.0, padding=self.task.loss.padding)

    def network(self, stack: Stack[Settings], n_batch: int) -> Network:
        """The stacked maps of some rows for batches of that size."""
        return Perceptron(
            stack.layout,
            stack.parameters,
            stack.gradient,
            n_batch,
            spans=(),
            padding=None,
            workspace=stack.workspace,
            name="linear",
            gradients=stack.gradients,
        )

    def coefficients(
        self, weights: Mapping[str, Tensor], params: Mapping[str, Any]
    ) -> tuple[Tensor, Tensor]:
        """Slopes, shape (C, D), and intercepts, shape (C,), for inputs and targets in own units.

        The scalings that a row was trained with are undone, in float64.

        Args:
            weights: As `weights` gives them.
            params: Of the row.

        Raises:
            ValueError: Points were scaled to unit norm, which is not linear.
        """
        settings = settings_of(Settings, params)
        scaling = fit_scaling(settings.input_scaling, self.task.data.train.x)
        n_features = self.task.inputs.shape[0]
        shift, scale = (
            torch.as_tensor(part).double().flatten().expand(n_features)
            for part in (scaling.shift, scaling.scale)
        )
        if scaling.is_unit:
            raise ValueError(
                "params.input_scaling: must not be unit_norm for coefficients, since a point's own "
                "length divides its inputs"
            )
        slopes = weights["weight"].double()
        if scaling.matrix is not None:
            slopes = slopes @ torch.as_tensor(scaling.matrix).double().T
        slopes = slopes / scale
        intercepts = weights["bias"].double() - slopes @ shift
        return slopes * self.task.scale, intercepts * self.task.scale + self.task.shift
