"""The code that comes with the weights of networks that learn without answers."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trials.contract import Row
from trials.data import load
from trials.networks.autoencoder import Autoencoder
from trials.networks.pretrained import Pretrained
from trials.networks.rbm import RBM
from trials.recipes import SCALING_FILE, WEIGHTS_FILE, recipe

SEED = 4
SMALL = {"batch_size": 16, "units": 10}


def run(kind, data, params, folder, monkeypatch, epochs=6):
    """What the recipe defines for one trained row, and the row's last figures."""
    trainer = kind(data)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, epochs)])
    metrics = [cohort.advance()[0].metrics for _ in range(epochs)][-1]
    weights = trainer.weights(cohort.save(0), params)
    found = recipe(kind.name, data, params, weights)
    save_file(weights, folder / WEIGHTS_FILE)
    save_file(found.scaling, folder / SCALING_FILE)
    monkeypatch.chdir(folder)
    names = {}
    exec(found.code, names)
    return names, metrics


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"likelihood": "bernoulli", "activation": "tanh"},
        {"kind": "vae", "input_scaling": "standardize", "code": 3},
        {"normalization": "batch", "layers": 2},
        {"normalization": "layer"},
    ],
)
def test_restored_points_are_those_measured(classes_data, tmp_path, monkeypatch, changes):
    """Encoding and decoding gives the error of the last epoch, in units of the data."""
    params = SMALL | changes
    names, metrics = run(Autoencoder, classes_data, params, tmp_path, monkeypatch)
    x = torch.tensor(classes_data.validation.x)
    error = ((names["decode"](names["encode"](x)) - x) ** 2).mean()
    assert float(error) == pytest.approx(metrics["validation_loss"], rel=1e-3)


@pytest.mark.parametrize("visible", ["binary", "gaussian"])
def test_features_are_those_measured(classes_data, tmp_path, monkeypatch, visible):
    """Restored points and classes give the figures of the last epoch."""
    params = SMALL | {"visible": visible, "learning_rate": 0.01}
    names, metrics = run(RBM, classes_data, params, tmp_path, monkeypatch)
    x, y = torch.tensor(classes_data.validation.x), torch.tensor(classes_data.validation.y)
    hits = (names["predict"](x).argmax(1) == y).float().mean()
    assert float(hits) == pytest.approx(metrics["validation_accuracy"])
    error = ((names["restore"](names["features"](x)) - x) ** 2).mean()
    assert float(error) == pytest.approx(metrics["validation_loss"], rel=1e-3)


def test_predictions_are_those_measured(numbers_data, classes_data, tmp_path, monkeypatch):
    """Numbers come in the unit of the target, also where few were known; classes likewise."""
    params = SMALL | {"n_labels": 20, "pretraining": "autoencoder", "learning_rate": 0.05}
    names, metrics = run(Pretrained, numbers_data, params, tmp_path, monkeypatch, 20)
    part = numbers_data.validation
    error = names["predict"](torch.tensor(part.x)).numpy() - part.y
    assert np.sqrt((error**2).mean()) == pytest.approx(metrics["validation_rmse"], rel=1e-3)
    names, metrics = run(Pretrained, classes_data, params, tmp_path, monkeypatch)
    part = classes_data.validation
    hits = names["predict"](torch.tensor(part.x)).argmax(1).numpy() == part.y
    assert hits.mean() == pytest.approx(metrics["validation_accuracy"])


def test_stars_are_those_measured(tmp_path, monkeypatch):
    """Expected stars for people as they are have the error of the last epoch."""
    data = load("ratings")
    params = {"visible": "softmax", "units": 8, "batch_size": 128, "learning_rate": 0.05}
    names, metrics = run(RBM, data, params, tmp_path, monkeypatch, 2)
    given, asked = torch.tensor(data.validation.x).unbind(1)
    errors = (names["stars"](given) - asked)[asked > 0]
    assert float(errors.square().mean()) == pytest.approx(metrics["validation_loss"], rel=1e-4)
