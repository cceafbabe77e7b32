"""Which stacks of a lane train in which turn."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tuner.rotation import next_due


def test_the_stacks_that_did_not_train_are_due() -> None:
    """Two halves alternate, and a new stack trains at once."""
    assert next_due({"a": 5, "b": 3, "c": 1}, ("a",)) == ("b", "c")
    assert next_due({"a": 5, "b": 3, "c": 1}, ("b", "c")) == ("a",)
    assert next_due({"a": 5, "b": 3, "new": 1}, ("b",)) == ("a", "new")


def test_a_single_stack_is_always_due() -> None:
    """Nothing else could train meanwhile."""
    assert next_due({"a": 5}, ("a",)) == ("a",)
    assert next_due({"a": 5}, ()) == ("a",)
    assert next_due({}, ("a",)) == ()


def test_half_of_the_rows_are_due_where_all_or_none_of_the_stacks_trained() -> None:
    """The largest stacks come first, until they hold half of the rows."""
    stacks = {"a": 2, "b": 3, "c": 2, "d": 1}
    assert next_due(stacks, ()) == ("a", "b")
    assert next_due(stacks, tuple(stacks)) == ("a", "b")
    assert next_due(stacks, ("gone",)) == ("a", "b")


@given(seed=st.integers(0, 2**32), n_names=st.integers(1, 6))
def test_stacks_take_turns(seed: int, n_names: int) -> None:
    """None rests twice while some that trained are left, and none trains twice beside others."""
    rng = random.Random(seed)
    names = [chr(97 + n) for n in range(n_names)]
    due: tuple[str, ...] = ()
    rested: set[str] = set()
    for _ in range(20):
        stacks = {name: rng.randint(1, 9) for name in names if rng.random() < 0.7}
        before, due = due, next_due(stacks, due)
        assert set(due) <= stacks.keys()
        assert bool(due) == bool(stacks)
        if stacks.keys() & set(before):
            assert rested & stacks.keys() <= set(due)
        if stacks.keys() - set(before):
            assert not set(due) & set(before)
        rested = stacks.keys() - set(due)
