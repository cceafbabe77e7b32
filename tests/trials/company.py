"""Rows beside others: what they tell and remember, bit by bit, must be as when they are alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trials.contract import Cohort, Row, RowState, Trainer

Told = dict[str, str]


def cohort_of(
    trainer: Trainer, rows: Sequence[Row], states: Mapping[int, RowState] | None = None
) -> Cohort:
    """A cohort of these rows, which share a structure."""
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows, states)
    return cohort


def curves(cohort: Cohort, n_epochs: int) -> defaultdict[int, list[Told]]:
    """Metrics of each row by key and epoch, as text that keeps every bit and nan equal to nan."""
    found: defaultdict[int, list[Told]] = defaultdict(list)
    for _ in range(n_epochs):
        for progress in cohort.advance():
            figures = {name: value.hex() for name, value in progress.metrics.items()}
            found[progress.key].append(figures)
    return found


def bits(state: RowState, *without: str) -> dict[str, bytes]:
    """The state's tensors as bytes, but those of the names `without`."""
    return {n: tensor.numpy().tobytes() for n, tensor in state.items() if n not in without}


def assert_own_bits(trainer: Trainer, rows: Sequence[Row], n_epochs: int) -> None:
    """Each row has the same bits beside the others, alone, and alone from its first state."""
    together = cohort_of(trainer, rows)
    expected = curves(together, n_epochs)
    for row in rows:
        alone = cohort_of(trainer, [row])
        first = curves(alone, 1)[row.key]
        again = cohort_of(trainer, [row], {row.key: alone.save(row.key)})
        for cohort in (alone, again):
            found = first + curves(cohort, n_epochs - 1)[row.key]
            assert found == expected[row.key], row
            assert bits(cohort.save(row.key)) == bits(together.save(row.key)), row


def assert_late_bits(
    trainer: Trainer, rows: Sequence[Row], chosen: Sequence[Row], n_epochs: int
) -> None:
    """Those chosen have the same bits in company, admitted late, and alone from their last state.

    Args:
        trainer: Of the rows.
        rows: Of one structure.
        chosen: Of them.
        n_epochs: Epochs, the last of which each row trains alone.
    """
    together = cohort_of(trainer, rows)
    expected = curves(together, n_epochs)
    cohort = cohort_of(trainer, rows[:1])
    cohort.advance()
    late = [replace(row, key=99 + row.key) for row in chosen]
    cohort.admit(late)
    found = curves(cohort, n_epochs - 1)
    for row, own in zip(chosen, late, strict=True):
        alone = cohort_of(trainer, [own], {own.key: cohort.save(own.key)})
        assert found[own.key] + curves(alone, 1)[own.key] == expected[row.key], row
        assert bits(alone.save(own.key)) == bits(together.save(row.key)), row
