"""Every axis of a network's trainer makes a difference to the row that is trained."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from axis_changes import CASES, case_trainer, pairs_of

from trials.contract import Row

EPOCHS = 4


@pytest.mark.parametrize(("name", "data"), CASES, ids=[" on ".join(case) for case in CASES])
def test_every_axis_makes_a_difference(name: str, data: str) -> None:
    """Of two rows that differ in one axis alone the trained weights, or their shapes, differ."""
    trainer = case_trainer(name, data)
    pairs = pairs_of(trainer, name)
    homes: dict[Any, list[Row]] = defaultdict(list)
    for key, params in enumerate(params for pair in pairs.values() for params in pair):
        homes[trainer.structure(params)].append(Row(key, params, 3, EPOCHS))
    weights = {}
    for structure, rows in homes.items():
        cohort = trainer.cohort(structure)
        cohort.admit(rows)
        for _ in range(EPOCHS):
            cohort.advance()
        for row in rows:
            tensors = trainer.weights(cohort.save(row.key), row.params)
            weights[row.key] = {n: (t.shape, t.numpy().tobytes()) for n, t in tensors.items()}
    idle = [axis for n, axis in enumerate(pairs) if weights[2 * n] == weights[2 * n + 1]]
    assert idle == []
