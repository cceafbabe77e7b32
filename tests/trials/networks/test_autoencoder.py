"""The autoencoder trainer against torch.nn and torch.optim written by hand, and against PCA."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.trials.company import assert_own_bits
from trials import data as datasets
from trials.contract import Row
from trials.data import DataError
from trials.data.scaling import fit_scaling
from trials.networks.autoencoder import Autoencoder
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold, normal_tape
from trials.stacked.schedules import SCHEDULES
from trials.stacked.unsupervised.coding_settings import CodingSettings

SEED, EPOCHS = 5, 3
SMALL = {"units": 12, "code": 3, "layers": 1, "batch_size": 16, "learning_rate": 0.01}
MODULES = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
NORMS = {
    "none": lambda n: [],
    "batch": lambda n: [nn.BatchNorm1d(n)],
    "layer": lambda n: [nn.LayerNorm(n)],
}
OPTIMIZERS = {
    "adam": lambda p, rate, l2: torch.optim.Adam(p, rate, weight_decay=0.0),
    "sgd": lambda p, rate, l2: torch.optim.SGD(p, rate, momentum=0.9),
}


def plain_networks(params, n_features, weights):
    """Encoder and decoder as Sequentials with the given initial weights."""
    hidden = [params["units"]] * params["layers"]
    n_said = params["code"] * (2 if params.get("kind") == "vae" else 1)
    networks = {}
    for name, sizes in (
        ("encoder", [n_features, *hidden, n_said]),
        ("decoder", [params["code"], *hidden, n_features]),
    ):
        modules = []
        for n_in, n_out in itertools.pairwise(sizes):
            activation = MODULES[params.get("activation", "relu")]()
            norm = NORMS[params.get("normalization", "none")](n_out)
            modules += [nn.Linear(n_in, n_out), *norm, activation, nn.Identity()]
        networks[name] = nn.Sequential(*modules[: -2 - len(norm)])
    model = nn.ModuleDict(networks).double()
    model.load_state_dict(weights)
    return model


def seen_points(data, params):
    """Points as the row sees them, the unit of each column, and validation points not clipped."""
    is_bernoulli = params.get("likelihood") == "bernoulli"
    kind = "minmax" if is_bernoulli else params.get("input_scaling", "minmax")
    scaling = fit_scaling(kind, data.train.x)
    points = [scaling.apply(part.x) for part in (data.train, data.validation)]
    if is_bernoulli:
        points = [p.clip(0, 1) for p in points]
    truth = torch.tensor(scaling.apply(data.validation.x)).double()
    unit = torch.tensor(scaling.scale).double()
    return [torch.tensor(p).double() for p in points], unit, truth


def spoilt(x, tape, params):
    """A batch as a denoising row gets it."""
    shape, level = (padded_batch(len(x)), x.shape[1]), params.get("noise_level", 0.3)
    if params.get("kind") != "denoising":
        return x
    if params.get("noise", "masking") == "gaussian":
        return x + level * normal_tape(tape, 1, shape)[0, : len(x)].double()
    return x * (keep_tape(tape, 1, shape)[0, : len(x)] < keep_threshold(level))


def coded(said, x, params, tape):
    """The code of a batch, drawn for a vae, and its divergence summed over the batch."""
    if params.get("kind") != "vae":
        return said, params.get("sparsity_weight", 0.0) * said.abs().sum()
    mean, log_variance = said.view(len(x), -1, 2).unbind(-1)
    if tape is None:
        return mean, 0.0
    noise = normal_tape(tape, 1, (padded_batch(len(x)), params["code"]))[0, : len(x)].double()
    law = torch.distributions.Normal(mean, (log_variance / 2).exp())
    unit = torch.distributions.Normal(torch.zeros(()).double(), torch.ones(()).double())
    z = mean + noise * (log_variance / 2).exp()
    return z, params.get("kl_weight", 1.0) * torch.distributions.kl_divergence(law, unit).sum()


def surprise(outputs, x, params):
    """Negative log likelihood of a batch, summed."""
    if params.get("likelihood") == "bernoulli":
        return functional.binary_cross_entropy_with_logits(outputs, x, reduction="sum")
    return 0.5 * ((outputs - x) ** 2).sum()


def passed(network, x, tape, rate):
    """Outputs of a network whose weights are left out as the tape says."""
    if not rate:
        return network(x)
    weights = {name: p for name, p in network.named_parameters() if p.ndim > 1}
    sizes = [p.numel() for p in weights.values()]
    kept = (keep_tape(tape, 1, (sum(sizes),))[0] < keep_threshold(rate)).double() / (1 - rate)
    masks = zip(weights.items(), kept.split(sizes), strict=True)
    masked = {name: p * mask.view(p.shape) for (name, p), mask in masks}
    return torch.func.functional_call(network, masked, (x,))


def plain_curve(data, params, weights):
    """Validation errors and the trained networks of plain training on the row's own draws."""
    (x, x_validation), unit, truth = seen_points(data, params)
    n_features = x.shape[1]
    model = plain_networks(params, n_features, weights)
    optimizer = OPTIMIZERS[params.get("optimizer", "adam")](
        model.parameters(), params["learning_rate"], 0.0
    )
    curve = []
    for epoch in range(EPOCHS):
        factor = SCHEDULES[params.get("schedule", "constant")](epoch, EPOCHS)
        optimizer.param_groups[0]["lr"] = params["learning_rate"] * factor
        purposes = ("corruption", "latent", "encoder dropconnect", "decoder dropconnect")
        tapes, rate = [generator(SEED, p, epoch) for p in purposes], params.get("dropconnect")
        model.train()
        for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
            optimizer.zero_grad()
            said = passed(model["encoder"], spoilt(x[points], tapes[0], params), tapes[2], rate)
            z, extra = coded(said, x[points], params, tapes[1])
            outputs = passed(model["decoder"], z, tapes[3], rate)
            loss = (surprise(outputs, x[points], params) + extra) / len(points)
            weight = [p for p in model.parameters() if p.ndim > 1]
            penalty = sum(
                params.get("l1", 0.0) * p.abs().sum() + params.get("l2", 0.0) / 2 * (p**2).sum()
                for p in weight
            )
            (loss / n_features + penalty).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            said = model["encoder"](x_validation)
            outputs = model["decoder"](coded(said, x_validation, params, None)[0])
        if params.get("likelihood") == "bernoulli":
            outputs = outputs.sigmoid()
        curve.append(float((((outputs - truth) * unit) ** 2).mean()))
    return curve, model


