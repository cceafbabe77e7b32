"""The words of the ready spaces of networks that learn without answers."""

import pytest

from search_spaces.unsupervised import CHOICES
from trials.networks import autoencoder, dbn, pretrained, rbm

DOMAINS = {
    "autoencoder": autoencoder.DOMAIN,
    "rbm": rbm.DOMAIN,
    "ratings": rbm.RATINGS_DOMAIN,
    "dbn": dbn.DOMAIN,
    "pretrained": pretrained.DOMAIN,
}


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_words_are_legal(domain):
    """Every choice of a trainer is among the legal ones of its axis."""
    for name in CHOICES.keys() & domain.keys():
        assert set(domain[name].values()) <= set(CHOICES[name]), name
