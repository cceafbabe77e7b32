"""Axes that no ready space has leave a row its bits too, whoever trains beside it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from axis_changes import CASES, case_trainer, pairs_of

from trials.contract import Cohort, Row, RowState

Seen = tuple[dict[str, str], dict[str, bytes]]
"""The figures of a row's last epoch, and its state."""


def rows_beyond(trainer: Any, name: str) -> list[Row]:
    """Rows of two epochs, two for each axis that the ready space lacks, of different rates."""
    pairs = pairs_of(trainer, name)
    params = [pair[1] for axis, pair in pairs.items() if axis not in trainer.space]
    params += [own | {"learning_rate": 0.02} for own in params]
    return [Row(key, own, 5 + key, 2) for key, own in enumerate(params)]


def advanced(cohort: Cohort) -> dict[int, dict[str, str]]:
    """What each row measures in the next epoch, as text that keeps every bit."""
    return {
        progress.key: {name: value.hex() for name, value in progress.metrics.items()}
        for progress in cohort.advance()
    }


def bits(state: RowState) -> dict[str, bytes]:
    """The state's tensors as bytes."""
    return {name: tensor.numpy().tobytes() for name, tensor in state.items()}


def alone(trainer: Any, row: Row, n_epochs: int) -> Seen:
    """Of a row that trains by itself, every epoch in a cohort of its own."""
    figures, states = dict[str, str](), None
    for _ in range(n_epochs):
        cohort = trainer.cohort(trainer.structure(row.params))
        cohort.admit([row], states)
        figures = advanced(cohort)[row.key]
        states = {row.key: cohort.save(row.key)}
    assert states is not None
    return figures, bits(states[row.key])


@pytest.mark.parametrize(("name", "data"), CASES, ids=[" on ".join(case) for case in CASES])
def test_axes_beyond_the_ready_space_change_no_bit_in_company(name: str, data: str) -> None:
    """Rows beside others, early and late, are those that went alone from one state to the next."""
    trainer = case_trainer(name, data)
    homes: dict[Any, list[Row]] = defaultdict(list)
    for row in rows_beyond(trainer, name):
        homes[trainer.structure(row.params)].append(row)
    for structure, rows in homes.items():
        cohort = trainer.cohort(structure)
        early, late = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        cohort.admit(early)
        advanced(cohort)
        cohort.admit(late)
        figures = advanced(cohort)
        for row in rows:
            found = figures[row.key], bits(cohort.save(row.key))
            assert found == alone(trainer, row, 2 if row in early else 1), row.params
