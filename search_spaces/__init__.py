"""What may be tried: axes, and spaces of axes with conditions; Optuna is imported when asked."""

from search_spaces.errors import SpaceError
from search_spaces.parameters import Axis, Categorical, Constant, Float, Int, Ordinal
from search_spaces.space import Space

__all__ = [
    "Axis",
    "Categorical",
    "Constant",
    "Float",
    "Int",
    "Ordinal",
    "Space",
    "SpaceError",
]
