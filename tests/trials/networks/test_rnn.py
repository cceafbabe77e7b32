"""The recurrent trainer: a row against torch.nn and torch.optim, and what it does on series."""

import math

import numpy as np
import pytest
import torch
from small_data import sequences_data, stacked_curve
from torch import nn

from trials.contract import Row
from trials.data import DataError, load
from trials.data.scaling import fit_scaling
from trials.data.series import Cut, windows
from trials.networks.rnn import RNN
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "plain": nn.RNN}
SMALL = {"units": 5, "batch_size": 16, "learning_rate": 0.01}
SEED, EPOCHS = 11, 2


class Plain(nn.Module):
    """The equivalent module; masks stand for dropout between layers and of the last state."""

    def __init__(self, params, n_features, n_outputs):
        """Makes the modules that `params` name."""
        super().__init__()
        units, n_layers = params["units"], params.get("layers", 1)
        self.front = None
        if params.get("front") == "conv":
            self.front = nn.Conv1d(n_features, units, 3, padding=1)
            n_features = units
        kind = CELLS[params.get("cell", "lstm")]
        self.recurrent = kind(n_features, units, n_layers, batch_first=True)
        is_normed = params.get("normalization") == "layer"
        self.norm = nn.LayerNorm(units) if is_normed else nn.Identity()
        self.head = nn.Linear(units, n_outputs)
        self.layers = tuple(self._layer(kind, layer) for layer in range(n_layers))
        self.masks = [1.0] * n_layers

    def _layer(self, kind, layer):
        """One layer of the recurrent module by itself, with the same parameters."""
        units = self.recurrent.hidden_size
        found = kind(units if layer else self.recurrent.input_size, units, batch_first=True)
        for name in [name for name, _ in found.named_parameters()]:
            setattr(found, name, getattr(self.recurrent, f"{name[:-1]}{layer}"))
        return found

    def put_masks(self, tape, n_points, rate, n_steps):
        """The masks of the next step, from the row's tape: of all states, then of the last one."""
        n_batch, units = padded_batch(n_points), self.head.in_features
        shapes = [(n_batch, n_steps, units)] * (len(self.masks) - 1) + [(n_batch, units)]
        sizes = [math.prod(shape) for shape in shapes]
        kept = keep_tape(tape, 1, (sum(sizes),))[0].split(sizes)
        self.masks = [
            (part.view(shape)[:n_points] < keep_threshold(rate)).double() / (1 - rate)
            for part, shape in zip(kept, shapes, strict=True)
        ]

    def states(self, x):
        """Of the last layer, (B, T, H); masks lie between the layers."""
        for layer, mask in zip(self.layers, [1.0, *self.masks[:-1]], strict=True):
            x = layer(x * mask)[0]
        return x

    def forward(self, x):
        """Outputs for sequences (B, T, F)."""
        if self.front is not None:
            x = self.front(x.mT).relu().mT
        return self.head(self.norm(self.states(x)[:, -1]) * self.masks[-1])


def plain_curve(data, params, weights):
    """Validation losses, standardised, of training that draws from the row's generators."""
    network = Plain(params, data.shape[1], data.n_classes or 1).double()
    network.load_state_dict(weights)
    optimizer = torch.optim.Adam(network.parameters(), lr=params["learning_rate"])
    measure = nn.CrossEntropyLoss() if data.classes else nn.MSELoss()
    scaling = fit_scaling("standardize", data.train.x)
    x, x_validation = (
        torch.tensor(scaling.apply(part.x)).double() for part in (data.train, data.validation)
    )
    y, y_validation = (torch.tensor(part.y) for part in (data.train, data.validation))
    if not data.classes:
        mean, std = y.double().mean(), y.double().std(correction=0)
        y, y_validation = (((t.double() - mean) / std).unsqueeze(1) for t in (y, y_validation))
    rate = params.get("dropout", 0.0)
    curve = []
    for epoch in range(EPOCHS):
        tape = generator(SEED, "dropout", epoch)
        for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
            if rate:
                network.put_masks(tape, len(points), rate, x.shape[1])
            optimizer.zero_grad()
            measure(network(x[points]), y[points]).backward()
            optimizer.step()
        network.masks = [1.0] * len(network.masks)
        with torch.no_grad():
            curve.append(float(measure(network(x_validation), y_validation)))
    return curve, network


