"""The perceptron trainer's work for one trial, written out with torch.nn and torch.optim."""

import itertools

import torch
from torch import nn
from torch.func import functional_call

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


NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


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
    norm = NORMS.get(params.get("normalization", "none"))
    for n_in, n_out in itertools.pairwise(sizes):
        modules.append(nn.Linear(n_in, n_out))
        modules += [norm(n_out)] if norm else []
        modules += [MODULES[params.get("activation", "relu")](), Masked()]
    modules.append(nn.Linear(sizes[-1], data.n_classes or 1))
    network = nn.Sequential(*modules).double()
    network.load_state_dict(weights)
    return network


def tensors_of(network):
    """The tensors of the network by name, without the counters of batches.

    A bias below a batch norm has a gradient of rounding alone; it counts as the zero that it was.
    """
    found = network.state_dict()
    for (name, _), (_, above) in itertools.pairwise(network.named_children()):
        if isinstance(above, nn.BatchNorm1d | nn.BatchNorm2d):
            found[f"{name}.bias"] = torch.zeros_like(found[f"{name}.bias"])
    return {n: t for n, t in found.items() if not n.endswith("num_batches_tracked")}


def plain_optimizer(network, params):
    """The optimizer of torch; the decay acts on weights and not on biases."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": params.get("l2", 0.0)},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
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


def left_out(network, tape, params):
    """The parameters of the next step: weights under DropConnect's mask, biases as they are."""
    named = dict(network.named_parameters())
    rate = params.get("dropconnect", 0.0)
    if not rate:
        return named
    weights = {name: w for name, w in named.items() if w.ndim > 1}
    sizes = [w.numel() for w in weights.values()]
    kept = (keep_tape(tape, 1, (sum(sizes),))[0] < keep_threshold(rate)).split(sizes)
    masks = [
        mask.view(w.shape).double() / (1 - rate)
        for mask, w in zip(kept, weights.values(), strict=True)
    ]
    return named | {n: w * m for (n, w), m in zip(weights.items(), masks, strict=True)}


def activations_of(network):
    """A list that each step fills with the activations of every hidden layer."""
    seen = []
    for module, above in itertools.pairwise(network):
        if isinstance(above, Masked):
            module.register_forward_hook(lambda _module, _x, y: seen.append(y))
    return seen


def silence(seen, params):
    """The sparsity penalty: KL of mean activations for sigmoid units, L1 for all others."""
    target, penalty = params.get("sparsity", 0.05), 0.0
    for y in seen if params.get("sparsity_weight") else ():
        if params.get("activation") == "sigmoid":
            mean = y.mean(0)
            divergence = target * (target / mean).log()
            divergence = divergence + (1 - target) * ((1 - target) / (1 - mean)).log()
            penalty = penalty + divergence.sum()
        else:
            penalty = penalty + y.abs().sum(1).mean()
    return params.get("sparsity_weight", 0.0) * penalty


def shorten(network, limit):
    """Weights into a unit are at most as long as the limit; 0 for none."""
    for weight in network.parameters():
        if limit and weight.ndim > 1:
            norm = weight.detach().flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))
            weight.data *= (limit / norm).clamp(max=1)


class PlainPace:
    """The learning rate of every epoch, by torch where it follows the validation loss."""

    def __init__(self, optimizer, params, epochs):
        self.optimizer, self.params, self.epochs = optimizer, params, epochs
        self.factor = params.get("schedule_factor", 0.1)
        self.plateau = None
        if params.get("schedule") == "plateau":
            self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=self.factor, patience=params.get("schedule_patience", 5), eps=0
            )

    def begin(self, epoch):
        """Sets the rate of the epoch."""
        if self.plateau is None:
            schedule = SCHEDULES[self.params.get("schedule", "constant")]
            for group in self.optimizer.param_groups:
                group["lr"] = self.params["learning_rate"] * schedule(
                    epoch, self.epochs, self.factor
                )

    def end(self, loss):
        """The validation loss of the epoch is known."""
        if self.plateau is not None:
            self.plateau.step(loss)


def plain_curve(data, params, weights, row):
    """Validation losses of plain training that draws order and masks from the row's generators."""
    network = plain_network(data, params, weights)
    optimizer = plain_optimizer(network, params)
    measure = nn.functional.cross_entropy if data.classes else nn.functional.mse_loss
    extra = {"label_smoothing": params.get("label_smoothing", 0.0)} if data.classes else {}
    (x, x_validation), (y, y_validation) = scaled(data)
    dropouts = [module for module in network if isinstance(module, Masked)]
    curve = []
    seen = activations_of(network)
    pace = PlainPace(optimizer, params, row.epochs)
    for epoch in range(row.epochs):
        pace.begin(epoch)
        tape = generator(row.seed, "dropout", epoch)
        connections = generator(row.seed, "dropconnect", epoch)
        network.train()
        for points in data_order(row.seed, epoch, len(x)).split(params["batch_size"]):
            seen.clear()
            put_masks(dropouts, tape, len(points), params)
            optimizer.zero_grad()
            outputs = functional_call(network, left_out(network, connections, params), x[points])
            loss = measure(outputs, y[points], **extra)
            loss = loss + silence(seen, params)
            l1 = sum(p.abs().sum() for p in network.parameters() if p.ndim > 1)
            (loss + params.get("l1", 0.0) * l1).backward()
            optimizer.step()
            shorten(network, params.get("max_norm", 0.0))
        for module in dropouts:
            module.mask = 1.0
        network.eval()
        with torch.no_grad():
            curve.append(float(measure(network(x_validation), y_validation)))
        pace.end(curve[-1])
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
