"""What we write is read by Optuna's own storage, and the other way round."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from tuner.errors import InputError
from tuner.storage import Storage
from tuner.storage.engine import Database

NAMES = [
    "\u00e9\u4e2d\u6587\U0001f642",
    "\u200f\u05e2\u05d1\u05e8",
    "'; DROP TABLE trials; --",
    "a\nb\t%s{}",
    "n" * 512,
    "",
]


def fill(storage: BaseStorage, name: str) -> int:
    """A study with one of everything; returns its id."""
    study_id = storage.create_new_study([StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE], name)
    storage.set_study_user_attr(study_id, "ключ", {"nested": [1, None, "ü\x00"]})
    storage.set_study_system_attr(study_id, "k" * 512, math.inf)
    trial_id = storage.create_new_trial(study_id)
    storage.set_trial_param(trial_id, "lr", 1e-3, FloatDistribution(1e-4, 1.0, log=True))
    storage.set_trial_param(trial_id, "units", 8, IntDistribution(8, 128, step=8))
    choices = (None, True, 1.5, "sgd", "é")
    storage.set_trial_param(trial_id, "opt", 4, CategoricalDistribution(choices))
    for step, value in enumerate([0.5, math.inf, -math.inf, math.nan, 1e308, -1e-308]):
        storage.set_trial_intermediate_value(trial_id, step, value)
    storage.set_trial_intermediate_value(trial_id, 0, 0.25)
    storage.set_trial_user_attr(trial_id, "note", "ä" * 3000)
    storage.set_trial_system_attr(trial_id, "constraints", [0.0, -1.5])
    storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [math.inf, -0.1])
    storage.create_new_trial(study_id, create_trial(state=TrialState.WAITING, params={}))
    storage.create_new_trial(study_id, storage.get_trial(trial_id))
    return study_id


def content(storage: BaseStorage, study_id: int) -> dict[str, Any]:
    """Everything a storage says of a study, comparable (NaN as text)."""
    return {
        "name": storage.get_study_name_from_id(study_id),
        "directions": storage.get_study_directions(study_id),
        "user": storage.get_study_user_attrs(study_id),
        "system": storage.get_study_system_attrs(study_id),
        "trials": [repr(trial) for trial in storage.get_all_trials(study_id)],
        "types": [
            {name: type(value) for name, value in trial.params.items()}
            for trial in storage.get_all_trials(study_id)
        ],
    }


@pytest.mark.parametrize("name", NAMES)
def test_optuna_reads_what_we_write(pair: tuple[Storage, BaseStorage], name: str) -> None:
    """Names, attributes, values and times arrive in Optuna's own storage exactly."""
    ours, theirs = pair
    study_id = fill(ours, name)
    assert content(theirs, study_id) == content(ours, study_id)
    assert theirs.get_study_id_from_name(name) == study_id


@pytest.mark.parametrize("name", NAMES)
def test_we_read_what_optuna_writes(pair: tuple[Storage, BaseStorage], name: str) -> None:
    """A study that Optuna's own storage wrote is the same for us."""
    ours, theirs = pair
    study_id = fill(theirs, name)
    assert content(ours, study_id) == content(theirs, study_id)
    assert [s.study_name for s in ours.get_all_studies()] == [name]


def test_memory_equals_database(pair: tuple[Storage, BaseStorage], url: str) -> None:
    """A storage opened later reads the very trials that the writing one has in memory."""
    ours, _ = pair
    study_id = fill(ours, "study")
    later = Storage(Database(url))
    assert content(later, study_id) == content(ours, study_id)
    later.close()


def test_load_study_just_works(sqlite: str, opened: Any) -> None:
    """`optuna.load_study` with the plain URL continues a study of ours, numbers included."""
    ours = opened(sqlite)
    study = optuna.create_study(storage=ours, study_name="s")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    again = optuna.load_study(study_name="s", storage=sqlite)
    again.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert [t.number for t in again.trials] == [0, 1, 2, 3, 4]
    again._storage._backend.engine.dispose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["x" * 513, "a\x00b", "\ud800"])
def test_names_that_sql_cannot_hold_are_refused(storage: Storage, name: str) -> None:
    """Too long a name, a NUL or half a surrogate are the user's mistake, in every place."""
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])
    trial_id = storage.create_new_trial(study_id)
    unit = FloatDistribution(0, 1)
    template = create_trial(state=TrialState.WAITING, user_attrs={name: 1})
    for attempt in (
        lambda: storage.create_new_study([StudyDirection.MINIMIZE], name),
        lambda: storage.set_trial_user_attr(trial_id, name, 1),
        lambda: storage.set_trial_system_attr(trial_id, name, 1),
        lambda: storage.set_study_user_attr(study_id, name, 1),
        lambda: storage.set_trial_param(trial_id, name, 0.5, unit),
        lambda: storage.create_new_trial(study_id, template),
    ):
        with pytest.raises(InputError, match="must"):
            attempt()
    storage.flush()
    assert len(storage.get_all_trials(study_id)) == 1


def test_steps_beyond_the_column_are_refused(storage: Storage) -> None:
    """A step that the database cannot hold is refused at once, not by the flusher later."""
    trial_id = storage.create_new_trial(storage.create_new_study([StudyDirection.MINIMIZE]))
    with pytest.raises(InputError, match="step must be between"):
        storage.set_trial_intermediate_value(trial_id, 2**63, 0.0)


def test_nan_is_no_value(storage: Storage) -> None:
    """NaN cannot be a final value, and the trial stays as it was."""
    trial_id = storage.create_new_trial(storage.create_new_study([StudyDirection.MINIMIZE]))
    with pytest.raises(ValueError, match="NaN"):
        storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [math.nan])
    assert storage.get_trial(trial_id).state == TrialState.RUNNING
