"""The ready space of networks over trees."""

from __future__ import annotations

from search_spaces.deep_networks import INITIALIZER, MOMENTUM, NESTEROV, OPTIMIZER, SCHEDULE
from search_spaces.parameters import Categorical, Float, Int
from search_spaces.space import Space

RECURSIVE = Space(
    learning_rate=Float(1e-3, 1e-1, log=True),
    optimizer=OPTIMIZER,
    momentum=MOMENTUM,
    nesterov=NESTEROV,
    dropout=Float(0.0, 0.3),
    l2=Float(1e-7, 1e-3, log=True),
    units=Int(8, 32, log=True),
    batch_size=Categorical((32, 64, 128)),
    activation=Categorical(("tanh", "relu", "elu")),
    initializer=INITIALIZER,
    schedule=SCHEDULE,
)
"""The ready space of the `recursive` trainer; `units` is the length of a node's vector."""
