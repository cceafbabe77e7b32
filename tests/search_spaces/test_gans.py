"""Ready spaces of GANs are legal, and can be written down."""

from __future__ import annotations

import optuna
import pytest

from search_spaces import Space, gans

SPACES = {name: value for name, value in vars(gans).items() if isinstance(value, Space)}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_ready_spaces_are_legal(space: Space) -> None:
    """They are read back from YAML, their words are legal ones, and suggestions lie in them."""
    assert Space.from_yaml(space.to_yaml()) == space
    for name in gans.CHOICES.keys() & space.keys():
        assert set(space[name].values() or ()) <= set(gans.CHOICES[name])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(5):
        assert space.validate(space.suggest(study.ask())) == []
