"""The words of the ready spaces for images."""

from search_spaces.images import CHOICES
from trials.stacked.pooling import POOLINGS


def test_words_of_pooling_are_those_of_the_code():
    """Whatever is legal can be computed."""
    assert set(CHOICES["pooling"]) == set(POOLINGS)
