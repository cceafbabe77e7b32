"""GANs that fail are told while they train, and told the same when they are moved."""

from __future__ import annotations

import dataclasses

import pytest

from trials.contract import Finding, Row
from trials.data import Dataset, load
from trials.gans.failures import DETECTORS
from trials.gans.vectors import VectorGAN

STILL = {"learning_rate": 1e-9, "units": 32, "layers": 2, "latent": 4, "batch_size": 32}
"""A generator that hardly learns stays in the middle of the data and never reaches its modes."""

LEARNING = STILL | {"learning_rate": 2e-3}


@pytest.fixture(scope="module")
def grid() -> Dataset:
    """A grid of few points."""
    whole = load("grid", seed=0)
    return dataclasses.replace(whole, train=dataclasses.replace(whole.train, x=whole.train.x[:256]))


def found(
    trainer: VectorGAN, rows: list[Row], moved_at: int = 0
) -> dict[int, list[tuple[int, Finding]]]:
    """What shows in each row, at which epochs of 18; all rows are moved after one of them."""
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    seen: dict[int, list[tuple[int, Finding]]] = {row.key: [] for row in rows}
    for epoch in range(1, 19):
        for progress in cohort.advance():
            seen[progress.key] += [(epoch, finding) for finding in progress.findings]
        if epoch == moved_at:
            states = {row.key: cohort.save(row.key) for row in rows}
            cohort = trainer.cohort(trainer.structure(rows[0].params))
            cohort.admit(rows, states)
    return seen


def test_rows_are_told_apart_and_moved_alike(grid: Dataset) -> None:
    """One row never spreads, the other does; a checkpoint in between changes neither."""
    trainer = VectorGAN(grid)
    rows = [Row(0, STILL, 3, 18), Row(1, LEARNING, 3, 18)]
    whole = found(trainer, rows)
    told = [(e, f.is_hopeless) for e, f in whole[0] if f.kind == "mode collapse"]
    assert told == [(16, True), (17, True), (18, True)]
    assert all("reached at most" in f.text for _, f in whole[0] if f.kind == "mode collapse")
    assert not [f for _, f in whole[1] if f.is_hopeless]
    for moved_at in (1, 17):
        assert found(trainer, rows, moved_at) == whole


def test_what_is_hopeless_is_stated() -> None:
    """Only what no run recovered from ends a trial."""
    hopeless = {kind for kind, detector in DETECTORS.items() if detector.is_hopeless}
    assert hopeless == {"non-finite", "divergence", "mode collapse"}
