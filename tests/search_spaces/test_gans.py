"""Ready spaces of GANs are legal, can be written down, and are what their trainers accept."""

from __future__ import annotations

from importlib import import_module

import optuna
import pytest

from search_spaces import Space, gans
from search_spaces.images import DCGAN
from trials import TRAINERS
from trials.gans.trainer import GANTrainer

SPACES = {name: value for name, value in vars(gans).items() if isinstance(value, Space)} | {
    "DCGAN": DCGAN
}


def trainers() -> dict[str, type[GANTrainer]]:
    """Every GAN of the table by name."""
    found = {}
    for name, place in TRAINERS.items():
        module, kind = place.split(":")
        if module.startswith("trials.gans."):
            found[name] = getattr(import_module(module), kind)
    return found


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_ready_spaces_are_legal(space: Space) -> None:
    """They are read back from YAML, and suggestions lie in them."""
    assert Space.from_yaml(space.to_yaml()) == space
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(5):
        assert space.validate(space.suggest(study.ask())) == []


@pytest.mark.parametrize("trainer", trainers().values(), ids=trainers())
def test_trainer_accepts_every_value_of_its_ready_space(trainer: type[GANTrainer]) -> None:
    """The ends of each range and all choices lie in the trainer's domain."""
    for name, axis in trainer.space.items():
        values = axis.values() or (axis.low, axis.high)  # type: ignore[attr-defined]
        assert all(trainer.domain[name].contains(value) for value in values), name


def test_every_ready_space_has_its_trainer() -> None:
    """None is left over, and no trainer is without."""
    spaces = {name: space for name, space in SPACES.items() if not name.startswith("_")}
    used = [trainer.space for trainer in trainers().values()]
    assert len(used) == len(spaces)
    assert all(any(own is space for own in used) for space in spaces.values())
