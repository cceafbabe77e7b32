"""Figures of predictions against scikit-learn, for several rows at once."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn import metrics

from trials.contract import Row
from trials.data import DataError, load
from trials.networks.mlp import MLP
from trials.stacked.measures import Predictions, absolute_error, auroc, macro_f1

K, N = 4, 60


def predictions(n_classes, seed=0):
    """Logits of some rows, the first without any skill, and the answers."""
    rng = np.random.default_rng(seed)
    answers = rng.integers(0, n_classes, N)
    logits = rng.normal(size=(K, N, n_classes))
    logits += np.arange(K)[:, None, None] * np.eye(n_classes)[answers]
    return logits, answers


def as_tensors(logits, answers, scale=1.0):
    """The same for a measure."""
    return Predictions(torch.as_tensor(logits), torch.as_tensor(answers), scale)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_macro_f1_is_that_of_scikit_learn(n_classes):
    """Of every row, also where a class is never chosen."""
    logits, answers = predictions(n_classes)
    logits[0, :, 0] = -50.0
    expected = [
        metrics.f1_score(answers, row.argmax(1), average="macro", zero_division=0) for row in logits
    ]
    assert macro_f1(as_tensors(logits, answers)).tolist() == pytest.approx(expected, rel=1e-12)


def test_a_class_without_points_counts_only_where_it_is_chosen():
    """As in scikit-learn, classes are those of the answers and of the predictions."""
    logits, answers = predictions(4)
    answers[answers == 3] = 1
    logits[1, :, 3] = -50.0
    expected = [
        metrics.f1_score(answers, row.argmax(1), average="macro", zero_division=0) for row in logits
    ]
    assert macro_f1(as_tensors(logits, answers)).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_auroc_is_that_of_scikit_learn(n_classes):
    """Of every row; two classes by the second's probability, more by each against the rest."""
    logits, answers = predictions(n_classes)
    chances = torch.as_tensor(logits).softmax(-1).numpy()
    expected = [
        metrics.roc_auc_score(answers, row[:, 1])
        if n_classes == 2
        else metrics.roc_auc_score(answers, row, multi_class="ovr")
        for row in chances
    ]
    assert auroc(as_tensors(logits, answers)).tolist() == pytest.approx(expected, rel=1e-9)


def test_ties_count_half():
    """A row that says the same of every point is worth one half."""
    logits, answers = predictions(2)
    logits[2] = 0.0
    assert auroc(as_tensors(logits, answers))[2] == 0.5


def test_absolute_error_is_in_the_unit_of_the_target():
    """The mean of |error|, times the deviation that the targets were divided by."""
    rng = np.random.default_rng(1)
    outputs, answers = rng.normal(size=(K, N, 1)), rng.normal(size=N)
    expected = [metrics.mean_absolute_error(3.0 * answers, 3.0 * row[:, 0]) for row in outputs]
    found = absolute_error(as_tensors(outputs, answers, scale=3.0))
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


PARAMS = {"units": 12, "layers": 1, "learning_rate": 0.05, "dropout": 0.2}


def progress_of(trainer, params):
    """What one row measures in its second epoch."""
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 3, 2)])
    cohort.advance()
    return cohort.advance()[0], cohort.save(0)


def test_what_is_asked_for_is_measured(classes_data):
    """Figures that were asked for join the others and change none of them."""
    plain, _ = progress_of(MLP(classes_data), PARAMS)
    trainer = MLP(classes_data)
    trainer.measure(["validation_auroc", "validation_loss"])
    asked, _ = progress_of(trainer, PARAMS)
    assert asked.metrics.keys() - plain.metrics.keys() == {"validation_auroc"}
    assert {name: asked.metrics[name] for name in plain.metrics} == dict(plain.metrics)


@pytest.mark.parametrize("name", ["iris", "breast_cancer", "diabetes"])
def test_all_figures_of_the_test_part_are_those_of_scikit_learn(name):
    """The trained network, run by hand on the test part, has every figure the trainer tells."""
    data = load(name, seed=1)
    trainer = MLP(data, dtype=torch.float64)
    _, state = progress_of(trainer, PARAMS)
    weights = trainer.weights(state, PARAMS)
    x = trainer.task.scaled(data.test, "standardize").double()
    hidden = torch.relu(x @ weights["0.weight"].T + weights["0.bias"])
    outputs = hidden @ weights["3.weight"].T + weights["3.bias"]
    found = trainer.test(state, PARAMS)
    y = data.test.y
    if data.task == "regression":
        said = (outputs[:, 0] * trainer.task.scale + trainer.task.shift).numpy()
        expected = {
            "test_loss": metrics.mean_squared_error(y, said),
            "test_rmse": metrics.root_mean_squared_error(y, said),
            "test_mae": metrics.mean_absolute_error(y, said),
            "test_r2": metrics.r2_score(y, said),
        }
    else:
        chances = outputs.softmax(1).numpy()
        scores = {"y_score": chances[:, 1]} if data.n_classes == 2 else {"y_score": chances}
        chosen = chances.argmax(1)
        expected = {
            "test_loss": metrics.log_loss(y, chances),
            "test_accuracy": metrics.accuracy_score(y, chosen),
            "test_macro_f1": metrics.f1_score(y, chosen, average="macro"),
            "test_auroc": metrics.roc_auc_score(y, **scores, multi_class="ovr"),
        }
    assert found == pytest.approx(expected, rel=1e-6)


def test_auroc_needs_two_classes(classes_data):
    """Where the validation part has one class, asking is refused; the test part goes without."""
    alike = dataclasses.replace(classes_data.validation, y=np.zeros_like(classes_data.validation.y))
    data = dataclasses.replace(classes_data, validation=alike, test=alike)
    trainer = MLP(data)
    with pytest.raises(DataError, match="two classes in the validation part"):
        trainer.measure(["validation_auroc"])
    trainer.measure(["validation_macro_f1"])
    progress, state = progress_of(trainer, PARAMS)
    assert 0.0 <= progress.metrics["validation_macro_f1"] <= 1.0
    assert "test_auroc" not in trainer.test(state, PARAMS)


def test_a_row_that_diverged_has_no_figures(classes_data):
    """Every figure of a row without a finite loss is nan."""
    params = PARAMS | {"optimizer": "sgd", "learning_rate": 1e30}
    trainer = MLP(classes_data)
    trainer.measure(["validation_macro_f1", "validation_auroc"])
    progress, _ = progress_of(trainer, params)
    assert np.isnan([progress.metrics["validation_macro_f1"]]).all()
    assert np.isnan([progress.metrics["validation_auroc"]]).all()
