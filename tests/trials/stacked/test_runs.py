"""Stretches of equal neighbours."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from trials.stacked.runs import runs


@given(st.lists(st.integers(0, 2)))
def test_runs_are_the_longest_stretches(keys):
    """Runs follow each other, cover every key, and neighbours differ."""
    found = runs(keys)
    assert [key for key, rows in found for _ in range(rows.stop - rows.start)] == keys
    assert [rows.start for _, rows in found[1:]] == [rows.stop for _, rows in found[:-1]]
    assert all(a != b for (a, _), (b, _) in pairwise(found))
