"""Perceptrons that learn by different losses side by side: each is its own plain training."""

import dataclasses

import numpy as np
import pytest
import torch
from plain_perceptron import fused_curves, plain_network, plain_optimizer, scaled
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from search_spaces import Categorical, Space
from tests.trials.company import assert_own_bits, cohort_of, curves
from trials.contract import Row
from trials.data import Dataset, Part
from trials.networks.cnn import CNN
from trials.networks.mlp import MLP
from trials.stacked.losses import SLOPES
from trials.stacked.noise import data_order

EPOCHS = 4
SMALL = {"units": 12, "layers": 2, "batch_size": 16, "learning_rate": 0.01}

PLAIN = {
    "cross_entropy": functional.cross_entropy,
    "logistic": lambda outputs, y: functional.binary_cross_entropy_with_logits(
        outputs, functional.one_hot(y, 3).double()
    ),
    "hinge": functional.multi_margin_loss,
    "mse": lambda outputs, y: functional.mse_loss(
        outputs.softmax(1), functional.one_hot(y, 3).double()
    ),
    "kl": lambda outputs, y: functional.kl_div(
        outputs.log_softmax(1), functional.one_hot(y, 3).double(), reduction="batchmean"
    ),
}


def plain_curve(data, params, weights, row, learnt, measured):
    """Validation figures of a training by `learnt`, written out with torch."""
    network = plain_network(data, params, weights)
    optimizer = plain_optimizer(network, params)
    (x, x_validation), (y, y_validation) = scaled(data)
    curve = []
    for epoch in range(row.epochs):
        for points in data_order(row.seed, epoch, len(x)).split(params["batch_size"]):
            optimizer.zero_grad()
            learnt(network(x[points]), y[points]).backward()
            optimizer.step()
        with torch.no_grad():
            curve.append(float(measured(network(x_validation), y_validation)))
    return curve


def rows_of(changes):
    """Rows with these axes."""
    return [Row(key, SMALL | change, 40 + key, EPOCHS) for key, change in enumerate(changes)]


def test_losses_of_classes_share_a_cohort(classes_data):
    """Rows of every loss, twice, equal plain torch; all tell the same reference loss."""
    rows = rows_of([{"loss": name, "units": n} for n in (12, 40) for name in PLAIN])
    weights, curves, _ = fused_curves(classes_data, rows)
    for row in rows:
        expected = plain_curve(
            classes_data,
            row.params,
            weights[row.key],
            row,
            PLAIN[row.params["loss"]],
            functional.cross_entropy,
        )
        assert curves[row.key] == pytest.approx(expected, rel=1e-9), row.params["loss"]


def test_losses_of_numbers_share_a_cohort(numbers_data):
    """Rows of every loss equal plain torch on numbers in their own unit; all tell the MSE."""
    trainer = MLP(numbers_data, dtype=torch.float64)
    shift, scale = trainer.task.shift, trainer.task.scale

    def own(outputs, y):
        return outputs * scale + shift, y * scale + shift

    def log_error(outputs, y):
        said, answer = own(outputs, y)
        logarithm = torch.where(said > 0, said.clamp_min(0).log1p(), said)
        return functional.mse_loss(logarithm, answer.log1p())

    def share_error(outputs, y):
        said, answer = own(outputs, y)
        return ((said - answer).abs() / answer.abs()).mean()

    losses = {
        "mse": functional.mse_loss,
        "mae": functional.l1_loss,
        "msle": log_error,
        "mape": share_error,
    }
    rows = rows_of([{"loss": name} for name in losses] + [{}])
    weights, curves, _ = fused_curves(numbers_data, rows)
    for row in rows:
        learnt = losses[row.params.get("loss", "mse")]
        expected = plain_curve(
            numbers_data, row.params, weights[row.key], row, learnt, functional.mse_loss
        )
        assert curves[row.key] == pytest.approx([v * scale**2 for v in expected], rel=1e-9)


def test_class_weights_are_those_of_torch_and_scikit_learn(classes_data):
    """Balanced weights are scikit-learn's; the mean over a batch is torch's weighted one."""
    answers = classes_data.train.y
    weight = torch.as_tensor(compute_class_weight("balanced", classes=np.arange(3), y=answers))
    assert MLP(classes_data).task.balance[:3] == pytest.approx(weight.tolist())

    def weighted(outputs, y):
        return functional.cross_entropy(outputs, y, weight=weight)

    rows = rows_of([{"class_weights": "balanced"}, {"class_weights": "none"}, {}])
    weights, curves, _ = fused_curves(classes_data, rows)
    for row, learnt in zip(rows, (weighted, PLAIN["kl"], PLAIN["kl"]), strict=True):
        expected = plain_curve(
            classes_data, row.params, weights[row.key], row, learnt, functional.cross_entropy
        )
        assert curves[row.key] == pytest.approx(expected, rel=1e-9)


