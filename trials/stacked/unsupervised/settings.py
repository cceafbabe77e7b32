"""The axes of every trainer that learns without answers."""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces import Categorical
from search_spaces.parameters import Axis
from trials.stacked.optimizers import FAMILIES
from trials.stacked.settings import SUPERVISED_AXES, Ruled

_SHARED = (
    *("learning_rate", "optimizer", "momentum", "nesterov", "beta1", "beta2", "rho", "epsilon"),
    *("l1", "l2", "max_norm", "batch_size", "initializer", "initial_scale"),
    *("schedule", "schedule_factor", "schedule_patience", "early_stopping_patience"),
)
_SCALINGS = ("none", "standardize", "minmax")


@dataclass(frozen=True)
class DescentSettings(Ruled):
    """The shared axes; those a trial does not name have these values.

    They mean what they mean for supervised trainers: the penalty is l1 * sum |w| + l2 / 2 *
    sum w**2 over weights, and under adamw l2 is the rate by which weights decay. What the schedule
    plateau and early stopping follow is the validation loss.
    """

    learning_rate: float = 0.001
    optimizer: str = "adam"
    momentum: float = 0.0
    nesterov: bool = False
    beta1: float = 0.9
    beta2: float = 0.999
    rho: float = 0.9
    epsilon: float = 1e-8
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float = 0.0
    batch_size: int = 32
    initializer: str = "xavier_uniform"
    initial_scale: float = 1.0
    schedule: str = "constant"
    schedule_factor: float = 0.1
    schedule_patience: int = 5
    early_stopping_patience: int = 0
    input_scaling: str = "minmax"


DESCENT_AXES: dict[str, Axis] = {
    **{name: SUPERVISED_AXES[name] for name in _SHARED},
    "optimizer": Categorical(tuple(FAMILIES)),
    "input_scaling": Categorical(_SCALINGS),
}
"""What may be asked of every trainer without answers, far beyond what is worth trying."""
