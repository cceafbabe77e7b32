"""Examples with known answers, as networks see them."""

import numpy as np
import pytest
import torch

from trials.stacked.supervised import Inputs, Task


def task_of(data, **inputs):
    """The task in double precision."""
    return Task(data, torch.device("cpu"), torch.float64, **inputs)


def test_points_have_the_shape_that_the_network_wants(classes_data):
    """Numbers of a point in order fill the true shape; everything beyond it is zero."""
    task = task_of(classes_data, inputs_of=lambda shape: Inputs((5, 1), (6, 4)))
    kinds = task.train.kinds(["none", "standardize", "none"])
    assert kinds.tolist() == [0, 1, 0]
    x = task.train.x
    assert x.shape == (2, task.train.n_padded, 6, 4)
    raw = torch.as_tensor(classes_data.train.x).double()
    assert torch.equal(x[0, : len(raw), :5, 0], raw)
    assert not x[:, len(raw) :].any()
    assert not x[:, :, 5:].any()
    assert not x[..., 1:].any()


def test_each_row_sees_its_own_points(classes_data):
    """Inputs come from the row's own copy, targets from the point; padding has neither."""
    task = task_of(classes_data)
    train = task.train
    kinds = train.kinds(["none", "standardize"])
    points = torch.tensor([[[3, train.n_points], [4, 0]]])
    x, y = train.chosen(points, kinds)
    assert torch.equal(x[0, 0, 0], train.x[0, 3])
    assert torch.equal(x[0, 1], train.x[1, [4, 0]])
    assert torch.equal(y[0, 1], train.targets[[4, 0]])
    assert not x[0, 0, 1].any()
    assert not y[0, 0, 1].any()


def test_figures_are_in_units_of_the_target(numbers_data):
    """Predicting the mean has the variance of the answers as its loss and no share explained."""
    task = task_of(numbers_data)
    part = task.train
    figures = task.figures(part, part.targets[:, :1].square().sum(1)[None], torch.zeros(1, 1))
    variance = float(np.asarray(numbers_data.train.y, dtype=np.float64).var())
    assert float(figures["validation_loss"]) == pytest.approx(variance)
    assert float(figures["validation_rmse"]) == pytest.approx(variance**0.5)
    assert float(figures["validation_r2"]) == pytest.approx(0.0, abs=1e-12)