CASES = {
    "plain": {},
    "deep, standardised, L1": {"layers": 3, "input_scaling": "standardize", "l1": 1e-3},
    "no hidden layer, L2": {"layers": 0, "l2": 0.01},
    "sparse code": {"sparsity_weight": 0.3},
    "bernoulli": {"likelihood": "bernoulli", "activation": "sigmoid"},
    "masking": {"kind": "denoising", "noise_level": 0.4},
    "gaussian noise": {"kind": "denoising", "noise": "gaussian", "noise_level": 0.2},
    "vae": {"kind": "vae", "likelihood": "bernoulli", "activation": "tanh"},
    "gaussian vae": {"kind": "vae", "kl_weight": 0.5, "optimizer": "sgd", "momentum": 0.9},
    "cosine": {"schedule": "cosine", "batch_size": 7},
    "batch norm": {"normalization": "batch", "layers": 2, "optimizer": "sgd", "momentum": 0.9},
    "layer norm that must be masked": {"normalization": "layer", "activation": "sigmoid"},
    "vae, layer norm": {"kind": "vae", "normalization": "layer", "likelihood": "bernoulli"},
    "DropConnect": {"dropconnect": 0.3, "l2": 0.01, "layers": 2},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_rows_equal_plain_torch(classes_data, changes):
    """Errors and weights are those of the same training in torch, also beside another row."""
    params = SMALL | changes
    other = params | {"units": 30, "code": 9, "learning_rate": 0.003}
    trainer = Autoencoder(classes_data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, EPOCHS), Row(1, other, SEED, EPOCHS)])
    start = [trainer.weights(cohort.save(key), p) for key, p in enumerate((params, other))]
    curves = [[p.metrics["validation_loss"] for p in cohort.advance()] for _ in range(EPOCHS)]
    for key, row_params in enumerate((params, other)):
        expected, model = plain_curve(classes_data, row_params, start[key])
        np.testing.assert_allclose([c[key] for c in curves], expected, rtol=1e-9)
        weights = trainer.weights(cohort.save(key), row_params)
        last = {n: t for n, t in model.state_dict().items() if "num_batches" not in n}
        assert list(weights) == list(last)
        for name, tensor in last.items():
            torch.testing.assert_close(weights[name], tensor, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"normalization": "batch", "dropconnect": 0.2},
        {"normalization": "layer", "kind": "vae", "dropconnect": 0.1},
    ],
    ids=str,
)
def test_company_changes_no_bit_of_normalised_rows(classes_data, changes):
    """Rows that are normalised and lack weights have the bits that they have alone."""
    trainer = Autoencoder(classes_data)
    kinds = ("sigmoid", "relu", "elu")
    shared = SMALL | {"layers": 2} | changes
    rows = [
        Row(k, shared | {"activation": kinds[k % 3], "units": 3 + k, "dropconnect": k / 10}, k, 3)
        for k in range(4)
    ]
    assert_own_bits(trainer, rows, 2)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_bound_is_that_of_the_formula(classes_data, likelihood):
    """The bound is the mean log density of the drawn codes' points less the divergence."""
    params = SMALL | {"kind": "vae", "likelihood": likelihood}
    trainer = Autoencoder(classes_data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, EPOCHS)])
    found = cohort.advance()[0].metrics["validation_elbo"]
    (_, x), unit, _ = seen_points(classes_data, params)
    model = plain_networks(params, x.shape[1], trainer.weights(cohort.save(0), params))
    padded = functional.pad(x, (0, 0, 0, padded_batch(len(x) + 1) - len(x)))
    with torch.no_grad():
        mean, log_variance = model["encoder"](padded).view(len(padded), -1, 2).unbind(-1)
        noise = normal_tape(generator(SEED, "measured latent"), 1, tuple(mean.shape))[0]
        outputs = model["decoder"](mean + noise * (log_variance / 2).exp())[: len(x)]
        kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)[: len(x)]
    if likelihood == "bernoulli":
        logs = -functional.binary_cross_entropy_with_logits(outputs, x, reduction="none")
    else:  # the density per unit of the data, not of the scaled numbers
        logs = -0.5 * (outputs - x) ** 2 - 0.5 * math.log(2 * math.pi) - unit.log()
    assert found == pytest.approx(float((logs.sum(1) - kl).mean()), rel=1e-9)


