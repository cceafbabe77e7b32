"""A user's ordinary torch module, loss and space as a trainer."""

from trials.fused.errors import ModelError
from trials.fused.trainer import FusedTrainer, fused

__all__ = ["FusedTrainer", "ModelError", "fused"]
