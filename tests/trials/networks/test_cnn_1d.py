"""The convolutional network in one dimension: a row against torch.nn and torch.optim."""

import math

import pytest
import torch
from small_data import sequences_data, stacked_curve
from torch import nn

from tests.trials.company import assert_own_bits
from trials.contract import Row
from trials.data import load
from trials.data.scaling import fit_scaling
from trials.networks.cnn_1d import CNN1D
from trials.stacked.noise import data_order

SMALL = {"channels": 3, "units": 5, "batch_size": 16, "learning_rate": 0.01}
SEED, EPOCHS = 11, 2
ACTIVE = {"relu": nn.ReLU(), "sigmoid": nn.Sigmoid(), "selu": nn.SELU()}
NORMS = {"none": lambda n: [], "batch": lambda n: [nn.BatchNorm1d(n)]}
OF_UNITS = NORMS | {"layer": lambda n: [nn.LayerNorm(n)]}
OF_CHANNELS = NORMS | {"layer": lambda n: [nn.GroupNorm(1, n)]}
POOLINGS = {"max": nn.MaxPool1d, "average": nn.AvgPool1d}


def plain_network(data, params):
    """The equivalent Sequential over (B, F, T)."""
    (n_steps, n_in), kernel = data.shape, params.get("kernel_size", 3)
    modules, pooling = [], params.get("pooling", "max")
    active, kind = ACTIVE[params.get("activation", "relu")], params.get("normalization", "none")
    for _ in range(params.get("layers", 1)):
        modules.append(nn.Conv1d(n_in, params["channels"], kernel, padding=kernel // 2))
        modules += [*OF_CHANNELS[kind](params["channels"]), active]
        is_pooled = n_steps > 1 and pooling != "none"
        modules.append(POOLINGS[pooling](2) if is_pooled else nn.Identity())
        n_in, n_steps = params["channels"], n_steps // 2 if is_pooled else n_steps
    units = params["units"]
    modules += [nn.Flatten(), nn.Linear(n_in * n_steps, units), *OF_UNITS[kind](units), active]
    modules.append(nn.Identity())
    return nn.Sequential(*modules, nn.Linear(units, data.n_classes)).double()


def plain_curve(data, params, weights):
    """Validation losses of plain training in the row's order."""
    network = plain_network(data, params)
    network.load_state_dict(weights)
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[params.get("optimizer", "adam")]
    optimizer = kind(network.parameters(), lr=params["learning_rate"])
    measure, scaling = nn.CrossEntropyLoss(), fit_scaling("standardize", data.train.x)
    x, x_validation = (
        torch.tensor(scaling.apply(part.x)).double().mT for part in (data.train, data.validation)
    )
    y, y_validation = (torch.tensor(part.y) for part in (data.train, data.validation))
    curve = []
    for epoch in range(EPOCHS):
        network.train()
        for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
            optimizer.zero_grad()
            measure(network(x[points]), y[points]).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            curve.append(float(measure(network(x_validation), y_validation)))
    return curve, network


CASES = {
    "max": {},
    "average": {"pooling": "average"},
    "two blocks of kernel 5": {"layers": 2, "kernel_size": 5},
    "blocks that cannot be pooled": {"layers": 4},
    "sigmoids": {"layers": 2, "activation": "sigmoid"},
    "selu": {"activation": "selu"},
    "no pooling": {"pooling": "none", "layers": 2},
    "full bucket": {"channels": 16, "units": 16, "batch_size": 7},
    "batch norm": {"normalization": "batch", "layers": 2, "optimizer": "sgd"},
    "layer norm": {"normalization": "layer", "layers": 2, "activation": "sigmoid"},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_classification_equals_plain_torch(changes):
    """In company, a row does what torch.nn and torch.optim do, to 1e-9."""
    data, params = sequences_data(n_steps=7), SMALL | changes
    others = [{"channels": 9, "learning_rate": 0.1}, {"dropout": 0.2, "optimizer": "sgd"}]
    others.append({"activation": "softplus"})
    weights, curve, trained = stacked_curve(
        CNN1D(data, dtype=torch.float64), Row(0, params, SEED, EPOCHS), others
    )
    expected, network = plain_curve(data, params, weights)
    assert curve == pytest.approx(expected, rel=1e-9)
    last = {n: t for n, t in network.state_dict().items() if "num_batches" not in n}
    assert list(trained) == list(last)
    for name, tensor in last.items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_company_changes_no_bit_of_normalised_rows(kind):
    """Normalised rows of any activation have the bits that they have alone, also from a state."""
    trainer, kinds = CNN1D(sequences_data(n_steps=7)), ("sigmoid", "relu", "elu", "softplus")
    shared = SMALL | {"normalization": kind}
    rows = [
        Row(k, shared | {"activation": kinds[k % 4], "channels": 1 + k, "dropout": k / 10}, k, 3)
        for k in range(4)
    ]
    assert_own_bits(trainer, rows, 2)


def test_a_series_is_learnt():
    """On airline passengers, a few epochs beat the mean of the training part by far."""
    trainer = CNN1D(load("airline"))
    params = SMALL | {"log": True, "difference": True, "seasonal_lag": 12, "window": 6}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 1, 3)])
    (figures,) = [[p.metrics for p in cohort.advance()] for _ in range(3)][-1]
    assert all(math.isfinite(figure) for figure in figures.values())
    assert figures["validation_r2"] > 0.8
