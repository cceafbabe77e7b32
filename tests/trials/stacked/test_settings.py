"""How parameters of a trial become settings."""

import dataclasses

import pytest

from search_spaces.deep_networks import CHOICES
from trials.networks.mlp import DOMAIN
from trials.stacked.settings import SUPERVISED_AXES, SupervisedSettings, settings_of


def test_names_are_checked_and_defaults_filled_in():
    """Axes that are not named keep their defaults; one that there is not is refused by name."""
    settings = settings_of(SupervisedSettings, {"batch_size": 7})
    assert settings == SupervisedSettings(batch_size=7)
    with pytest.raises(ValueError, match="unknown axes \\['beta3'\\]; there are learning_rate"):
        settings_of(SupervisedSettings, {"beta3": 1, "l1": 0.0})


def test_every_setting_is_an_axis():
    """What a trial may set and what a space may vary are the same."""
    assert {field.name for field in dataclasses.fields(SupervisedSettings)} == set(SUPERVISED_AXES)


def test_words_are_those_of_the_spaces():
    """Every legal value of an axis of words is one that the perceptron can take, in this order."""
    for axis in ("optimizer", "activation", "initializer", "schedule", "normalization"):
        assert DOMAIN[axis].values() == CHOICES[axis]


@pytest.mark.parametrize(("optimizer", "decay"), [("adamw", 0.1), ("adam", 0.0), ("sgd", 0.0)])
def test_l2_acts_beside_the_gradient_under_adamw(optimizer, decay):
    """The rule's decay is l2 for AdamW; the others have it in the gradient."""
    settings = SupervisedSettings(optimizer=optimizer, l2=0.1, rho=0.7)
    assert settings.rule.decay == decay
    assert settings.rule.rho == 0.7