def test_class_weights_help_the_rare_class():
    """With one point in twelve of class 1, balanced weights find more of them."""
    rng = np.random.default_rng(5)
    y = (np.arange(600) % 12 == 0).astype(np.int64)
    x = rng.normal(size=(600, 2)).astype(np.float32) + y[:, None].astype(np.float32)
    part = Part(x, y)
    data = Dataset("rare", "table", "classification", part, part, part, (), ("a", "b"), "", "")
    recall = []
    for kind in ("none", "balanced"):
        params = SMALL | {"class_weights": kind, "loss": "logistic"}
        trainer = MLP(data)
        cohort = trainer.cohort(trainer.structure(params))
        cohort.admit([Row(0, params, 1, 8)])
        for _ in range(8):
            cohort.advance()
        weights = trainer.weights(cohort.save(0), params)
        hidden = trainer.task.scaled(part, "standardize")
        for place in (0, 3):
            bias = weights[f"{place}.bias"]
            hidden = torch.relu(hidden @ weights[f"{place}.weight"].T + bias)
        outputs = hidden @ weights["6.weight"].T + weights["6.bias"]
        recall.append(float((outputs.argmax(1).numpy() == 1)[y == 1].mean()))
    assert recall[0] < 0.3
    assert recall[1] > 0.6


@pytest.mark.parametrize("task", SLOPES)
def test_company_of_other_losses_changes_no_bit(classes_data, numbers_data, task):
    """A row alone has the curve and state that it has beside rows of every loss and weight."""
    data = classes_data if task == "classification" else numbers_data
    changes = [{"loss": name} for name in SLOPES[task]] * 2 + [{}]
    changes += [
        {"class_weights": "balanced"},
        {"class_weights": "balanced", "loss": "hinge", "label_smoothing": 0.2},
        {"label_smoothing": 0.1, "loss": "logistic"},
    ]
    if task == "regression":
        changes = changes[:-3]
    rows = rows_of(changes)
    assert_own_bits(MLP(data), rows, EPOCHS)


def test_convolutional_rows_of_all_losses_keep_their_bits(images_data):
    """What holds for perceptrons holds for every network that is trained as they are."""
    small = {"channels": 4, "units": 12, "layers": 1, "batch_size": 16, "learning_rate": 0.01}
    trainer = CNN(images_data)
    changes = [{"loss": name} for name in SLOPES["classification"]]
    changes.append({"class_weights": "balanced", "input_scaling": "zca"})
    rows = [Row(key, small | change, 7, 2) for key, change in enumerate(changes)]
    assert_own_bits(trainer, rows, 2)
    found = curves(cohort_of(trainer, rows), 2)
    same = SLOPES["classification"]["kl"] is SLOPES["classification"]["cross_entropy"]
    assert len({str(curve) for curve in found.values()}) == len(rows) - same


def test_a_loss_of_another_task_is_refused(classes_data, numbers_data):
    """The losses that the task has are named, where a row is placed and in the domain."""
    with pytest.raises(ValueError, match=r"loss: must be among cross_entropy, .*, kl, got 'mae'"):
        MLP(classes_data).structure({"loss": "mae"})
    assert MLP(numbers_data).domain["loss"].values() == ("mse", "mae", "msle", "mape")
    assert MLP(numbers_data).domain["class_weights"].values() == ("none",)


def test_targets_that_a_loss_cannot_take_leave_it_out(numbers_data):
    """No loss of logarithms for negative targets, none of shares where one is zero."""

    def with_answer(value):
        y = numbers_data.test.y.copy()
        y[0] = value
        return MLP(
            dataclasses.replace(numbers_data, test=dataclasses.replace(numbers_data.test, y=y))
        ).task.losses

    assert with_answer(-1.0) == ("mse", "mae", "mape")
    assert with_answer(0.0) == ("mse", "mae", "msle")


def test_a_domain_only_loses_what_the_data_cannot_have(numbers_data):
    """A trainer with fewer values keeps them few; long points lose the whitening alone."""

    class Raw(MLP):
        domain = Space({**MLP.domain, "input_scaling": Categorical(("none",))})

    assert Raw(numbers_data).domain["input_scaling"].values() == ("none",)
    parts = {
        part: Part(np.zeros((8, 4097), np.float32), np.arange(8, dtype=np.float32))
        for part in ("train", "validation", "test")
    }
    kinds = MLP(dataclasses.replace(numbers_data, **parts)).domain["input_scaling"].values()
    assert kinds == ("none", "standardize", "minmax", "unit_norm")
    assert set(MLP(numbers_data).domain["input_scaling"].values()) == {*kinds, "zca"}
    assert MLP.domain["loss"].contains("hinge")
