"""The perceptron trainer, one row at a time, against torch.nn and torch.optim written by hand."""

import numpy as np
import pytest
import torch
from plain_perceptron import MODULES, fused_curve, plain_curve, tensors_of

from trials.contract import Row
from trials.data import DataError
from trials.networks.mlp import MLP
from trials.stacked.optimizers import FAMILIES
from trials.stacked.schedules import SCHEDULES

SMALL = {"units": 12, "layers": 2, "batch_size": 16, "learning_rate": 0.05}
SEED = 11


CASES = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9},
    "nesterov": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    "adam": {"optimizer": "adam"},
    "adam with own betas": {"optimizer": "adam", "beta1": 0.5, "beta2": 0.9},
    "l2": {"optimizer": "sgd", "l2": 0.1},
    "l2 under adam": {"l2": 0.1},
    "l1": {"l1": 0.01},
    "l1 and l2": {"l1": 0.01, "l2": 0.1, "optimizer": "sgd", "momentum": 0.5},
    "dropout": {"dropout": 0.4},
    "dropout of softplus units": {"dropout": 0.4, "activation": "softplus"},
    "everything": {"dropout": 0.2, "l1": 0.01, "l2": 0.01, "schedule": "cosine"},
    "label smoothing": {"label_smoothing": 0.15},
    "adamw with l2": {"optimizer": "adamw", "l2": 0.1},
    "rmsprop with momentum": {"optimizer": "rmsprop", "momentum": 0.5, "learning_rate": 0.005},
    "no hidden layer": {"layers": 0},
    "one layer": {"layers": 1},
    "five layers": {"layers": 5, "dropout": 0.1},
    "wider than rooms are": {"units": 300, "layers": 1, "learning_rate": 0.002},
    "full bucket": {"units": 32, "activation": "sigmoid"},
    "batches of seven": {"batch_size": 7},
    "one batch": {"batch_size": 64},
    "dropconnect": {"dropconnect": 0.3},
    "dropconnect with penalties": {"dropconnect": 0.3, "l1": 0.01, "l2": 0.1, "dropout": 0.2},
    "dropconnect of softplus units": {"dropconnect": 0.5, "activation": "softplus"},
    "batch norm": {"normalization": "batch"},
    "batch norm of softplus units": {"normalization": "batch", "activation": "softplus"},
    "batch norm, batches of seven": {
        **{"normalization": "batch", "batch_size": 7, "optimizer": "sgd", "momentum": 0.5},
        **{"l1": 0.01, "l2": 0.1, "dropout": 0.2, "layers": 3},
    },
    "layer norm": {"normalization": "layer"},
    "layer norm of softplus units": {
        **{"normalization": "layer", "activation": "softplus", "layers": 1},
        **{"l2": 0.1, "dropout": 0.2, "optimizer": "adamw"},
    },
    "layer norm of a full bucket": {"normalization": "layer", "units": 32},
    "norm without hidden layers": {"normalization": "batch", "layers": 0},
    "sparse sigmoid units": {"activation": "sigmoid", "sparsity_weight": 0.1, "sparsity": 0.1},
    "sparse softplus units": {"activation": "softplus", "sparsity_weight": 0.01, "batch_size": 7},
    "sparse units under dropout": {"sparsity_weight": 0.05, "dropout": 0.3, "layers": 1},
    "max norm": {"max_norm": 0.8},
    "max norm under momentum": {"max_norm": 0.5, "optimizer": "sgd", "momentum": 0.9},
    "plateau": {"schedule": "plateau", "schedule_patience": 0, "schedule_factor": 0.3},
    "plateau after a while": {"schedule": "plateau", "schedule_patience": 1, "learning_rate": 0.5},
    "steps by half": {"schedule": "step", "schedule_factor": 0.5},
    "exponential to a quarter": {"schedule": "exponential", "schedule_factor": 0.5},
}
CASES |= {f"activation {name}": {"activation": name} for name in MODULES}
CASES |= {f"optimizer {name}": {"optimizer": name} for name in FAMILIES}
CASES |= {f"schedule {name}": {"schedule": name} for name in SCHEDULES}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_classification_equals_plain_torch(classes_data, changes):
    """Every axis does in a stacked row what torch does, over five epochs, to 1e-9."""
    params = SMALL | changes
    weights, curve, state = fused_curve(classes_data, params, SEED, 5)
    expected, network = plain_curve(classes_data, params, weights, Row(0, params, SEED, 5))
    assert curve == pytest.approx(expected, rel=1e-9)
    trained = MLP(classes_data, dtype=torch.float64).weights(state, params)
    assert trained.keys() == tensors_of(network).keys()
    for name, tensor in tensors_of(network).items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd", "momentum": 0.5, "l2": 0.01}])
