"""Several parameters of a trial in one call."""

from __future__ import annotations

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.study import StudyDirection

from tuner.storage import Storage

PARAMS = {
    "lr": (0.5, FloatDistribution(0.0, 1.0)),
    "units": (8.0, IntDistribution(1, 64)),
    "flag": (1.0, CategoricalDistribution((0, 1))),
    "truth": (1.0, CategoricalDistribution((False, True))),
}


def two_trials(storage: Storage) -> list[int]:
    """Two RUNNING trials of a new study."""
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])
    return [storage.create_new_trial(study_id) for _ in range(2)]


def test_together_they_are_what_they_are_one_by_one(pair: tuple[Storage, RDBStorage]) -> None:
    """In memory and as Optuna reads the database; choices that are equal keep their types."""
    ours, _ = pair
    trial_ids = two_trials(ours)
    ours.set_trial_params(trial_ids[0], PARAMS)
    for name, (value, distribution) in PARAMS.items():
        ours.set_trial_param(trial_ids[1], name, value, distribution)
    ours.flush()
    for storage in pair:
        one, other = (storage.get_trial(trial_id) for trial_id in trial_ids)
        assert one.params == {"lr": 0.5, "units": 8, "flag": 1, "truth": True}
        assert repr(sorted(one.params.items())) == repr(sorted(other.params.items()))
        assert one.params["truth"] is True
        assert one.params["flag"] is not True
        assert one.distributions == other.distributions


def test_one_that_does_not_fit_leaves_none(storage: Storage) -> None:
    """A parameter that was an integer before is refused as a choice, and the others with it."""
    trial_ids = two_trials(storage)
    storage.set_trial_params(trial_ids[0], {"units": PARAMS["units"]})
    with pytest.raises(ValueError, match="distribution kind"):
        storage.set_trial_params(
            trial_ids[1], {"lr": PARAMS["lr"], "units": (0.0, CategoricalDistribution((1, 2)))}
        )
    assert storage.get_trial(trial_ids[1]).params == {}
