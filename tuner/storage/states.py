"""Hides how trials change their state against everybody else, many of them in one statement."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuner.storage.rows import encode_time, trial_id_of
from tuner.storage.statements import ChangeState, HoldTrials, change_state, state_row

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from tuner.storage.mirror import MirroredStudy
    from tuner.storage.rows import Row
    from tuner.storage.transactions import Unit


def set_state(unit: Unit, study: MirroredStudy, changed: FrozenTrial) -> bool:
    """Whether the trial has its new state and times, for everybody from the commit on.

    If not, it is read again soon.

    Raises:
        UpdateFinishedTrialError: Somebody else ended it.
        KeyError: Somebody deleted it.
    """
    trial_id = trial_id_of(changed)
    times = {
        "datetime_start": encode_time(changed.datetime_start),
        "datetime_complete": encode_time(changed.datetime_complete),
    }
    unit.study_ids.add(study.study_id)
    if changed.state.is_finished() and _is_held(unit, study, trial_id):
        row = state_row(trial_id, changed.state, times)
        unit.staged.add(change_state(from_waiting_only=False), row)
        return True
    is_changed = False
    try:
        is_changed = _change_now(unit, trial_id, changed, times)
    finally:
        if not is_changed:
            study.ours.discard(trial_id)
            study.refreshed_at = -math.inf
    unit.known.add(trial_id)
    return is_changed


def _is_held(unit: Unit, study: MirroredStudy, trial_id: int) -> bool:
    """Whether nobody else can end the trial any more.

    A long unit makes sure of all trials of its process at once, since more of them will end.
    """
    if not unit.is_long or trial_id not in study.ours:
        return False
    asked = study.ours - unit.known - unit.suspects
    if trial_id in asked:
        unit.suspects |= asked
        unit.known |= unit.run(HoldTrials(sorted(asked)))
    return trial_id in unit.known


def _change_now(unit: Unit, trial_id: int, changed: FrozenTrial, times: Row) -> bool:
    """Whether the trial was in a state to change from."""
    if unit.n_new_trials:
        unit.settle()
    return unit.run(ChangeState(trial_id, changed.state, times))
