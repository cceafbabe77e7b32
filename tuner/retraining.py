"""How a stored trial is trained once more, alone: its row, its epochs, its state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial

from trials.contract import Progress, Row, costs
from tuner.seeds import trial_seed

if TYPE_CHECKING:
    from trials.contract import Cohort, RowState, Trainer
    from tuner.resolve import Resolved


def row_of(resolved: Resolved, trial: FrozenTrial) -> Row:
    """The row that a lane trained for `trial`."""
    spec = resolved.spec
    assert spec.epochs is not None
    return Row(trial.number, trial.params, trial_seed(spec.seed, trial.number), spec.epochs)


def trained_alone(trainer: Trainer, row: Row) -> Iterator[tuple[Progress, Cohort]]:
    """The row's progress, epoch by epoch without end, with the cohort of which it is all."""
    cohort = trainer.cohort(trainer.structure(row.params))
    cohort.admit([row])
    while True:
        for progress in cohort.advance():
            yield progress, cohort


def trained_state(resolved: Resolved, trial: FrozenTrial) -> RowState:
    """The trial's state at the epoch that is its value, trained again from its seed."""
    trainer = resolved.trainer
    assert trainer is not None
    row = row_of(resolved, trial)
    directions = [objective.direction for objective in resolved.objectives]
    best: tuple[float, ...] | None = None
    state: RowState | None = None
    with threads(resolved):
        for progress, cohort in islice(trained_alone(trainer, row), row.epochs):
            values = [progress.metrics[objective.name] for objective in resolved.objectives]
            cost = costs(values, directions)
            if best is None or resolved.spec.value != "best" or cost < best:
                best, state = cost, cohort.save(row.key)
            if progress.is_final:
                break
    assert state is not None
    return state


@contextmanager
def threads(resolved: Resolved) -> Iterator[None]:
    """Torch has as many threads as in a lane, on which the order of its sums depends."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, int(resolved.spec.cpus_per_lane)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
