"""The convolutional trainer: a row against torch.nn and torch.optim, and rows in company."""

import numpy as np
import pytest
import small_data
import torch
from plain_perceptron import left_out, shorten, tensors_of
from small_data import dataset
from torch import nn
from torch.func import functional_call

from tests.trials.company import assert_own_bits
from trials.contract import Row
from trials.data import DataError
from trials.data.scaling import fit_scaling
from trials.networks.cnn import CNN
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "softplus": nn.Softplus}
POOLINGS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
SMALL = {"layers": 2, "channels": 3, "units": 12, "batch_size": 16, "learning_rate": 0.01}
SEED, EPOCHS = 11, 3


NORMS = {
    "none": (lambda _: [], lambda _: []),
    "batch": (lambda n: [nn.BatchNorm2d(n)], lambda n: [nn.BatchNorm1d(n)]),
    "layer": (lambda n: [nn.GroupNorm(1, n)], lambda n: [nn.LayerNorm(n)]),
}


class Masked(nn.Module):
    """Multiplies by the mask that was put into it."""

    mask = 1.0

    def forward(self, x):
        """`x` times the mask."""
        return x * self.mask


def images_data(height, width, is_regression=False):
    """90 noisy images in three classes, or with a number."""
    rng = np.random.default_rng(4)
    y = rng.integers(0, 3, 90)
    x = rng.normal(size=(90, 1, height, width)) + y[:, None, None, None]
    x[:, :, 0] = 0.0  # equal pixels, as at the edge of digits
    return dataset("images", x, y, is_regression)


