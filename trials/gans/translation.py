"""How far made images are from the true ones, where these are known."""

from __future__ import annotations

from torch import Tensor

from trials.contract import Objective
from trials.gans.real import Real
from trials.gans.telling import in_turn

VALIDATION_L1 = Objective("validation_l1", "minimize", "data units")
"""The figure of every translation of images."""


def distance(real: Real, made: Tensor, truth: Tensor) -> Tensor:
    """The mean absolute difference from the true images, in data units, shape (K,).

    Args:
        real: What the generator learns from, whose scale the made images have.
        made: Shape (K, N, at least D); sample n answers image n of the truth, taken in turns.
        truth: In data units, shape (V, D).
    """
    images = real.in_data_units(made)
    return (images - in_turn(truth, made.shape[1])).abs().flatten(1).double().mean(1)
