"""The code beside the weights of supervised models computes what was measured."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from trials.contract import Row
from trials.data import load
from trials.networks.autoencoder import Autoencoder
from trials.networks.cnn import CNN
from trials.networks.cnn_1d import CNN1D
from trials.networks.linear import Linear
from trials.networks.mlp import MLP
from trials.networks.pretrained import Pretrained
from trials.networks.recursive import Recursive
from trials.networks.rnn import RNN
from trials.networks.transformer import Transformer
from trials.recipes import SCALING_FILE, WEIGHTS_FILE, recipe

LARGE = {"batch_size": 256, "learning_rate": 0.01}

CASES = [
    (Linear, "breast_cancer", {"learning_rate": 0.05}),
    (Linear, "iris", {"input_scaling": "minmax", "loss": "hinge"}),
    (CNN, "digits", {"channels": 3, "units": 10, "dropout": 0.2, "batch_size": 128}),
    (CNN, "digits", {"layers": 4, "pooling": "average", "activation": "tanh", "channels": 2}),
    (CNN1D, "digits", {"layers": 2, "pooling": "max", "channels": 3, "units": 5} | LARGE),
    (
        CNN1D,
        "digits",
        {"layers": 4, "pooling": "average", "channels": 3, "activation": "elu"} | LARGE,
    ),
    (CNN1D, "digits", {"normalization": "batch", "channels": 3, "units": 5} | LARGE),
    (CNN1D, "digits", {"normalization": "layer", "layers": 2, "channels": 3, "units": 5} | LARGE),
    (RNN, "digits", {"cell": "gru", "front": "conv", "units": 7, "layers": 2} | LARGE),
    (RNN, "addition", {"cell": "lstm", "units": 7, "dropout": 0.1} | LARGE),
    (RNN, "addition", {"normalization": "layer", "units": 7} | LARGE),
    (Transformer, "digits", {"heads": 3, "units": 2, "summary": "last"} | LARGE),
    (Transformer, "digits", {"heads": 2, "units": 3, "position": "learnt", "layers": 2} | LARGE),
    (Recursive, "expressions", {"units": 6, "activation": "softplus"} | LARGE),
    (Recursive, "expressions", {"units": 6, "normalization": "layer"} | LARGE),
]


def functions(trainer, data, state, params, folder, monkeypatch):
    """What the recipe defines, run in a folder with its files."""
    weights = trainer.weights(state, params)
    made = recipe(trainer.name, data, params, weights)
    save_file(weights, folder / WEIGHTS_FILE)
    save_file(made.scaling, folder / SCALING_FILE)
    monkeypatch.chdir(folder)
    names = {}
    exec(made.code, names)
    return names


def predictor(trainer, state, params, folder, monkeypatch):
    """The function `predict` of the recipe, run in a folder with its files."""
    return functions(trainer, trainer.task.data, state, params, folder, monkeypatch)["predict"]


def trained(kind, data, params):
    """A trainer and the state of a row after two epochs."""
    trainer = kind(load(data) if isinstance(data, str) else data)
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
    answers = torch.as_tensor(test.y)
    assert chances.shape[:-1] == answers.shape
    logs = chances.double().log().flatten(0, -2)
    found = functional.nll_loss(logs, answers.flatten()).item()
    assert found == pytest.approx(trainer.test(state, params)["test_loss"], rel=1e-4)


def test_a_linear_regression_predicts_in_its_own_unit(tmp_path, monkeypatch):
    """Predicted numbers have the mean squared error that the trainer measured."""
    trainer, state = trained(Linear, "diabetes", {})
    predict = predictor(trainer, state, {}, tmp_path, monkeypatch)
    test = trainer.task.data.test
    errors = predict(torch.as_tensor(test.x)) - torch.as_tensor(test.y)
    measured = trainer.test(state, {})["test_loss"]
    assert errors.square().mean().item() == pytest.approx(measured, rel=1e-4)


def with_holes(data, part):
    """The samples of a part as they are in a table: without the numbers that were missing."""
    x = part.x.copy()
    names = data.feature_names
    for place, name in enumerate(names):
        if f"{name} is missing" in names:
            x[x[:, names.index(f"{name} is missing")] == 1, place] = np.nan
    assert np.isnan(x).any()
    return torch.as_tensor(x)


def holed_table(folder, n_rows=60):
    """A table of time, one column with holes that is far from zero, and a number above zero."""
    rows = [f"{n},{'' if n % 5 == 0 else 100 + n % 7},{50 + n % 7 + n % 3}" for n in range(n_rows)]
    path = folder / "holed.csv"
    path.write_text("\n".join(["t,a,y", *rows]))
    return str(path)


@pytest.mark.parametrize("kind", [Linear, MLP, Pretrained])
def test_a_missing_number_is_filled_as_in_training(tmp_path, monkeypatch, kind):
    """Rows with holes are predicted as those that the trainer measured."""
    data = load(holed_table(tmp_path), target="y")
    trainer, state = trained(kind, data, {"learning_rate": 0.01})
    predict = predictor(trainer, state, {}, tmp_path, monkeypatch)
    errors = predict(with_holes(data, data.test)) - torch.as_tensor(data.test.y)
    measured = trainer.test(state, {})["test_loss"]
    assert errors.square().mean().item() == pytest.approx(measured, rel=1e-4)


def test_a_missing_number_is_filled_before_it_is_encoded(tmp_path, monkeypatch):
    """Codes of rows with holes are those of the rows that the autoencoder saw."""
    data = load(holed_table(tmp_path), target="y")
    trainer, state = trained(Autoencoder, data, {"code": 2})
    encode = functions(trainer, data, state, {"code": 2}, tmp_path, monkeypatch)["encode"]
    codes = encode(with_holes(data, data.test))
    assert torch.equal(codes, encode(torch.as_tensor(data.test.x)))
    assert codes.isfinite().all()


def test_a_missing_number_of_a_series_is_filled(tmp_path, monkeypatch):
    """A forecast from rows with holes is that from the rows that the network saw."""
    params = {"window": 3, "units": 3}
    data = load({"file": holed_table(tmp_path), "target": "y", "time": "t"})
    trainer, state = trained(RNN, data, params)
    forecast = functions(trainer, data, state, params, tmp_path, monkeypatch)["forecast"]
    found = forecast(with_holes(data, data.train))
    assert found.isfinite()
    assert found == forecast(torch.as_tensor(data.train.x))


CUTS = [
    (RNN, {"window": 6, "log": True, "difference": True, "seasonal_lag": 12, "units": 5}),
    (RNN, {"window": 12, "horizon": 3, "seasonal_lag": 2, "front": "conv", "units": 5}),
    (Transformer, {"window": 6, "difference": True, "horizon": 2, "units": 2}),
    (CNN1D, {"window": 6, "log": True, "channels": 3, "units": 5}),
]


@pytest.mark.parametrize(("kind", "params"), CUTS)
def test_a_forecast_is_of_rows_as_they_are(tmp_path, monkeypatch, kind, params):
    """From the rows before each month that validates come the numbers that the trainer measured."""
    series = load("airline")
    trainer = kind(series)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 5, 2)])
    measured = [cohort.advance()[0].metrics["validation_rmse"] for _ in range(2)][-1]
    names = functions(trainer, series, cohort.save(0), params, tmp_path, monkeypatch)
    rows = torch.cat([torch.as_tensor(part.x) for part in (series.train, series.validation)])
    ahead, first = params.get("horizon", 1), len(series.train)
    squares = [
        float(names["forecast"](rows[: place - ahead + 1]) - rows[place, 0]) ** 2
        for place in range(first, len(rows))
    ]
    assert (sum(squares) / len(squares)) ** 0.5 == pytest.approx(measured, rel=1e-4)