CASES = {
    "one layer": {},
    "two layers": {"layers": 2},
    "a convolution in front": {"front": "conv"},
    "dropout": {"dropout": 0.4},
    "dropout between layers": {"dropout": 0.4, "layers": 2},
    "batches of seven": {"batch_size": 7},
    "full bucket": {"units": 16},
    "layer norm": {"normalization": "layer", "dropout": 0.3},
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_classification_equals_plain_torch(cell, changes):
    """In company, a row does what torch.nn and torch.optim do, to 1e-9."""
    data, params = sequences_data(), SMALL | {"cell": cell} | changes
    others = [{"units": 9, "learning_rate": 0.1}, {"dropout": 0.2, "optimizer": "sgd"}]
    weights, curve, trained = stacked_curve(
        RNN(data, dtype=torch.float64), Row(0, params, SEED, EPOCHS), others
    )
    expected, network = plain_curve(data, params, weights)
    assert curve == pytest.approx(expected, rel=1e-9)
    assert set(trained) == set(network.state_dict())
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_regression_equals_plain_torch_in_units_of_the_target(cell):
    """The network learns the standardised number; its loss is in squared units of the target."""
    data, params = sequences_data(is_regression=True), SMALL | {"cell": cell}
    weights, curve, _ = stacked_curve(RNN(data, dtype=torch.float64), Row(0, params, SEED, EPOCHS))
    expected, _ = plain_curve(data, params, weights)
    variance = float(data.train.y.astype(np.float64).var())
    assert curve == pytest.approx([loss * variance for loss in expected], rel=1e-9)


def test_images_are_read_row_by_row():
    """An image of one channel is a sequence of its rows; other shapes are refused."""
    trainer = RNN(load("digits"))
    assert (trainer.task.inputs.shape, trainer.task.inputs.padded) == ((8, 8), (8, 16))
    with pytest.raises(DataError, match=r"must be sequences.*got points of shape \(30,\).*mlp"):
        RNN(load("breast_cancer"))


CUT = {"log": True, "difference": True, "seasonal_lag": 12, "window": 6}


@pytest.mark.parametrize("changes", [{}, {"log": False}, {"difference": False, "horizon": 3}])
def test_series_are_measured_in_units_of_the_target(changes):
    """The figures are those of predictions made by hand with the row's weights."""
    data, params = load("airline"), SMALL | CUT | changes
    trainer = RNN(data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 1), Row(1, params | {"log": False}, SEED, 1)])
    (figures, _) = (progress.metrics for progress in cohort.advance())
    network = Plain(params, 1, 1).double()
    network.load_state_dict(trainer.weights(cohort.save(0), params))
    axes = ("window", "horizon", "log", "difference", "seasonal_lag")
    cut = Cut(**{axis: params[axis] for axis in axes if axis in params})
    found = windows(data, cut)
    train, part = found.data.train, found.data.validation
    x = torch.tensor(fit_scaling("standardize", train.x).apply(part.x)).double()
    with torch.no_grad():
        said = network(x)[:, 0].numpy()
    answers = train.y.astype(np.float64)
    off = found.in_units(said * answers.std() + answers.mean(), 1) - found.truths[1]
    assert figures["validation_rmse"] == pytest.approx(np.sqrt(np.square(off).mean()), rel=1e-9)
    assert figures["validation_mae"] == pytest.approx(np.abs(off).mean(), rel=1e-9)
    assert figures["validation_loss"] == pytest.approx(figures["validation_rmse"] ** 2)


def test_rows_of_one_frame_share_a_cohort():
    """Transformations do not separate rows; window and horizon do."""
    trainer = RNN(load("airline"))
    params = SMALL | CUT
    same = trainer.structure(params)
    assert trainer.structure(params | {"log": False, "seasonal_lag": 0, "units": 60}) == same
    for other in ({"window": 12}, {"horizon": 2}, {"cell": "gru"}, {"front": "conv"}):
        assert trainer.structure(params | other) != same


def test_the_test_figures_are_of_a_fit_to_all_rows_before():
    """The state of the trial gives the epochs alone; weights are fitted to the first part."""
    data, params = load("airline"), SMALL | CUT
    trainer = RNN(data)
    found = []
    for seed in (1, 2):
        cohort = trainer.cohort(trainer.structure(params))
        cohort.admit([Row(0, params, seed, 3)])
        for _ in range(3):
            cohort.advance()
        found.append(trainer.test(cohort.save(0), params))
    assert found[0] == found[1]
    assert set(found[0]) == {"test_loss", "test_rmse", "test_r2", "test_mae"}
    fewer = trainer.test(cohort.save(0) | {"epoch": torch.tensor(2)}, params)
    assert fewer != found[0]


def test_the_space_of_a_series_follows_the_data(tmp_path):
    """Window and horizon of the data are fixed; a target below zero has no logarithm."""
    rows = "".join(f"{n},{n % 7 - 3}\n" for n in range(200))
    path = tmp_path / "t.csv"
    path.write_text("t,y\n" + rows)
    source = {"file": str(path), "target": "y", "time": "t", "window": 9, "horizon": 2}
    space = RNN(load(source)).space.to_plain()
    assert (space["window"], space["horizon"], space["log"]) == (9, 2, False)
    assert RNN(load("airline")).space.to_plain()["window"]["choices"] == [6, 12]
    assert "window" not in RNN(load("digits")).space
