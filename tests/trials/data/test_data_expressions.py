"""The expressions: what they say is what they come to, and each is there once."""

import numpy as np
import pytest

from trials.data import load
from trials.data.expressions import N_NODES, NOTHING, TRUE, text, value


def test_labels_are_what_the_written_expressions_come_to():
    """Python agrees with the label of every expression as it is written."""
    data = load("expressions")
    for tree, label in zip(data.train.x[:200].astype(int), data.train.y, strict=False):
        written = text(tree).replace("true", "True").replace("false", "False")
        assert eval(written.replace("xor", "!=")) == bool(label)


def test_expressions_differ_and_are_balanced():
    """No expression is there twice, and half of all are true."""
    data = load("expressions")
    parts = (data.train, data.validation, data.test)
    x = np.concatenate([part.x for part in parts])
    assert len(np.unique(x, axis=0)) == len(x)
    assert np.concatenate([part.y for part in parts]).mean() == 0.5
    assert data.shape == (N_NODES,)
    assert data.classes == ("false", "true")


def test_nothing_has_no_value():
    """A place without a node is no expression."""
    assert value([TRUE])
    with pytest.raises(ValueError, match="at place 0"):
        value([NOTHING])