def test_only_a_vae_has_a_bound(classes_data):
    """Another kind has no density: its bound is nan, and nothing is lost by it."""
    trainer = Autoencoder(classes_data)
    cohort = trainer.cohort(trainer.structure(SMALL))
    cohort.admit([Row(0, SMALL, SEED, EPOCHS)])
    metrics = cohort.advance()[0].metrics
    assert math.isnan(metrics["validation_elbo"])
    assert math.isfinite(metrics["validation_loss"])


def test_a_linear_autoencoder_comes_near_pca():
    """Without hidden layers the error nears that of the best projection, and never beats it."""
    data = datasets.load("digits", seed=0)
    params = {"layers": 0, "code": 8, "learning_rate": 0.01, "schedule": "cosine"}
    curve, _ = trained(data, params, 30)
    best = pca_error(data.train.x, data.validation.x, data.validation.x, 8)
    assert best * 0.98 < curve[-1] < best * 1.1


def test_sparsity_makes_codes_small(classes_data):
    """The penalty shrinks the code, not just the weights into it."""
    sizes = []
    for weight in (0.0, 1.0):
        params = SMALL | {"sparsity_weight": weight}
        _, weights = trained(classes_data, params, 30)
        (x, _), *_ = seen_points(classes_data, params)
        model = plain_networks(params, x.shape[1], {n: t.double() for n, t in weights.items()})
        sizes.append(float(model["encoder"](x).detach().abs().mean()))
    assert sizes[1] < 0.3 * sizes[0]


