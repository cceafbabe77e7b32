"""Where a row's randomness comes from."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.stacked.noise import generator, keep_tape, keep_threshold, normal_tape


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 7), st.integers(1, 7))
def test_tapes_do_not_depend_on_the_length_of_pieces(first, second, n_batch, width):
    """Drawing steps in two pieces gives the numbers of drawing them at once."""
    for tape in (keep_tape, normal_tape):
        whole = tape(generator(5, "x", 1), first + second, (n_batch, width))
        rng = generator(5, "x", 1)
        parts = [tape(rng, n, (n_batch, width)) for n in (first, second)]
        assert torch.equal(whole, torch.cat(parts))


def test_generators_differ_by_seed_purpose_and_epoch():
    """Each of the three arguments changes the stream; equal arguments do not."""
    streams = [
        tuple(torch.rand(4, generator=generator(*arguments)).tolist())
        for arguments in ((1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1), (1, "a", 0))
    ]
    assert len(set(streams)) == 4
    assert streams[0] == streams[-1]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.95])
def test_dropout_rate(rate):
    """The share of dropped units is the rate, within four deviations."""
    tape = keep_tape(generator(3, "dropout"), 10, (100, 100))
    dropped = float((tape >= keep_threshold(rate)).double().mean())
    assert abs(dropped - rate) <= 4 * math.sqrt(rate * (1 - rate) / 1e5) + 2**-15
