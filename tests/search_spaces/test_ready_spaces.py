"""The ready space of every trainer is legal, can be written down, and is what the trainer takes."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import optuna
import pytest

from search_spaces import Space
from search_spaces.domains import outside
from search_spaces.unsupervised import RATINGS
from trials import TRAINERS
from trials.networks.rbm import RATINGS_DOMAIN


def trainer(name: str) -> Any:
    """The trainer's class."""
    module, kind = TRAINERS[name].split(":")
    return getattr(import_module(module), kind)


READY = {name: (trainer(name).space, trainer(name).domain) for name in TRAINERS}
READY["rbm on ratings"] = (RATINGS, RATINGS_DOMAIN)


@pytest.mark.parametrize(("space", "domain"), READY.values(), ids=READY)
def test_trainer_accepts_every_value_of_its_ready_space(space: Space, domain: Space) -> None:
    """The ends of each range and all choices lie in the trainer's domain."""
    assert not outside(space, domain, "space")


@pytest.mark.parametrize(("space", "domain"), READY.values(), ids=READY)
def test_ready_spaces_are_legal(space: Space, domain: Space) -> None:
    """They and their domains are read back from YAML, and suggestions lie in them."""
    assert Space.from_yaml(space.to_yaml()) == space
    assert Space.from_yaml(domain.to_yaml()) == domain
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(5):
        assert space.validate(space.suggest(study.ask())) == []
