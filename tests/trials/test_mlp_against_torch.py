"""The perceptron trainer, one row at a time, against torch.nn and torch.optim written by hand."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from trials.contract import Row
from trials.data import DataError
from trials.data.scaling import fit_scaling
from trials.networks.mlp import MLP
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold
from trials.stacked.schedules import SCHEDULES

MODULES = {
    "linear": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "hard_tanh": nn.Hardtanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
}
SMALL = {"units": 12, "layers": 2, "batch_size": 16, "learning_rate": 0.05}
SEED = 11


class Masked(nn.Module):
    """Multiplies by the mask that was put into it."""

    mask = 1.0

    def forward(self, x):
        """`x` times the mask."""
        return x * self.mask


def plain_network(data, params, weights):
    """The equivalent Sequential with the given initial weights."""
    sizes = [data.train.x.shape[1]] + [params["units"]] * params["layers"]
    modules = []
    for n_in, n_out in itertools.pairwise(sizes):
        modules += [nn.Linear(n_in, n_out), MODULES[params.get("activation", "relu")](), Masked()]
    modules.append(nn.Linear(sizes[-1], data.n_classes or 1))
    network = nn.Sequential(*modules).double()
    network.load_state_dict(weights)
    return network


def plain_optimizer(network, params):
    """The optimizer of torch; the decay acts on weights and not on biases."""
    named = list(network.named_parameters())
    groups = [
        {"params": [p for n, p in named if "weight" in n], "weight_decay": params.get("l2", 0.0)},
        {"params": [p for n, p in named if "bias" in n]},
    ]
    if params.get("optimizer", "adam") == "adam":
        betas = (params.get("beta1", 0.9), params.get("beta2", 0.999))
        return torch.optim.Adam(groups, lr=params["learning_rate"], betas=betas)
    return torch.optim.SGD(
        groups,
        lr=params["learning_rate"],
        momentum=params.get("momentum", 0.0),
        nesterov=params.get("nesterov", False),
    )


def scaled(data):
    """Training and validation inputs, standardised, and targets as the loss wants them."""
    scaling = fit_scaling("standardize", data.train.x)
    x = [torch.tensor(scaling.apply(part.x)).double() for part in (data.train, data.validation)]
    y = [torch.tensor(part.y) for part in (data.train, data.validation)]
    if not data.classes:
        mean, std = y[0].double().mean(), y[0].double().std(correction=0)
        y = [((t.double() - mean) / std).unsqueeze(1) for t in y]
    return x, y


def plain_curve(data, params, weights, epochs):
    """Validation losses of plain training that draws order and masks from the row's generators."""
    network = plain_network(data, params, weights)
    optimizer = plain_optimizer(network, params)
    measure = nn.functional.cross_entropy if data.classes else nn.functional.mse_loss
    (x, x_validation), (y, y_validation) = scaled(data)
    dropouts = [module for module in network if isinstance(module, Masked)]
    size, units, rate = params["batch_size"], params["units"], params.get("dropout", 0.0)
    curve = []
    for epoch in range(epochs):
        factor = SCHEDULES[params.get("schedule", "constant")](epoch, epochs)
        for group in optimizer.param_groups:
            group["lr"] = params["learning_rate"] * factor
        tape = generator(SEED, "dropout", epoch)
        for points in data_order(SEED, epoch, len(x)).split(size):
            if rate:
                shape = (len(dropouts), padded_batch(len(points)), units)
                kept = keep_tape(tape, 1, shape)[0] < keep_threshold(rate)
                for module, mask in zip(dropouts, kept, strict=True):
                    module.mask = mask[: len(points)].double() / (1 - rate)
            optimizer.zero_grad()
            loss = measure(network(x[points]), y[points])
            l1 = sum(p.abs().sum() for n, p in network.named_parameters() if "weight" in n)
            (loss + params.get("l1", 0.0) * l1).backward()
            optimizer.step()
        for module in dropouts:
            module.mask = 1.0
        with torch.no_grad():
            curve.append(float(measure(network(x_validation), y_validation)))
    return curve, network