@pytest.mark.parametrize("binarize", ["threshold", "sampled"])
def test_binary_points_are_bits(classes_data, binarize):
    """Binarised points are zeros and ones, the same for every row and epoch."""
    params = SMALL | {"binarize": binarize}
    view = CodingSettings(**params).view
    source = Autoencoder(classes_data).source
    points = source.seen(classes_data.validation, view)
    assert set(points.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(points, source.seen(classes_data.validation, view))


def test_data_without_points_is_refused(classes_data):
    """There must be something to learn from."""
    part = dataclasses.replace(classes_data.train, x=classes_data.train.x[:0])
    with pytest.raises(DataError, match="must have points"):
        Autoencoder(dataclasses.replace(classes_data, train=part))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_denoising_restores_better_than_pca(seed):
    """Masked digits are restored better by the denoising kind than by PCA of the same size."""
    data = datasets.load("digits", seed=seed)
    params = {
        **{"kind": "denoising", "noise_level": 0.3, "code": 16, "layers": 1, "units": 256},
        **{"likelihood": "bernoulli", "learning_rate": 0.003, "schedule": "cosine"},
    }
    _, weights = trained(data, params, 100)
    rng = np.random.default_rng(seed)
    x = [part.x.reshape(len(part), -1) for part in (data.train, data.test)]
    spoilt_x = [p * (rng.random(p.shape) >= 0.3) for p in x]
    model = plain_networks(params, 64, {n: t.double() for n, t in weights.items()})
    with torch.no_grad():
        restored = model["decoder"](model["encoder"](torch.tensor(spoilt_x[1]).double())).sigmoid()
    ours = float(((restored - torch.tensor(x[1])) ** 2).mean())
    clean = pca_error(x[0], spoilt_x[1], x[1], 16)
    spoilt_too = pca_error(spoilt_x[0], spoilt_x[1], x[1], 16)
    assert ours < 0.7 * min(clean, spoilt_too)


def trained(data, params, epochs):
    """Validation errors and last weights of one row."""
    trainer = Autoencoder(data)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, epochs)])
    curve = [cohort.advance()[0].metrics["validation_loss"] for _ in range(epochs)]
    return curve, trainer.weights(cohort.save(0), params)


def pca_error(fitted, given, wanted, n_components):
    """Mean squared error of points `given` projected on the main components of `fitted`."""
    fitted, given, wanted = (t.reshape(len(t), -1).astype(float) for t in (fitted, given, wanted))
    mean = fitted.mean(0)
    _, _, directions = np.linalg.svd(fitted - mean, full_matrices=False)
    basis = directions[:n_components]
    return float((((given - mean) @ basis.T @ basis + mean - wanted) ** 2).mean())


@pytest.mark.parametrize("kind", ["plain", "vae"])
def test_what_is_shown_is_in_units_of_the_data(classes_data, kind):
    """Restored points lie near the first validation points; those of a vae have their spread."""
    params = SMALL | {"kind": kind, "units": 32, "code": 5, "input_scaling": "standardize"}
    trainer = Autoencoder(classes_data)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 60)])
    for _ in range(60):
        cohort.advance()
    shown = trainer.samples(cohort.save(0), params).numpy()
    x = classes_data.validation.x
    if kind == "plain":
        error = ((shown[: len(x)] - x) ** 2).mean(0)
        assert (error < 0.3 * x.var(0)).all()
    assert shown.shape == (24, 5)
    assert (np.abs(shown.mean(0) - x.mean(0)) < 2 * x.std(0)).all()
