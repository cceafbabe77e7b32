"""The transformer: a row against torch.nn and torch.optim, and rows in company."""

import math

import pytest
import torch
from small_data import sequences_data, stacked_curve
from torch import nn

from trials.contract import Row
from trials.data import DataError, load
from trials.data.scaling import fit_scaling
from trials.networks.transformer import Transformer
from trials.stacked.noise import data_order

SMALL = {"heads": 2, "units": 3, "batch_size": 16, "learning_rate": 0.01}
SEED, EPOCHS = 11, 2


class Plain(nn.Module):
    """The equivalent module."""

    def __init__(self, params, shape, n_outputs):
        """Makes the modules that `params` name."""
        super().__init__()
        n_steps, n_features = shape
        width = params["heads"] * params["units"]
        self.kind, self.summary = params.get("position", "sine"), params.get("summary", "mean")
        self.embed = nn.Linear(n_features, width)
        if self.kind == "learnt":
            self.position = nn.Parameter(torch.zeros(n_steps, width))
        layer = nn.TransformerEncoderLayer(
            width,
            params["heads"],
            width * params.get("feed_forward", 2),
            dropout=0.0,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, params.get("layers", 1), enable_nested_tensor=False
        )
        self.head = nn.Linear(width, n_outputs)

    def forward(self, x):
        """Outputs for sequences (B, T, F)."""
        steps = self.embed(x)
        if self.kind == "learnt":
            steps = steps + self.position
        elif self.kind == "sine":
            steps = steps + waves(*steps.shape[1:])
        states = self.encoder(steps)
        return self.head(states.mean(1) if self.summary == "mean" else states[:, -1])


def waves(n_steps, width):
    """The sinusoidal positions, number by number."""
    table = torch.zeros(n_steps, width, dtype=torch.float64)
    for t in range(n_steps):
        for unit in range(width):
            angle = t / 10000 ** (unit // 2 * 2 / width)
            table[t, unit] = math.cos(angle) if unit % 2 else math.sin(angle)
    return table


def plain_curve(data, params, weights):
    """Validation losses of plain training in the row's order."""
    network = Plain(params, data.shape, data.n_classes).double()
    network.load_state_dict(weights)
    optimizer = torch.optim.Adam(network.parameters(), lr=params["learning_rate"])
    measure = nn.CrossEntropyLoss()
    scaling = fit_scaling("standardize", data.train.x)
    x, x_validation = (
        torch.tensor(scaling.apply(part.x)).double() for part in (data.train, data.validation)
    )
    y, y_validation = (torch.tensor(part.y) for part in (data.train, data.validation))
    curve = []
    for epoch in range(EPOCHS):
        for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
            optimizer.zero_grad()
            measure(network(x[points]), y[points]).backward()
            optimizer.step()
        with torch.no_grad():
            curve.append(float(measure(network(x_validation), y_validation)))
    return curve, network


CASES = {
    "two heads": {},
    "one head": {"heads": 1, "units": 5},
    "two layers": {"layers": 2},
    "learnt positions": {"position": "learnt"},
    "no positions, the last step": {"position": "none", "summary": "last"},
    "a wide inner map": {"feed_forward": 4},
    "full bucket": {"units": 8},
    "three heads": {"heads": 3, "units": 2, "batch_size": 7},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_classification_equals_plain_torch(changes):
    """In company, a row does what torch.nn and torch.optim do, to 1e-9."""
    data, params = sequences_data(), SMALL | changes
    others = [{"units": 7, "learning_rate": 0.1}, {"dropout": 0.2, "optimizer": "sgd"}]
    weights, curve, trained = stacked_curve(
        Transformer(data, dtype=torch.float64), Row(0, params, SEED, EPOCHS), others
    )
    expected, network = plain_curve(data, params, weights)
    assert curve == pytest.approx(expected, rel=1e-9)
    assert set(trained) == set(network.state_dict())
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-6, atol=1e-8)


def test_dropout_changes_what_is_learnt():
    """Rows that differ in the rate of dropout alone part ways."""
    data = sequences_data()
    without, curve, _ = stacked_curve(
        Transformer(data, dtype=torch.float64), Row(0, SMALL, SEED, EPOCHS)
    )
    same, dropped, _ = stacked_curve(
        Transformer(data, dtype=torch.float64), Row(0, SMALL | {"dropout": 0.4}, SEED, EPOCHS)
    )
    assert all(torch.equal(without[name], same[name]) for name in without)
    assert curve != dropped


def test_series_and_images_are_learnt():
    """One epoch on airline passengers and on digits gives finite figures; tables are refused."""
    for name in ("airline", "digits"):
        trainer = Transformer(load(name))
        params = SMALL | {"batch_size": 64}
        cohort = trainer.cohort(trainer.structure(params))
        cohort.admit([Row(0, params, 1, 1)])
        (progress,) = cohort.advance()
        assert all(math.isfinite(figure) for figure in progress.metrics.values())
    with pytest.raises(DataError, match=r"trainer transformer, got points of shape \(4,\)"):
        Transformer(load("iris"))