def test_regression_equals_plain_torch_in_units_of_the_target(numbers_data, changes):
    """The network learns the standardised target; loss and rmse are in the target's units."""
    params = SMALL | changes
    weights, curve, state = fused_curve(numbers_data, params, SEED, 4)
    expected, _network = plain_curve(numbers_data, params, weights, Row(0, params, SEED, 4))
    variance = float(numbers_data.train.y.astype(np.float64).var())
    assert curve == pytest.approx([loss * variance for loss in expected], rel=1e-9)
    trainer = MLP(numbers_data, dtype=torch.float64)
    assert trainer.test(state, params)["test_rmse"] == pytest.approx(
        trainer.test(state, params)["test_loss"] ** 0.5
    )


def test_single_precision_follows_plain_torch(classes_data):
    """In float32 the curve agrees with plain double precision as far as rounding allows."""
    weights, curve, _ = fused_curve(classes_data, SMALL, SEED, 3, torch.float32)
    weights = {name: tensor.double() for name, tensor in weights.items()}
    expected, _ = plain_curve(classes_data, SMALL, weights, Row(0, SMALL, SEED, 3))
    assert curve == pytest.approx(expected, rel=1e-3)


def test_further_figures(classes_data):
    """Accuracy is a share of right answers; the training loss is finite and falls."""
    trainer = MLP(classes_data)
    cohort = trainer.cohort(trainer.structure(SMALL))
    cohort.admit([Row(0, SMALL, SEED, 20)])
    progress = [cohort.advance()[0] for _ in range(20)]
    assert [p.epoch for p in progress] == list(range(1, 21))
    assert progress[-1].metrics["train_loss"] < progress[0].metrics["train_loss"]
    assert progress[-1].metrics["validation_accuracy"] * 21 == pytest.approx(
        round(progress[-1].metrics["validation_accuracy"] * 21)
    )
    figures = {"test_loss", "test_accuracy", "test_macro_f1", "test_auroc"}
    assert set(trainer.test(cohort.save(0), SMALL)) == figures


def test_divergence_stays_in_its_row(classes_data):
    """A row whose weights overflow reports non-finite figures; its neighbour's bits are its own."""
    good = SMALL | {"optimizer": "sgd", "dropout": 0.2}
    bad = good | {"learning_rate": 1e30, "momentum": 0.99}
    trainer = MLP(classes_data)
    curves = []
    for rows in ([Row(0, good, SEED, 4)], [Row(0, good, SEED, 4), Row(1, bad, 5, 4)]):
        cohort = trainer.cohort(trainer.structure(good))
        cohort.admit(rows)
        curves.append([{p.key: p.metrics for p in cohort.advance()} for _ in range(4)])
    assert [c[0] for c in curves[0]] == [c[0] for c in curves[1]]
    assert not any(np.isfinite(list(curves[1][-1][1].values())))


def test_the_initial_scale_multiplies_the_initial_weights(classes_data):
    """Twice the scale is twice every weight at the start; biases are zero."""
    start = [
        fused_curve(classes_data, SMALL | {"initial_scale": scale}, SEED, 1)[0]
        for scale in (0.5, 1.0)
    ]
    for name, tensor in start[0].items():
        torch.testing.assert_close(2 * tensor, start[1][name], rtol=0, atol=0)
        assert tensor.any() == ("weight" in name)


def test_numbers_are_not_smoothed(numbers_data):
    """Label smoothing changes nothing where there are no labels."""
    curves = [
        fused_curve(numbers_data, SMALL | {"label_smoothing": share}, SEED, 2)[1]
        for share in (0.0, 0.5)
    ]
    assert curves[0] == curves[1]


def test_smoothing_is_searched_for_labels_alone(numbers_data, classes_data):
    """The ready space of numbers lacks label smoothing; who names it is not refused."""
    numbers, classes = MLP(numbers_data), MLP(classes_data)
    assert set(classes.space) - set(numbers.space) == {"label_smoothing"}
    assert "label_smoothing" in numbers.domain


def test_unknown_axes_are_refused(classes_data):
    """An axis that the perceptron does not have is named, with those it has."""
    with pytest.raises(ValueError, match="unknown axes \\['beta3'\\]; there are learning_rate"):
        MLP(classes_data).structure({"beta3": 1})


def test_data_without_answers_is_refused(ring_data):
    """A density cannot be predicted; the message names the trainer that can learn it."""
    with pytest.raises(DataError, match="such as gan"):
        MLP(ring_data)
