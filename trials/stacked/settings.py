"""How a trial's parameters become a trainer's settings, and the axes all supervised ones have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from search_spaces import Categorical, Float, Int
from search_spaces.parameters import Axis
from trials.data.scaling import ScalingKind
from trials.stacked.initializers import INITIALIZERS
from trials.stacked.losses import SLOPES
from trials.stacked.optimizers import FAMILIES, Rule
from trials.stacked.optimizers.second_order import WHOLE
from trials.stacked.schedules import PLATEAU, SCHEDULES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)


def settings_of(kind: type[Settings], params: Mapping[str, Any]) -> Settings:
    """A `kind`, a dataclass whose fields are axes with defaults, with the values of `params`.

    Raises:
        ValueError: An axis that `kind` does not have.
    """
    names = _names(kind)
    if not params.keys() <= names.keys():
        unknown = sorted(params.keys() - names.keys())
        raise ValueError(f"params: unknown axes {unknown}; there are {', '.join(names)}")
    return kind(**params)


@cache
def _names(kind: type[Any]) -> dict[str, None]:
    """The axes in order."""
    return {field.name: None for field in fields(kind)}


class Ruled:
    """Settings with an axis for every field of `Rule` but the decay, which follows from `l2`."""

    optimizer: str
    l2: float

    @property
    def decay(self) -> float:
        """The part of l2 that acts beside the gradient."""
        return self.l2 if self.optimizer == "adamw" else 0.0

    @property
    def rule(self) -> Rule:
        """The optimizer's part."""
        return Rule(**{name: getattr(self, name) for name in _names(Rule)})


@dataclass(frozen=True)
class SupervisedSettings(Ruled):
    """The axes of every supervised trainer; those a trial does not name have these values.

    The penalty is l1 * sum |w| + l2 / 2 * sum w**2 over weights, not biases; under adamw, l2 is
    the rate by which weights decay beside the gradient. Label smoothing is for classes; numbers
    are learnt as they are. `max_norm` is the greatest length of the weights into a unit; 0 is none.

    The schedules step and plateau cut the rate by `schedule_factor`, exponential reaches the same
    end as step; plateau cuts when more than `schedule_patience` epochs were no better. After
    `early_stopping_patience` epochs that were no better a row trains no more; 0 is never.
    """

    learning_rate: float = 0.01
    optimizer: str = "adam"
    momentum: float = 0.0
    nesterov: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    rho: float = 0.9
    epsilon: float = 1e-8
    dropout: float = 0.0
    dropconnect: float = 0.0
    max_norm: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    label_smoothing: float = 0.0
    loss: str | None = None
    class_weights: str = "none"
    batch_size: int = 32
    initializer: str = "he_uniform"
    initial_scale: float = 1.0
    schedule: str = "constant"
    schedule_factor: float = 0.1
    schedule_patience: int = 5
    early_stopping_patience: int = 0
    input_scaling: ScalingKind = "standardize"


SUPERVISED_AXES: dict[str, Axis] = {
    "learning_rate": Float(1e-12, 1e6),
    "optimizer": Categorical((*FAMILIES, *WHOLE)),
    "momentum": Float(0.0, 1.0),
    "nesterov": Categorical((False, True)),
    "beta1": Float(0.0, 0.999999),
    "beta2": Float(0.0, 0.999999),
    "rho": Float(0.0, 0.999999),
    "epsilon": Float(1e-30, 1.0),
    "dropout": Float(0.0, 0.99),
    "dropconnect": Float(0.0, 0.99),
    "max_norm": Float(0.0, 1e6),
    "l1": Float(0.0, 1e6),
    "l2": Float(0.0, 1e6),
    "label_smoothing": Float(0.0, 0.999),
    "loss": Categorical(tuple(dict.fromkeys(n for names in SLOPES.values() for n in names))),
    "class_weights": Categorical(("none", "balanced")),
    "batch_size": Int(1, 2**20),
    "initializer": Categorical(tuple(INITIALIZERS)),
    "initial_scale": Float(0.0, 1e6),
    "schedule": Categorical((*SCHEDULES, PLATEAU)),
    "schedule_factor": Float(1e-6, 0.999999),
    "schedule_patience": Int(0, 2**20),
    "early_stopping_patience": Int(0, 2**20),
    "input_scaling": Categorical(get_args(ScalingKind)),
}
"""What may be asked of every supervised trainer, far beyond what is worth trying."""