def plain_network(data, params, weights):
    """The equivalent Sequential with the given initial weights."""
    n_in, size = 1, data.shape[1:]
    kernel, activation = params.get("kernel_size", 3), ACTIVATIONS[params.get("activation", "relu")]
    of_channels, of_units = NORMS[params.get("normalization", "none")]
    modules = []
    for block in range(params["layers"]):
        n_out = params["channels"] * 2**block
        modules.append(nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2))
        modules += [*of_channels(n_out), activation()]
        is_pooled = min(size) > 1
        modules.append(POOLINGS[params.get("pooling", "max")](2) if is_pooled else nn.Identity())
        n_in, size = n_out, tuple(n // 2 for n in size) if is_pooled else size
    units = params["units"]
    modules += [nn.Flatten(), nn.Linear(n_in * size[0] * size[1], units), *of_units(units)]
    modules += [activation(), Masked()]
    network = nn.Sequential(*modules, nn.Linear(units, data.n_classes or 1)).double()
    network.load_state_dict(weights)
    return network


def plain_optimizer(network, params):
    """The optimizer of torch; the decay acts on weights and not on biases."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": params.get("l2", 0.0)},
        {"params": [p for p in parameters if p.ndim == 1]},
    ]
    if params.get("optimizer", "adam") == "adam":
        return torch.optim.Adam(groups, lr=params["learning_rate"])
    momentum = params.get("momentum", 0.0)
    return torch.optim.SGD(groups, lr=params["learning_rate"], momentum=momentum)


def scaled(data):
    """Training and validation inputs, standardised, and targets as the loss wants them."""
    scaling = fit_scaling("standardize", data.train.x)
    x = [torch.tensor(scaling.apply(part.x)).double() for part in (data.train, data.validation)]
    y = [torch.tensor(part.y) for part in (data.train, data.validation)]
    if not data.classes:
        mean, std = y[0].double().mean(), y[0].double().std(correction=0)
        y = [((t.double() - mean) / std).unsqueeze(1) for t in y]
    return x, y


def plain_curve(data, params, weights):
    """Validation losses of plain training that draws order and masks from the row's generators."""
    network = plain_network(data, params, weights)
    optimizer = plain_optimizer(network, params)
    measure = nn.CrossEntropyLoss() if data.classes else nn.MSELoss()
    learn = measure
    if "label_smoothing" in params:
        learn = nn.CrossEntropyLoss(label_smoothing=params["label_smoothing"])
    (x, x_validation), (y, y_validation) = scaled(data)
    dropout = next(module for module in network if isinstance(module, Masked))
    rate, units = params.get("dropout", 0.0), params["units"]
    curve = []
    for epoch in range(EPOCHS):
        network.train()
        tape = generator(SEED, "dropout", epoch)
        connections = generator(SEED, "dropconnect", epoch)
        for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
            if rate:
                shape = (padded_batch(len(points)), units)
                kept = keep_tape(tape, 1, shape)[0] < keep_threshold(rate)
                dropout.mask = kept[: len(points)].double() / (1 - rate)
            optimizer.zero_grad()
            outputs = functional_call(network, left_out(network, connections, params), x[points])
            l1 = sum(p.abs().sum() for p in network.parameters() if p.ndim > 1)
            (learn(outputs, y[points]) + params.get("l1", 0.0) * l1).backward()
            optimizer.step()
            shorten(network, params.get("max_norm", 0.0))
        dropout.mask = 1.0
        network.eval()
        with torch.no_grad():
            curve.append(float(measure(network(x_validation), y_validation)))
    return curve, network


def stacked_curve(data, params, dtype=torch.float64):
    """Initial weights, validation losses and last weights of one row alone in its cohort."""
    return small_data.stacked_curve(CNN(data, dtype=dtype), Row(0, params, SEED, EPOCHS))


CASES = {
    "max": {},
    "average": {"pooling": "average"},
    "kernel 5": {"kernel_size": 5},
    "one block": {"layers": 1},
    "blocks that cannot be pooled": {"layers": 4, "channels": 2},
    "full bucket": {"channels": 16, "units": 16},
    "tanh": {"activation": "tanh"},
    "padding that must be masked": {"activation": "softplus", "optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9, "l2": 0.01},
    "penalties": {"l1": 0.001, "l2": 0.01},
    "dropout": {"dropout": 0.4, "activation": "softplus"},
    "label smoothing": {"label_smoothing": 0.2},
    "batches of seven": {"batch_size": 7},
    "batch norm": {"normalization": "batch", "optimizer": "sgd", "batch_size": 7, "l2": 0.01},
    "batch norm that must be masked": {
        **{"normalization": "batch", "optimizer": "sgd", "activation": "softplus"},
        **{"dropout": 0.3, "layers": 1},
    },
    "layer norm": {"normalization": "layer", "batch_size": 7},
    "layer norm that must be masked": {"normalization": "layer", "activation": "softplus"},
    "max norm": {"max_norm": 0.5},
    "dropconnect": {"dropconnect": 0.3, "l2": 0.01},
}


@pytest.mark.parametrize("size", [(8, 8), (6, 3)], ids=str)
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_classification_equals_plain_torch(size, changes):
    """In a stacked row every axis does what torch does, on even and odd sides, to 1e-9."""
    data, params = images_data(*size), SMALL | changes
    weights, curve, trained = stacked_curve(data, params)
    expected, network = plain_curve(data, params, weights)
    assert curve == pytest.approx(expected, rel=1e-9)
    assert list(trained) == list(tensors_of(network))
    for name, tensor in tensors_of(network).items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-7, atol=1e-9)


def test_regression_equals_plain_torch_in_units_of_the_target():
    """The network learns the standardised number; its loss is in squared units of the target."""
    data = images_data(8, 8, is_regression=True)
    weights, curve, _ = stacked_curve(data, SMALL)
    expected, _ = plain_curve(data, SMALL, weights)
    variance = float(data.train.y.astype(np.float64).var())
    assert curve == pytest.approx([loss * variance for loss in expected], rel=1e-9)


@pytest.mark.parametrize(
    ("size", "kind"),
    [((7, 7), "none"), ((6, 6), "none"), ((1, 8), "none"), ((8, 8), "batch"), ((7, 7), "layer")],
    ids=str,
)
def test_odd_images_change_no_bit(size, kind):
    """On any size of image, a row of any activation has the bits that it has alone."""
    trainer = CNN(images_data(*size))
    kinds = ("sigmoid", "tanh", "elu", "softplus", "relu")
    shared = SMALL | {"normalization": kind}
    rows = [
        Row(
            k,
            shared
            | {"activation": kinds[k % 5], "channels": 1 + k, "dropout": k % 2 / 4}
            | {"sparsity_weight": k % 3 / 30, "max_norm": k % 4 / 3, "dropconnect": k % 5 / 10},
            k,
            2,
        )
        for k in range(7)
    ]
    assert_own_bits(trainer, rows, 2)


def test_divergence_stays_in_its_row():
    """A row whose weights overflow changes no bit of its neighbour."""
    good = SMALL | {"optimizer": "sgd"}
    trainer = CNN(images_data(8, 8))
    curves = []
    for others in ([], [Row(1, good | {"learning_rate": 1e30, "momentum": 0.99}, 5, 3)]):
        cohort = trainer.cohort(trainer.structure(good))
        cohort.admit([Row(0, good, SEED, 3), *others])
        curves.append([{p.key: p.metrics for p in cohort.advance()} for _ in range(3)])
    assert [c[0] for c in curves[0]] == [c[0] for c in curves[1]]
    assert not np.isfinite(curves[1][-1][1]["validation_loss"])


def test_depth_kernel_and_pooling_separate_cohorts():
    """Rows that differ in these cannot share tensors; channels and units do not separate."""
    trainer = CNN(images_data(8, 8))
    structure = trainer.structure(SMALL)
    assert trainer.structure(SMALL | {"channels": 16, "units": 99}) == structure
    for other in ({"layers": 1}, {"kernel_size": 5}, {"pooling": "average"}):
        assert trainer.structure(SMALL | other) != structure


def test_vectors_are_refused(classes_data):
    """Data that are not images are named, with a trainer that takes them."""
    with pytest.raises(DataError, match=r"must be images .* got points of shape \(5,\).*mlp"):
        CNN(classes_data)
