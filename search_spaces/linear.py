"""The ready space of models without hidden units."""

from __future__ import annotations

from search_spaces.deep_networks import (
    BATCH_SIZE,
    INPUT_SCALING,
    L1,
    L2,
    MOMENTUM,
    NESTEROV,
    OPTIMIZER,
    SCHEDULE,
)
from search_spaces.parameters import Float
from search_spaces.space import Space

LINEAR = Space(
    learning_rate=Float(1e-3, 1.0, log=True),
    optimizer=OPTIMIZER,
    momentum=MOMENTUM,
    nesterov=NESTEROV,
    l1=L1,
    l2=L2,
    batch_size=BATCH_SIZE,
    schedule=SCHEDULE,
    input_scaling=INPUT_SCALING,
)
"""The ready space of the `linear` trainer.

The penalties act on coefficients of scaled inputs, so with `input_scaling: none` they mean
something else for every column.
"""
