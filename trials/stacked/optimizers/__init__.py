"""Optimizers over all rows at once, each row with its own figures."""

from trials.stacked.optimizers.family import MOMENTS
from trials.stacked.optimizers.rule import Rule
from trials.stacked.optimizers.updates import FAMILIES, Updates

__all__ = ["FAMILIES", "MOMENTS", "Rule", "Updates"]
