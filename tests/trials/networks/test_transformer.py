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
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold

SMALL = {"heads": 2, "units": 3, "batch_size": 16, "learning_rate": 0.01}
SEED, EPOCHS, N_STEPS = 11, 2, 6


class Masked(nn.Module):
    """Multiplies by the mask that was put into it."""

    mask = 1.0

    def forward(self, x):
        """`x` times the mask."""
        return x * self.mask


class Plain(nn.Module):
    """The equivalent module; masks may stand for the dropout of what is added to the steps."""

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
        for layer in self.encoder.layers:
            layer.dropout1, layer.dropout2 = Masked(), Masked()
        self.head = nn.Linear(width, n_outputs)

    def put_masks(self, tape, n_points, rate):
        """The masks of the next step, from the row's tape."""
        sites = [getattr(one, f"dropout{n}") for one in self.encoder.layers for n in (1, 2)]
        shape = (len(sites), padded_batch(n_points), N_STEPS, self.embed.out_features)
        kept = keep_tape(tape, 1, shape)[0] < keep_threshold(rate)
        for site, mask in zip(sites, kept, strict=True):
            site.mask = mask[:n_points].double() / (1 - rate)

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
    """Validation losses of plain training that draws order and masks from the row's generators."""
    network = Plain(params, data.shape, data.n_classes).double()
    network.load_state_dict(weights)
    optimizer = torch.optim.Adam(network.parameters(), lr=params["learning_rate"])
    measure = nn.CrossEntropyLoss()
    scaling = fit_scaling("standardize", data.train.x)
    x, x_validation = (
        torch.tensor(scaling.apply(part.x)).double() for part in (data.train, data.validation)
    )
    y, y_validation = (torch.tensor(part.y) for part in (data.train, data.validation))
    rate, curve = params.get("dropout", 0.0), []
    for epoch in range(EPOCHS):
        tape = generator(SEED, "dropout", epoch)
        network.train()
        for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
            if rate:
                network.put_masks(tape, len(points), rate)
            optimizer.zero_grad()
            measure(network(x[points]), y[points]).backward()
            optimizer.step()
        network.eval()
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
    "dropout in two layers": {"dropout": 0.4, "layers": 2},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_classification_equals_plain_torch(changes):
    """In company, a row does what torch.nn and torch.optim do, to 1e-9."""
    data, params = sequences_data(N_STEPS), SMALL | changes
    others = [{"units": 7, "learning_rate": 0.1}, {"dropout": 0.2, "optimizer": "sgd"}]
    weights, curve, trained = stacked_curve(
        Transformer(data, dtype=torch.float64), Row(0, params, SEED, EPOCHS), others
    )
    expected, network = plain_curve(data, params, weights)
    assert curve == pytest.approx(expected, rel=1e-9)
    assert set(trained) == set(network.state_dict())
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-6, atol=1e-8)


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
