"""Text from a network that has learnt sentences."""

import pytest
import torch

from trials.contract import Row
from trials.data import load
from trials.networks.rnn import RNN
from trials.networks.text import continued

PARAMS = {"units": 32, "batch_size": 32, "learning_rate": 0.01, "cell": "gru"}


@pytest.fixture(scope="module")
def learnt():
    """A trainer on sentences and a row that has trained for three epochs."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    trainer = RNN(load("sentences"))
    cohort = trainer.cohort(trainer.structure(PARAMS))
    cohort.admit([Row(0, PARAMS, 5, 3)])
    accuracy = [cohort.advance()[0].metrics["validation_accuracy"] for _ in range(3)][-1]
    torch.set_num_threads(n_threads)
    return trainer, cohort.save(0), accuracy


def test_most_characters_are_foretold(learnt):
    """Three epochs teach far more than the share of the commonest character, a quarter."""
    assert learnt[2] > 0.7


def test_one_beginning_is_continued(learnt):
    """The text is a function of beginning and seed, and has words of the grammar."""
    trainer, state, _ = learnt
    text = continued(trainer, state, PARAMS, "the cat ", 80, seed=1)
    assert len(text) == 80
    assert continued(trainer, state, PARAMS, "the cat ", 80, seed=1) == text
    assert continued(trainer, state, PARAMS, "the cat ", 80, seed=2) != text
    words = {"sees", "likes", "follows", "hears", "the", "my", "a", "moon", "tree", "hat", "river"}
    assert len(words & set(text.replace(".", "").split())) >= 4


def test_the_most_likely_character_is_that_of_the_network(learnt):
    """Draws follow the row's own outputs: a window of the data is continued as it foretells."""
    trainer, state, _ = learnt
    found = {continued(trainer, state, PARAMS, "a dog follo", 1, seed=s) for s in range(5)}
    assert found == {"w"}


def test_strange_characters_are_refused(learnt):
    """A character that no class stands for is named."""
    trainer, state, _ = learnt
    with pytest.raises(ValueError, match=r"beginning: must be of the characters .*, got '!'"):
        continued(trainer, state, PARAMS, "oh!", 3)


def test_draws_come_from_a_generator_of_their_own(learnt):
    """The seed of torch does not change the text."""
    trainer, state, _ = learnt
    torch.manual_seed(3)
    first = continued(trainer, state, PARAMS, "the ", 20)
    torch.manual_seed(4)
    assert continued(trainer, state, PARAMS, "the ", 20) == first
