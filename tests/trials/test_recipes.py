"""The code beside the weights of linear and convolutional models computes what was measured."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from trials.contract import Row
from trials.data import load
from trials.networks.cnn import CNN
from trials.networks.linear import Linear
from trials.recipes import SCALING_FILE, WEIGHTS_FILE, recipe

CASES = [
    (Linear, "breast_cancer", {"learning_rate": 0.05}),
    (Linear, "iris", {"input_scaling": "minmax", "loss": "hinge"}),
    (CNN, "digits", {"channels": 3, "units": 10, "dropout": 0.2, "batch_size": 128}),
    (CNN, "digits", {"layers": 4, "pooling": "average", "activation": "tanh", "channels": 2}),
]


def predictor(trainer, state, params, folder, monkeypatch):
    """The function `predict` of the recipe, run in a folder with its files."""
    weights = trainer.weights(state, params)
    made = recipe(trainer.name, trainer.task.data, params, weights)
    save_file(weights, folder / WEIGHTS_FILE)
    save_file(made.scaling, folder / SCALING_FILE)
    monkeypatch.chdir(folder)
    names = {}
    exec(made.code, names)
    return names["predict"]


def trained(kind, data, params):
    """A trainer and the state of a row after two epochs."""
    trainer = kind(load(data))
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 5, 2)])
    for _ in range(2):
        cohort.advance()
    return trainer, cohort.save(0)


@pytest.mark.parametrize(("kind", "data", "params"), CASES)
def test_a_classifier_predicts_as_measured(tmp_path, monkeypatch, kind, data, params):
    """Chances of classes for points as they are have the loss that the trainer measured."""
    trainer, state = trained(kind, data, params)
    predict = predictor(trainer, state, params, tmp_path, monkeypatch)
    test = trainer.task.data.test
    chances = predict(torch.as_tensor(test.x))
    found = functional.nll_loss(chances.double().log(), torch.as_tensor(test.y)).item()
    assert found == pytest.approx(trainer.test(state, params)["test_loss"], rel=1e-4)


def test_a_linear_regression_predicts_in_its_own_unit(tmp_path, monkeypatch):
    """Predicted numbers have the mean squared error that the trainer measured."""
    trainer, state = trained(Linear, "diabetes", {})
    predict = predictor(trainer, state, {}, tmp_path, monkeypatch)
    test = trainer.task.data.test
    errors = predict(torch.as_tensor(test.x)) - torch.as_tensor(test.y)
    measured = trainer.test(state, {})["test_loss"]
    assert errors.square().mean().item() == pytest.approx(measured, rel=1e-4)
