"""What a user gives, a model, a loss and a space, and how each of them is called."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from search_spaces import Categorical, Space
from search_spaces.domains import outside
from search_spaces.errors import shown
from search_spaces.parameters import Axis
from trials.fused.errors import ModelError
from trials.stacked.optimizers import FAMILIES
from trials.stacked.schedules import SCHEDULES
from trials.stacked.settings import SUPERVISED_AXES, SupervisedSettings, settings_of

BuildModel: TypeAlias = "Callable[..., nn.Module]"
"""(params) or (params, data) -> an ordinary module; `data` is a `DataShape`."""

Loss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""(outputs, targets) of a batch -> their mean loss, one number."""

TargetScaling: TypeAlias = Literal["none", "standardize"]

_TRAINING_AXES = (
    *("learning_rate", "optimizer", "momentum", "nesterov", "beta1", "beta2", "rho", "epsilon"),
    *("l1", "l2", "batch_size", "schedule", "input_scaling"),
)

TRAINING_AXES: dict[str, Axis] = {name: SUPERVISED_AXES[name] for name in _TRAINING_AXES} | {
    "optimizer": Categorical(tuple(FAMILIES)),
    "schedule": Categorical(tuple(SCHEDULES)),
}
"""Axes that say how a module is trained; all others say what it is, and `build_model` gets them."""

MOST_CORNERS = 8


@dataclass(frozen=True)
class DataShape:
    """What a model must know of the data.

    Attributes:
        inputs: Shape of one point: (D,), or (1, h, w) for images.
        n_outputs: Classes, or 1 for a regression.
    """

    inputs: tuple[int, ...]
    n_outputs: int

    @property
    def n_inputs(self) -> int:
        """Numbers of one point."""
        return math.prod(self.inputs)


@dataclass(frozen=True)
class Recipe:
    """A user's model, loss and space.

    Attributes:
        build_model: Makes the module of a trial.
        loss: What is minimised.
        space: Axes of the training by their common names, and the model's own.
        target_scaling: Whether the numbers of a regression are standardised.

    Raises:
        ModelError: Names every mistake.
    """

    build_model: BuildModel
    loss: Loss
    space: Space
    target_scaling: TargetScaling = "none"

    def __post_init__(self) -> None:
        problems = _call_problems("build_model", self.build_model, ("params",), ("params", "data"))
        problems += _call_problems("loss", self.loss, ("outputs", "targets"))
        if isinstance(self.space, Space):
            shared = {name: axis for name, axis in self.space.items() if name in TRAINING_AXES}
            problems += outside(shared, TRAINING_AXES, "space")
        else:
            problems.append(f"space: must be a Space, got {shown(self.space)}")
        if self.target_scaling not in ("none", "standardize"):
            text = f"must be none or standardize, got {shown(self.target_scaling)}"
            problems.append(f"target_scaling: {text}")
        if problems:
            raise ModelError(problems)

    @property
    def domain(self) -> Space:
        """Every axis there is: those of training with all values, and the model's own."""
        own = {}
        for name, axis in self.space.items():
            plain = axis.to_plain()
            free = plain if not isinstance(plain, dict) else {**plain, "when": None}
            own[name] = Space.from_plain({name: free})[name]
        return Space({**own, **TRAINING_AXES})

    def settings(self, params: Mapping[str, Any]) -> SupervisedSettings:
        """How the trial is trained."""
        named = {name: value for name, value in params.items() if name in TRAINING_AXES}
        return settings_of(SupervisedSettings, named)

    def model_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What the trial's module is built from.

        Raises:
            ValueError: An axis that is neither the model's nor of the training.
        """
        known = {*self.space, *TRAINING_AXES}
        unknown = sorted(set(params) - known)
        if unknown:
            raise ValueError(f"params: unknown axes {unknown}; there are {', '.join(known)}")
        return {name: value for name, value in params.items() if name not in TRAINING_AXES}

    def build(self, params: Mapping[str, Any], shape: DataShape, seed: int) -> nn.Module:
        """The module of a trial, its weights drawn by the user's code from torch's generator.

        Args:
            params: The model's axes.
            shape: Of the data.
            seed: What torch's generator starts from; it is left as it was.

        Raises:
            ModelError: The user's code failed, or returned what cannot be trained.
        """
        given = (dict(params), shape)[: 2 if self._takes_shape else 1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                module = self.build_model(*given)
            except Exception as error:
                raise _failed("build_model", params, error) from error
        problem = _module_problem(module)
        if problem is not None:
            raise ModelError(f"build_model: {problem} with params {shown(dict(params))}")
        return module

    @cached_property
    def _takes_shape(self) -> bool:
        """Whether `build_model` has an argument `data`, or a second one that must be given."""
        if _call_problems("build_model", self.build_model, ("params",)):
            return True
        try:
            return "data" in inspect.signature(self.build_model).parameters
        except ValueError:
            return False

    def corners(self) -> list[dict[str, Any]]:
        """Parameters of small models: numbers at their lowest, each choice of a category once."""
        own = [axis for name, axis in self.space.items() if name not in TRAINING_AXES]
        counts = [len(axis.choices) for axis in own if isinstance(axis, Categorical)]
        n_corners = min(max(counts, default=1), MOST_CORNERS)
        return [self.space.suggest(_Corner(index)) for index in range(n_corners)]


class _Corner:
    """Takes the lowest number of a range and one place of a list."""

    def __init__(self, index: int) -> None:
        self._index = index

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """The lowest number."""
        return low

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """The lowest number."""
        return low

    def suggest_categorical(self, name: str, choices: Any, /) -> Any:
        """The choice of this corner; shorter lists begin again."""
        return choices[self._index % len(choices)]


def _failed(where: str, params: Mapping[str, Any], error: Exception) -> ModelError:
    lines = str(error).strip().splitlines() or [""]
    text = f"failed with params {shown(dict(params))}: {type(error).__name__}: {lines[0]}"
    return ModelError(f"{where}: {text}")


def _call_problems(name: str, function: object, *ways: tuple[str, ...]) -> list[str]:
    """A line if `function` can be called in none of the `ways`."""
    if not callable(function):
        return [f"{name}: must be a function, got {shown(function)}"]
    try:
        signature = inspect.signature(function)
    except ValueError:
        return []  # a builtin that does not say what it takes
    for way in ways:
        try:
            signature.bind(*way)
        except TypeError:
            continue
        return []
    wanted = " or ".join(f"({', '.join(way)})" for way in ways)
    return [f"{name}: must accept {wanted}, got {signature}"]


def _module_problem(module: object) -> str | None:
    """Why `module` cannot be trained, or None."""
    if not isinstance(module, nn.Module):
        return f"must return a torch.nn.Module, got {shown(module)}"
    tensors = [*module.parameters(), *module.buffers()]
    if any(nn.parameter.is_lazy(tensor) for tensor in tensors):
        return "must return a module whose shapes are known, got a lazy one"
    parameters = [tensor for tensor in module.parameters() if tensor.requires_grad]
    if not parameters:
        return "must return a module with parameters to train, got one without"
    if not all(tensor.is_floating_point() for tensor in parameters):
        return "must return a module of real numbers, got complex parameters"
    return None
