"""Asking for trials with all their parameters at once."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest

from search_spaces import Categorical, Constant, Float, Int, Space
from trials.contract import Objective
from tuner.algorithms import make_sampler, reseed
from tuner.asking import Asker
from tuner.spec import SamplerSpec
from tuner.storage import Storage, open_storage

SPACE = Space(
    opt=Categorical(["sgd", "adam"]),
    momentum=Float(0, 0.99, when={"opt": "sgd"}),
    units=Int(8, 128, log=True),
    fixed=Constant("x"),
)


@pytest.fixture
def storage(url: str) -> Iterator[Storage]:
    """An empty database."""
    opened = open_storage(url)
    yield opened
    opened.close()


def study_with(storage: Storage, sampler: str, name: str) -> optuna.Study:
    """A study over the space with that sampler."""
    objectives = (Objective("loss", "minimize"),)
    made = make_sampler(SamplerSpec(name=sampler), SPACE, objectives, 3, in_flight=4)
    return optuna.create_study(study_name=name, storage=storage, sampler=made)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_trials_are_those_of_suggest(storage: Storage, url: str, sampler: str) -> None:
    """Asked at once or axis by axis, they are the same, in memory and in the database."""
    one, other = (study_with(storage, sampler, name) for name in ("one", "other"))
    asker = Asker(one, storage, SPACE)
    for number in range(25):
        for study in (one, other):
            reseed(study.sampler, number)
        trial, params = asker.ask()
        suggested = other.ask()
        assert params == SPACE.suggest(suggested)
        assert not SPACE.validate(params)
        for study, each in ((one, trial), (other, suggested)):
            study.tell(each, params["units"] + len(params["opt"]))
    storage.flush()
    plain = [optuna.load_study(study_name=name, storage=url).trials for name in ("one", "other")]
    assert [t.params for t in plain[0]] == [t.params for t in plain[1]]
    assert [t.distributions for t in plain[0]] == [t.distributions for t in plain[1]]


def test_waiting_trials_keep_what_was_enqueued(storage: Storage) -> None:
    """A value given by hand goes before the proposed one, with the branch that it opens."""
    study = study_with(storage, "tpe", "s")
    asker = Asker(study, storage, SPACE)
    for _ in range(12):
        trial, params = asker.ask()
        study.tell(trial, params["units"])
    for opt in ("sgd", "adam", "sgd"):
        study.enqueue_trial({"opt": opt, "units": 77})
        _, params = asker.ask()
        assert (params["opt"], params["units"]) == (opt, 77)
        assert not SPACE.validate(params)
