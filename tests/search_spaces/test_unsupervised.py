"""The ready spaces of networks that learn without answers against what their trainers accept."""

import pytest

from search_spaces import Space
from search_spaces.unsupervised import AUTOENCODER, CHOICES, DBN, PRETRAINED, RATINGS, RBM
from trials.networks import autoencoder, dbn, pretrained, rbm

PAIRS = {
    "autoencoder": (AUTOENCODER, autoencoder.DOMAIN),
    "rbm": (RBM, rbm.DOMAIN),
    "ratings": (RATINGS, rbm.RATINGS_DOMAIN),
    "dbn": (DBN, dbn.DOMAIN),
    "pretrained": (PRETRAINED, pretrained.DOMAIN),
}


@pytest.mark.parametrize(("space", "domain"), PAIRS.values(), ids=PAIRS)
def test_trainers_accept_every_value_of_the_ready_space(space, domain):
    """The ends of each range and all choices lie in the trainer's domain."""
    for name, axis in space.items():
        values = axis.values()
        ends = (axis.low, axis.high) if values is None else values
        assert all(domain[name].contains(value) for value in ends), name


@pytest.mark.parametrize(("space", "domain"), PAIRS.values(), ids=PAIRS)
def test_spaces_are_read_back_from_yaml(space, domain):
    """Nothing is lost in writing."""
    assert Space.from_yaml(space.to_yaml()) == space


@pytest.mark.parametrize(("space", "domain"), PAIRS.values(), ids=PAIRS)
def test_words_are_legal(space, domain):
    """Every choice of a trainer is among the legal ones of its axis."""
    for name in CHOICES.keys() & domain.keys():
        assert set(domain[name].values()) <= set(CHOICES[name]), name
