"""The perceptron trainer's work for one trial, written out with torch.nn and torch.optim."""

import itertools

import torch
from torch import nn

from trials.contract import Row
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
    "elu": nn.ELU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
}


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
        {"params": [p for n, p in named if "bias" in n], "weight_decay": 0.0},
    ]
    rate, epsilon = params["learning_rate"], params.get("epsilon", 1e-8)
    betas = (params.get("beta1", 0.9), params.get("beta2", 0.999))
    rho, momentum = params.get("rho", 0.9), params.get("momentum", 0.0)
    nesterov = params.get("nesterov", False)
    return {
        "sgd": lambda: torch.optim.SGD(groups, rate, momentum, nesterov=nesterov),
        "adagrad": lambda: torch.optim.Adagrad(groups, rate, eps=epsilon),
        "rmsprop": lambda: torch.optim.RMSprop(groups, rate, rho, epsilon, momentum=momentum),
        "adam": lambda: torch.optim.Adam(groups, rate, betas, epsilon),
        "adamw": lambda: torch.optim.AdamW(groups, rate, betas, epsilon),
        "adadelta": lambda: torch.optim.Adadelta(groups, rate, rho, epsilon),
    }[params.get("optimizer", "adam")]()


def scaled(data):
    """Training and validation inputs, standardised, and targets as the loss wants them."""
    scaling = fit_scaling("standardize", data.train.x)
    x = [torch.tensor(scaling.apply(part.x)).double() for part in (data.train, data.validation)]
    y = [torch.tensor(part.y) for part in (data.train, data.validation)]
    if not data.classes:
        mean, std = y[0].double().mean(), y[0].double().std(correction=0)
        y = [((t.double() - mean) / std).unsqueeze(1) for t in y]
    return x, y


def put_masks(dropouts, tape, n_points, params):
    """Puts the masks of the next step into the dropout layers."""
    units, rate = params["units"], params.get("dropout", 0.0)
    if not rate or not dropouts:
        return
    kept = keep_tape(tape, 1, (len(dropouts), padded_batch(n_points), units))[0]
    for module, mask in zip(dropouts, kept < keep_threshold(rate), strict=True):
        module.mask = mask[:n_points].double() / (1 - rate)


def plain_curve(data, params, weights, row):
    """Validation losses of plain training that draws order and masks from the row's generators."""
    network = plain_network(data, params, weights)
    optimizer = plain_optimizer(network, params)
    measure = nn.functional.cross_entropy if data.classes else nn.functional.mse_loss
    extra = {"label_smoothing": params.get("label_smoothing", 0.0)} if data.classes else {}
    (x, x_validation), (y, y_validation) = scaled(data)
    dropouts = [module for module in network if isinstance(module, Masked)]
    curve = []
    for epoch in range(row.epochs):
        factor = SCHEDULES[params.get("schedule", "constant")](epoch, row.epochs)
        for group in optimizer.param_groups:
            group["lr"] = params["learning_rate"] * factor
        tape = generator(row.seed, "dropout", epoch)
        for points in data_order(row.seed, epoch, len(x)).split(params["batch_size"]):
            put_masks(dropouts, tape, len(points), params)
            optimizer.zero_grad()
            loss = measure(network(x[points]), y[points], **extra)
            l1 = sum(p.abs().sum() for n, p in network.named_parameters() if "weight" in n)
            (loss + params.get("l1", 0.0) * l1).backward()
            optimizer.step()
        for module in dropouts:
            module.mask = 1.0
        with torch.no_grad():
            curve.append(float(measure(network(x_validation), y_validation)))
    return curve, network


def fused_curves(data, rows, dtype=torch.float64):
    """Initial weights, validation losses and last states of rows of one cohort, by key."""
    trainer = MLP(data, dtype=dtype)
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    weights = {row.key: trainer.weights(cohort.save(row.key), row.params) for row in rows}
    curves = {row.key: [] for row in rows}
    for _ in range(rows[0].epochs):
        for progress in cohort.advance():
            curves[progress.key].append(progress.metrics["validation_loss"])
    return weights, curves, {row.key: cohort.save(row.key) for row in rows}


def fused_curve(data, params, seed, epochs, dtype=torch.float64):
    """The same for one row alone."""
    found = fused_curves(data, [Row(0, params, seed, epochs)], dtype)
    return tuple(part[0] for part in found)
