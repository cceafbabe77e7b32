"""Which stacks of a lane train in which turn."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Hashable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from stubs import StubCohort

from trials.contract import Progress, Row
from tuner.rotation import advance, next_due, stacks, unit_of, units


class Divided(StubCohort):
    """A cohort of two blocks, "low" and "high" by the row's key."""

    @property
    def blocks(self) -> dict[str, int]:
        return dict(Counter(map(self.block_of, self.rows)))

    def block_of(self, key: int) -> str:
        return "low" if key < 10 else "high"

    def advance(self, blocks: Collection[str] | None = None) -> list[Progress]:
        found = super().advance()
        return [p for p in found if blocks is None or self.block_of(p.key) in blocks]


def cohort(kind: type[StubCohort], *keys: int) -> StubCohort:
    """A cohort with such rows."""
    made = kind()
    made.admit([Row(key, {"x": 0.5, "kind": "a"}, 7, 9) for key in keys])
    return made


def test_blocks_of_equal_names_in_two_cohorts_are_two_units() -> None:
    """One may train while the other rests; a cohort that cannot be divided is one unit."""
    cohorts: dict[Hashable, Any] = {
        "a": cohort(Divided, 1, 2, 11),
        "b": cohort(Divided, 3),
        "c": cohort(StubCohort, 4),
    }
    names = {key: unit_of(home, cohorts[home], key) for home, key in [("a", 1), ("b", 3), ("c", 4)]}
    high = unit_of("a", cohorts["a"], 11)
    assert units(cohorts) == {names[1]: 2, high: 1, names[3]: 1, names[4]: 1}
    due = [names[1], names[4]]
    assert stacks(cohorts, due) == {"low": 2, "stub": 1}
    trained = {home: [p.key for p in advance(home, cohorts[home], due)] for home in cohorts}
    assert trained == {"a": [1, 2], "b": [], "c": [4]}


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


def test_half_of_the_rows_are_due_where_all_stacks_or_none_trained() -> None:
    """The largest stacks come first, until they hold half of the rows."""
    stacks = {"a": 2, "b": 3, "c": 2, "d": 1}
    assert next_due(stacks, ()) == ("a", "b")
    assert next_due(stacks, tuple(stacks)) == ("a", "b")


def test_all_stacks_are_due_where_those_that_trained_are_gone() -> None:
    """None rests twice, though a larger one has just come."""
    assert next_due({"a": 2, "new": 9}, ("gone",)) == ("a", "new")


@given(seed=st.integers(0, 2**32), n_names=st.integers(1, 6))
def test_stacks_take_turns(seed: int, n_names: int) -> None:
    """Whichever come and go: none rests twice, and none trains twice beside others."""
    rng = random.Random(seed)
    names = [chr(97 + n) for n in range(n_names)]
    due: tuple[str, ...] = ()
    rested: set[str] = set()
    for _ in range(20):
        stacks = {name: rng.randint(1, 9) for name in names if rng.random() < 0.7}
        before, due = due, next_due(stacks, due)
        assert set(due) <= stacks.keys()
        assert bool(due) == bool(stacks)
        assert rested & stacks.keys() <= set(due)
        if stacks.keys() - set(before):
            assert not set(due) & set(before)
        rested = stacks.keys() - set(due)
