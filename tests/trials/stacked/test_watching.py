"""What a cohort remembers of a row's epochs, and that a checkpoint carries it along."""

import math

import pytest
import torch

from trials.contract import Finding
from trials.stacked.watching import Recent, Watch


def told(recent, epoch):
    """A finding that says all that is remembered."""
    return (Finding("seen", f"{epoch}: {[e['loss'] for e in recent]}", epoch > 3),)


WATCH = Watch(("loss", "gain"), 3, told)


def after(recent, *epochs):
    """What shows after each of these epochs; the loss is the epoch."""
    return [recent.after(e, {"loss": float(e), "other": 1.0})[0] for e in epochs]


def test_the_last_epochs_are_remembered():
    """Oldest first, at most as many as are watched, with the number of the last one."""
    found = after(Recent(WATCH), 1, 2, 3, 4)
    assert [f.text for f in found[1:]] == [
        "2: [1.0, 2.0]",
        "3: [1.0, 2.0, 3.0]",
        "4: [2.0, 3.0, 4.0]",
    ]
    assert [f.is_hopeless for f in found] == [False, False, False, True]


def test_a_figure_that_was_not_measured_is_nan():
    """The row has no gain."""
    recent = Recent(WATCH)
    after(recent, 1)
    assert recent.tensor.dtype == torch.float64
    assert recent.tensor[0, 0] == 1.0
    assert math.isnan(recent.tensor[0, 1])


@pytest.mark.parametrize("n_epochs", [0, 1, 2, 3, 5])
def test_a_saved_row_finds_the_same(n_epochs):
    """What is remembered goes through a checkpoint of any epoch."""
    recent = Recent(WATCH)
    after(recent, *range(1, n_epochs + 1))
    again = Recent(WATCH, n_epochs, recent.tensor)
    rest = range(n_epochs + 1, n_epochs + 4)
    assert after(again, *rest) == after(recent, *rest)


@pytest.mark.parametrize(
    "saved",
    [None, torch.zeros(2, 2), torch.zeros(1, 2, dtype=torch.float64)],
    ids=["missing", "in float32", "of another epoch"],
)
def test_a_state_that_does_not_fit_is_refused(saved):
    """A row cannot go on as it was without the figures of its last epochs."""
    with pytest.raises(ValueError, match=r"recent figures of shape \(2, 2\)"):
        Recent(WATCH, 2, saved)
