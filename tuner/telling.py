"""Hides how a trial is told: as `Study.tell` does it, without copying the trial for the caller."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optuna.trial import TrialState

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage


def tell(
    study: optuna.Study,
    storage: BaseStorage,
    trial_id: int,
    state: TrialState,
    values: Sequence[float] | None,
) -> None:
    """The running trial has ended, and the sampler knows.

    A pruned trial gets its last intermediate value for its value, if that is a number.

    Args:
        study: The trial's.
        storage: The study's.
        trial_id: Key of the trial.
        state: COMPLETE, PRUNED or FAIL.
        values: Finite, one per objective, of a complete trial; else None.
    """
    trial = storage.get_trial(trial_id)
    if state == TrialState.PRUNED and trial.last_step is not None and len(study.directions) == 1:
        last = trial.intermediate_values[trial.last_step]
        values = None if math.isnan(last) else [last]
    told = None if values is None else [float(value) for value in values]
    study.sampler.after_trial(study, trial, state, told)
    storage.set_trial_state_values(trial_id, state, told)