def fused_curve(data, params, epochs, dtype=torch.float64):
    """Initial weights, validation losses and last state of one row alone in its cohort."""
    trainer = MLP(data, dtype=dtype)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, epochs)])
    weights = trainer.weights(cohort.save(0), params)
    curve = [cohort.advance()[0].metrics["validation_loss"] for _ in range(epochs)]
    return weights, curve, cohort.save(0)


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
    "one layer": {"layers": 1},
    "full bucket": {"units": 16, "activation": "sigmoid"},
    "batches of seven": {"batch_size": 7},
    "one batch": {"batch_size": 64},
}
CASES |= {f"activation {name}": {"activation": name} for name in MODULES}
CASES |= {f"schedule {name}": {"schedule": name} for name in SCHEDULES}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_classification_equals_plain_torch(classes_data, changes):
    """Every axis does in a stacked row what torch does, over five epochs, to 1e-9."""
    params = SMALL | changes
    weights, curve, state = fused_curve(classes_data, params, 5)
    expected, network = plain_curve(classes_data, params, weights, 5)
    assert curve == pytest.approx(expected, rel=1e-9)
    trained = MLP(classes_data, dtype=torch.float64).weights(state, params)
    assert trained.keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd", "momentum": 0.5, "l2": 0.01}])
def test_regression_equals_plain_torch_in_units_of_the_target(numbers_data, changes):
    """The network learns the standardised target; loss and rmse are in the target's units."""
    params = SMALL | changes
    weights, curve, state = fused_curve(numbers_data, params, 4)
    expected, _network = plain_curve(numbers_data, params, weights, 4)
    variance = float(numbers_data.train.y.astype(np.float64).var())
    assert curve == pytest.approx([loss * variance for loss in expected], rel=1e-9)
    trainer = MLP(numbers_data, dtype=torch.float64)
    assert trainer.test(state, params)["rmse"] == pytest.approx(
        trainer.test(state, params)["test_loss"] ** 0.5
    )


def test_single_precision_follows_plain_torch(classes_data):
    """In float32 the curve agrees with plain double precision as far as rounding allows."""
    weights, curve, _ = fused_curve(classes_data, SMALL, 3, torch.float32)
    weights = {name: tensor.double() for name, tensor in weights.items()}
    expected, _ = plain_curve(classes_data, SMALL, weights, 3)
    assert curve == pytest.approx(expected, rel=1e-3)


def test_further_figures(classes_data):
    """Accuracy is a share of right answers; the training loss is finite and falls."""
    trainer = MLP(classes_data)
    cohort = trainer.cohort(trainer.structure(SMALL))
    cohort.admit([Row(0, SMALL, SEED, 20)])
    progress = [cohort.advance()[0] for _ in range(20)]
    assert [p.epoch for p in progress] == list(range(1, 21))
    assert progress[-1].metrics["train_loss"] < progress[0].metrics["train_loss"]
    assert progress[-1].metrics["accuracy"] * 21 == pytest.approx(
        round(progress[-1].metrics["accuracy"] * 21)
    )
    assert set(trainer.test(cohort.save(0), SMALL)) == {"test_loss", "accuracy"}


@pytest.mark.parametrize("activation", MODULES)
@pytest.mark.parametrize(("optimizer", "dropout"), [("sgd", 0.0), ("adam", 0.0), ("adam", 0.3)])
def test_padding_does_not_matter(classes_data, activation, optimizer, dropout):
    """A row in a bucket four times as wide has the same curve to 1e-9 in float64."""
    params = SMALL | {"activation": activation, "optimizer": optimizer, "l1": 0.01}
    params["dropout"] = dropout
    trainer = MLP(classes_data, dtype=torch.float64)
    narrow = trainer.structure(params)
    wide = trainer.structure(params | {"units": 64})
    assert narrow != wide
    curves = []
    for structure in (narrow, wide):
        cohort = trainer.cohort(structure)
        cohort.admit([Row(0, params, SEED, 3)])
        curves.append([cohort.advance()[0].metrics["validation_loss"] for _ in range(3)])
        assert trainer.weights(cohort.save(0), params)["0.weight"].shape == (12, 5)
    assert curves[0] == pytest.approx(curves[1], abs=1e-9)


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


def test_unknown_axes_are_refused(classes_data):
    """An axis that the perceptron does not have is named, with those it has."""
    with pytest.raises(ValueError, match="unknown axes \\['beta3'\\]; there are learning_rate"):
        MLP(classes_data).structure({"beta3": 1})


def test_data_without_answers_is_refused(ring_data):
    """A density cannot be predicted; the message names the trainer that can learn it."""
    with pytest.raises(DataError, match="such as gan"):
        MLP(ring_data)
