"""What the validation loss of past epochs decides: cuts of the rate and early stopping."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tests.trials.company import bits, cohort_of
from trials.contract import Row
from trials.networks.mlp import MLP
from trials.stacked.pace import Pace, fresh, has_stopped
from trials.stacked.settings import SupervisedSettings

LOSSES = st.lists(st.sampled_from([0.2, 0.5, 0.49999, 0.9, 3.0]) | st.floats(0.0, 2.0), max_size=25)
PLATEAU = SupervisedSettings(schedule="plateau", schedule_factor=0.5, schedule_patience=2)
STOPPING = SupervisedSettings(early_stopping_patience=3)
SMALL = {"units": 12, "layers": 1, "batch_size": 16, "learning_rate": 0.05}
FIGURES = {"validation_loss": 1.0, "train_loss": 0.5}


def pace_of(*rows):
    """A pace of rows that start, and what it remembers of them."""
    courses = torch.stack([fresh() for _ in rows])
    return Pace(rows, courses), courses


def observe(pace, *losses):
    """An epoch ends with these validation losses of the rows."""
    pace.observe([FIGURES | {"validation_loss": loss} for loss in losses])


@settings(max_examples=60, deadline=None)
@given(losses=LOSSES, factor=st.sampled_from([0.1, 0.5]), patience=st.integers(0, 4))
def test_a_plateau_cuts_when_torch_does(losses, factor, patience):
    """After every epoch of any curve the rate is that of torch's ReduceLROnPlateau."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    reference = ReduceLROnPlateau(optimizer, factor=factor, patience=patience, eps=0.0)
    row = SupervisedSettings(schedule="plateau", schedule_factor=factor, schedule_patience=patience)
    pace, _ = pace_of(row)
    for epoch, loss in enumerate(losses):
        reference.step(loss)
        observe(pace, loss)
        found = pace.factors([epoch + 1], [100])
        assert found == pytest.approx([optimizer.param_groups[0]["lr"]], rel=1e-12)


def test_a_plateau_cuts_when_and_only_when_it_should():
    """Steady gains never cut; the third epoch in a row without one does, and counts anew."""
    pace, _ = pace_of(PLATEAU, PLATEAU)
    factors = []
    for epoch in range(8):
        observe(pace, 1.0 / (epoch + 1), 1.0)
        factors.append(pace.factors([epoch + 1] * 2, [100] * 2))
    assert [steady for steady, _ in factors] == [1.0] * 8
    assert [level for _, level in factors] == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_a_row_stops_after_its_patience():
    """Three epochs no better than the best stop a row; a better one in between starts anew."""
    pace, courses = pace_of(STOPPING, STOPPING, SupervisedSettings())
    for losses in ((1.0, 1.0, 1.0), (1.0, 1.1, 1.0), (1.0, 1.1, 1.0)):
        observe(pace, *losses)
    assert has_stopped(courses) == [False, False, False]
    observe(pace, 1.0, 0.5, 1.0)
    assert has_stopped(courses) == [True, False, False]


def test_a_loss_that_is_not_a_number_is_no_better():
    """A row whose loss is nan from the start on stops as well."""
    pace, courses = pace_of(STOPPING)
    for _ in range(3):
        observe(pace, float("nan"))
    assert has_stopped(courses) == [True]


MEASURED = ("validation_loss", "validation_accuracy", "train_loss")


def figures_of(cohort, key, n_epochs):
    """The figures of one row in each epoch, as text that keeps every bit."""
    found = []
    for _ in range(n_epochs):
        for progress in cohort.advance():
            if progress.key == key:
                kept = {n: v for n, v in progress.metrics.items() if n in MEASURED}
                found.append({name: value.hex() for name, value in kept.items()})
    return found


WAVERING = SMALL | {"early_stopping_patience": 2, "learning_rate": 0.4}
"""Gains nothing after a few epochs."""


def test_a_stopped_row_changes_no_more(classes_data):
    """From its stop on, tensors and figures stay those of the last epoch that it trained."""
    free = cohort_of(MLP(classes_data), [Row(0, SMALL | {"learning_rate": 0.4}, 5, 12)])
    stopping = cohort_of(MLP(classes_data), [Row(0, WAVERING, 5, 12)])
    unstopped, stopped = figures_of(free, 0, 12), figures_of(stopping, 0, 12)
    n_trained = next(n for n in range(12) if stopped[n] == stopped[n + 1]) + 1
    assert 2 < n_trained < 10
    assert stopped[:n_trained] == unstopped[:n_trained]
    assert stopped[n_trained:] == [stopped[n_trained - 1]] * (12 - n_trained)
    again = cohort_of(MLP(classes_data), [Row(0, WAVERING, 5, 12)])
    figures_of(again, 0, n_trained)
    early, late = (bits(cohort.save(0), "epoch", "recent") for cohort in (again, stopping))
    assert early == late
    losses = [float.fromhex(figures["validation_loss"]) for figures in unstopped[:n_trained]]
    assert min(losses[-2:]) > min(losses[:-2])


@pytest.mark.parametrize("wait", [1, 7])
def test_stopping_depends_on_no_company(classes_data, wait):
    """A row that stops has the same bits alone, among others that go on, and after a checkpoint."""
    row = Row(0, WAVERING, 5, 12)
    others = [Row(1, SMALL, 6, 12), Row(2, WAVERING | {"dropout": 0.4}, 7, 12)]
    alone = cohort_of(MLP(classes_data), [row])
    expected, expected_other = figures_of(alone, 0, 12), cohort_of(MLP(classes_data), others[:1])
    cohort = cohort_of(MLP(classes_data), [row, *others])
    found = figures_of(cohort, 0, wait)
    moved = cohort_of(MLP(classes_data), others, {key: cohort.save(key) for key in (1, 2)})
    moved.admit([row], {0: cohort.save(0)})
    found += figures_of(moved, 0, 12 - wait)
    assert found == expected
    assert bits(moved.save(0)) == bits(alone.save(0))
    figures_of(expected_other, 1, 12)
    assert bits(moved.save(1)) == bits(expected_other.save(1))


def test_a_plateau_goes_on_from_a_checkpoint(classes_data):
    """Past cuts and the count towards the next one are in the row's state."""
    params = WAVERING | {"schedule": "plateau", "schedule_patience": 0}
    params["early_stopping_patience"] = 0
    row = Row(0, params, 5, 10)
    expected = figures_of(cohort_of(MLP(classes_data), [row]), 0, 10)
    first = cohort_of(MLP(classes_data), [row])
    found = figures_of(first, 0, 6)
    assert float(first.save(0)["course.numbers"][2]) < 1.0
    found += figures_of(cohort_of(MLP(classes_data), [row], {0: first.save(0)}), 0, 4)
    assert found == expected


def test_a_state_without_its_course_is_refused(classes_data):
    """A row that follows its course needs it; one that does not has none in its state."""
    row, plain = Row(0, WAVERING, 5, 10), Row(0, SMALL, 5, 10)
    state = cohort_of(MLP(classes_data), [plain]).save(0)
    assert "course.numbers" not in state
    with pytest.raises(ValueError, match=r"row 0: the state must hold course\.numbers"):
        cohort_of(MLP(classes_data), [row], {0: state})
