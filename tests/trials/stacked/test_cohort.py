"""Which rows are stacked, and when their tensors are put together anew."""

import pytest
import torch

from trials.contract import Row
from trials.stacked.cohort import StackedCohort


class Adding:
    """A training that adds one to every number of its rows."""

    def __init__(self, rows, stack):
        self.rows, self.stack = rows, stack

    def epoch(self, epochs):
        """Adds; reports the epochs that were done before."""
        self.stack["x"].add_(1.0)
        return [{"before": epoch} for epoch in epochs]


class Family:
    """Rows of as many numbers as their `size`, in order of their `rank`."""

    mode = staticmethod(torch.inference_mode)

    def __init__(self):
        self.built = []

    def block(self, row):
        return row.params["size"]

    def label(self, row):
        return f"size={row.params['size']}"

    def begin(self, row):
        return {"x": torch.zeros(row.params["size"])}

    def restore(self, row, state):
        return {"x": state["x"].clone()}

    def store(self, row, vectors):
        return {"x": vectors["x"].clone()}

    def rank(self, row):
        return (row.params.get("rank", 0),)

    def training(self, rows, stack):
        self.built.append([row.key for row in rows])
        return Adding(rows, stack)


def row(key, size=2, **params):
    """A row of that many numbers."""
    return Row(key, {"size": size, **params}, key, 9)


def progress(cohort):
    """Key -> epoch after one more epoch."""
    return {found.key: found.epoch for found in cohort.advance()}


def test_only_blocks_that_changed_are_put_together_anew():
    """Admitting and evicting touch the blocks of those rows alone."""
    family = Family()
    cohort = StackedCohort(family)
    cohort.admit([row(1), row(2), row(3, 5)])
    progress(cohort)
    assert family.built == [[1, 2], [3]]
    progress(cohort)
    assert family.built == [[1, 2], [3]]
    cohort.admit([row(4, 5)])
    progress(cohort)
    assert family.built == [[1, 2], [3], [3, 4]]
    cohort.evict([1])
    assert progress(cohort) == {2: 4, 3: 4, 4: 2}
    assert family.built == [[1, 2], [3], [3, 4], [2]]


def test_blocks_say_what_separates_rows():
    """Labels come with the number of rows; a block without rows is gone."""
    cohort = StackedCohort(Family())
    assert cohort.blocks == {}
    cohort.admit([row(1), row(2), row(3, 5)])
    assert cohort.blocks == {"size=2": 2, "size=5": 1}
    cohort.evict([3])
    assert cohort.blocks == {"size=2": 2}
    assert progress(cohort) == {1: 1, 2: 1}


def test_some_blocks_may_train_while_others_rest():
    """Rows of the named blocks are an epoch further, and each row names its block."""
    cohort = StackedCohort(Family())
    cohort.admit([row(1), row(2), row(3, 5)])
    assert [cohort.block_of(key) for key in (1, 2, 3)] == ["size=2", "size=2", "size=5"]
    assert {found.key: found.epoch for found in cohort.advance(["size=5"])} == {3: 1}
    assert progress(cohort) == {1: 1, 2: 1, 3: 2}
    assert cohort.save(3)["x"].tolist() == [2.0] * 5
    assert cohort.advance([]) == []


def test_rows_are_ordered_by_rank_and_key():
    """Rows of lower rank come first, whatever the order of admission."""
    family = Family()
    cohort = StackedCohort(family)
    cohort.admit([row(5, rank=1), row(3, rank=2), row(4, rank=1)])
    progress(cohort)
    assert family.built == [[4, 5, 3]]


def test_rows_keep_their_numbers_when_others_move():
    """After every rebuild each row goes on from its own numbers."""
    cohort = StackedCohort(Family())
    cohort.admit([row(2, rank=1), row(1)])
    progress(cohort)
    cohort.admit([row(0)])
    progress(cohort)
    cohort.evict([1])
    progress(cohort)
    assert [cohort.save(key)["x"].tolist() for key in (0, 2)] == [[2.0, 2.0], [3.0, 3.0]]
    state = cohort.save(2)
    cohort.evict([2])
    cohort.admit([row(2)], {2: state})
    assert progress(cohort)[2] == 4
    assert cohort.save(2)["x"].tolist() == [4.0, 4.0]


def test_rows_train_in_the_mode_of_their_family():
    """A family that needs autograd is not put into inference mode."""
    family = Family()
    family.mode = torch.no_grad
    cohort = StackedCohort(family)
    cohort.admit([row(1)])
    progress(cohort)
    assert not cohort.save(1)["x"].is_inference()


@pytest.mark.parametrize("epoch", [None, torch.tensor(-1), torch.tensor(1.5), torch.ones(2).int()])
def test_a_state_must_hold_its_epoch(epoch):
    """An epoch that is missing or not a whole number is refused."""
    state = {"x": torch.zeros(2)} | ({} if epoch is None else {"epoch": epoch})
    cohort = StackedCohort(Family())
    with pytest.raises(ValueError, match="row 1: the state must hold its epoch"):
        cohort.admit([row(1)], {1: state})
    assert not cohort.keys
