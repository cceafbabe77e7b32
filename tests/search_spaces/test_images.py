"""The ready spaces for images against what their trainers accept."""

import pytest

from search_spaces import Space
from search_spaces.images import CHOICES, CNN, DCGAN
from trials.gans import dcgan
from trials.networks import cnn
from trials.stacked.pooling import POOLINGS

PAIRS = [(CNN, cnn.DOMAIN), (DCGAN, dcgan.DOMAIN)]


@pytest.mark.parametrize(("space", "domain"), PAIRS, ids=["cnn", "dcgan"])
def test_trainers_accept_every_value_of_the_ready_space(space, domain):
    """The ends of each range and all choices lie in the trainer's domain."""
    for name, axis in space.items():
        values = axis.values()
        ends = (axis.low, axis.high) if values is None else values
        assert all(domain[name].contains(value) for value in ends), name


@pytest.mark.parametrize("space", [CNN, DCGAN], ids=["cnn", "dcgan"])
def test_spaces_are_read_back_from_yaml(space):
    """Nothing is lost in writing."""
    assert Space.from_yaml(space.to_yaml()) == space


def test_words_of_pooling_are_those_of_the_code():
    """Whatever is legal can be computed."""
    assert set(CHOICES["pooling"]) == set(POOLINGS)
