"""The machine trainer against contrastive divergence written by hand, and against enumeration."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from trials import data as datasets
from trials.contract import Row
from trials.data import DataError
from trials.data.scaling import fit_scaling
from trials.networks.autoencoder import Autoencoder
from trials.networks.rbm import RBM
from trials.stacked.batches import padded_batch
from trials.stacked.layout import Layout
from trials.stacked.network import Gradients
from trials.stacked.noise import data_order, generator, normal_tape
from trials.stacked.unsupervised.contrast import (
    HIDDEN,
    VISIBLE_BIAS,
    WEIGHT,
    Machines,
    Weights,
    machine_parts,
    uniform_tape,
)
from trials.stacked.unsupervised.machine_training import MachineSettings
from trials.stacked.unsupervised.visible import VISIBLE

SEED, EPOCHS = 8, 3
SMALL = {"units": 12, "batch_size": 16, "learning_rate": 0.05, "initial_scale": 1.0}


def seen_points(data, params):
    """Points as the row sees them, the unit of each column, and validation points not clipped."""
    is_gaussian = params.get("visible") == "gaussian"
    scaling = fit_scaling("standardize" if is_gaussian else "minmax", data.train.x)
    points = [scaling.apply(part.x) for part in (data.train, data.validation)]
    if not is_gaussian:
        points = [p.clip(0, 1) for p in points]
    truth = torch.tensor(scaling.apply(data.validation.x)).double()
    unit = torch.tensor(scaling.scale).double()
    return [torch.tensor(p).double() for p in points], unit, truth


class PlainMachine:
    """One machine of plain tensors, and its classifier."""

    def __init__(self, params, weights):
        self.params = params
        self.weight = weights["machine.hidden.weight"].clone()
        self.hidden = weights["machine.hidden.bias"].clone()
        self.visible = weights["machine.visible.bias"].clone()
        self.buffers = [torch.zeros_like(t) for t in (self.weight, self.hidden, self.visible)]
        self.classifier = torch.nn.Linear(params["units"], 3).double()
        self.classifier.load_state_dict(
            {name: weights[f"classifier.{name}"] for name in ("weight", "bias")}
        )
        self.adam = torch.optim.Adam(self.classifier.parameters(), 0.01, eps=1e-8)

    def features(self, x):
        """Probabilities of the hidden units."""
        return (x @ self.weight.T + self.hidden).sigmoid()

    def drawn(self, h, tape):
        """A point for hidden units."""
        sums = h @ self.weight + self.visible
        if self.params.get("visible") == "gaussian":
            return sums + tape
        return (tape < sums.sigmoid()).double()

    def step(self, x, y, start, tapes):
        """One step of contrastive divergence; the last points of the chains."""
        params, seen, chain = self.params, self.features(x), start
        self.adam.zero_grad()
        functional.cross_entropy(self.classifier(seen), y).backward()
        self.adam.step()
        for hidden, visible in tapes:
            h = (hidden[: len(chain)] < self.features(chain)).double()
            chain = self.drawn(h, visible[: len(chain)])
        given = self.features(chain)
        taken = seen - params.get("sparsity_weight", 0) * (seen.mean(0) - params.get("sparsity", 0))
        slopes = [
            given.T @ chain / len(chain) - taken.T @ x / len(x) + params.get("l2", 0) * self.weight,
            given.mean(0) - taken.mean(0),
            chain.mean(0) - x.mean(0),
        ]
        for tensor, buffer, slope in zip(
            (self.weight, self.hidden, self.visible), self.buffers, slopes, strict=True
        ):
            buffer.mul_(params.get("momentum", 0.0)).add_(slope)
            tensor.sub_(params["learning_rate"] * buffer)
        return chain


def plain_curve(data, params, state, weights):
    """Validation errors and the machine of plain training on the row's own draws."""
    (x, x_validation), unit, truth = seen_points(data, params)
    y, k, units = torch.tensor(data.train.y), params.get("k", 1), params["units"]
    machine, n_batch = PlainMachine(params, weights), padded_batch(params["batch_size"])
    chain, curve = state.get("chain.points"), []
    for epoch in range(EPOCHS):
        rngs = [generator(SEED, f"chains {kind}", epoch) for kind in ("hidden", "visible")]
        for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
            hidden = uniform_tape(rngs[0], 1, (k, n_batch, units))[0]
            if params.get("visible") == "gaussian":
                visible = normal_tape(rngs[1], 1, (k * n_batch, 5))[0].view(k, n_batch, 5)
            else:
                visible = uniform_tape(rngs[1], 1, (k, n_batch, 5))[0]
            start = x[points] if chain is None else chain
            tapes = list(zip(hidden.double(), visible.double(), strict=True))
            last = machine.step(x[points], y[points], start, tapes)
            chain = None if chain is None else last
        sums = machine.features(x_validation) @ machine.weight + machine.visible
        restored = sums if params.get("visible") == "gaussian" else sums.sigmoid()
        curve.append(float((((restored - truth) * unit) ** 2).mean()))
    return curve, machine


CASES = {
    "one step": {},
    "three steps": {"k": 3},
    "persistent": {"persistent": True, "k": 2},
    "gaussian": {"visible": "gaussian", "learning_rate": 0.01},
    "momentum and decay": {"momentum": 0.9, "l2": 0.01, "learning_rate": 0.01},
    "sparsity": {"sparsity": 0.1, "sparsity_weight": 0.5},
    "persistent gaussian": {"visible": "gaussian", "persistent": True, "learning_rate": 0.01},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_rows_equal_plain_contrastive_divergence(classes_data, changes):
    """Errors and weights are those of the algorithm in plain tensors, also beside others."""
    params = SMALL | changes
    other = params | {"units": 30, "persistent": not params.get("persistent", False)}
    trainer = RBM(classes_data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, EPOCHS), Row(1, other, SEED, EPOCHS)])
    states = [cohort.save(key) for key in (0, 1)]
    curves = [[p.metrics["validation_loss"] for p in cohort.advance()] for _ in range(EPOCHS)]
    for key, row_params in enumerate((params, other)):
        start = trainer.weights(states[key], row_params)
        expected, machine = plain_curve(classes_data, row_params, states[key], start)
        np.testing.assert_allclose([c[key] for c in curves], expected, rtol=1e-9)
        weights = trainer.weights(cohort.save(key), row_params)
        for name, tensor in (("weight", machine.weight), ("bias", machine.hidden)):
            torch.testing.assert_close(
                weights[f"machine.hidden.{name}"], tensor, rtol=1e-8, atol=1e-9
            )
        for name, tensor in machine.classifier.state_dict().items():
            torch.testing.assert_close(weights[f"classifier.{name}"], tensor, rtol=1e-7, atol=1e-8)


N_VISIBLE, N_HIDDEN = 4, 3


def tiny(kind="binary"):
    """One machine of 4 by 3 units: its tensors by name, where its gradient goes, and itself."""
    layout = Layout(tuple(machine_parts(N_VISIBLE, N_HIDDEN, VISIBLE[kind])))
    parameters = torch.zeros(1, layout.size, dtype=torch.float64)
    gradients = Gradients(layout, parameters, torch.zeros_like(parameters))
    rng = torch.Generator().manual_seed(3)
    for value in gradients.values.values():
        value.normal_(generator=rng)
    return gradients, Machines(gradients, VISIBLE[kind])


def all_bits(n):
    """All vectors of n bits, shape (1, 2 ** n, n)."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n))).double().unsqueeze(0)


def log_partition(weight, hidden, visible):
    """Logarithm of the sum over all states of both layers."""
    v, h = all_bits(N_VISIBLE)[0], all_bits(N_HIDDEN)[0]
    energy = v @ weight @ h.T + (v @ visible)[:, None] + h @ hidden
    return energy.flatten().logsumexp(0)


def test_the_free_energy_is_that_of_all_states():
    """Its exponentials over all points sum to the partition function."""
    gradients, machine = tiny()
    weight, hidden, visible = (gradients.values[n][0] for n in (WEIGHT, HIDDEN, VISIBLE_BIAS))
    found = (-machine.free_energy(all_bits(N_VISIBLE))[0]).logsumexp(0)
    torch.testing.assert_close(found, log_partition(weight, hidden, visible))


@pytest.mark.parametrize("start", ["model", "points"])
def test_the_gradient_is_exact_in_expectation(start):
    """Chains that begin in the machine's own law give the exact gradient; those at points do not.

    The exact one is that of the log likelihood with the partition function summed up.
    """
    gradients, machine = tiny()
    n_chains, states = 200_000, all_bits(N_VISIBLE)
    rng = torch.Generator().manual_seed(5)
    points = states[:, torch.tensor([1, 1, 7, 12])].repeat(1, n_chains // 4, 1)
    chains = points
    if start == "model":
        law = (-machine.free_energy(states)[0]).softmax(0)
        chains = states[:, torch.multinomial(law, n_chains, replacement=True, generator=rng)]
    tapes = [
        tuple(torch.rand(1, n_chains, n, generator=rng).double() for n in (N_HIDDEN, N_VISIBLE))
    ]
    weight = torch.full((n_chains, 1), 1 / n_chains).double()
    machine.contrast(points, chains, tapes, Weights(weight, weight))
    leaves = [
        gradients.values[n][0].clone().requires_grad_() for n in (WEIGHT, HIDDEN, VISIBLE_BIAS)
    ]
    sums = points[0, :4] @ leaves[0] + leaves[1]
    free = -(points[0, :4] @ leaves[2]) - functional.softplus(sums).sum(1)
    (free.mean() + log_partition(*leaves)).backward()
    distance = max(
        float((gradients.slots[name][0] - leaf.grad).abs().max())
        for name, leaf in zip((WEIGHT, HIDDEN, VISIBLE_BIAS), leaves, strict=True)
    )
    # five deviations of a mean of numbers between 0 and 1
    assert (distance < 5 * 0.5 / n_chains**0.5) == (start == "model")


def test_training_raises_the_exact_likelihood(classes_data):
    """The likelihood of bits in equal pairs, with all states summed up, rises far."""
    rng = np.random.default_rng(4)
    bits = {part: rng.integers(0, 2, (n, 2)) for part, n in (("train", 53), ("validation", 21))}
    parts = {
        part: dataclasses.replace(
            getattr(classes_data, part), x=pairs.repeat(2, axis=1).astype(np.float32)
        )
        for part, pairs in bits.items()
    }
    data = dataclasses.replace(classes_data, **parts)
    params = {"units": N_HIDDEN, "batch_size": 8, "learning_rate": 0.3, "momentum": 0.8}
    trainer = RBM(data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 100)])
    likelihoods = [exact_likelihood(trainer, cohort.save(0), params)]
    for _ in range(100):
        cohort.advance()
    likelihoods.append(exact_likelihood(trainer, cohort.save(0), params))
    # four fair coins have -2.77, two fair pairs -1.39
    assert likelihoods[0] < -2.5
    assert likelihoods[1] > -1.8


def exact_likelihood(trainer, state, params):
    """Mean log probability of the training bits, in nats."""
    weights = trainer.weights(state, params)
    weight, hidden = weights["machine.hidden.weight"].T, weights["machine.hidden.bias"]
    visible = weights["machine.visible.bias"]
    x = trainer.source.seen(trainer.source.data.train, MachineSettings(**params).view).double()
    free = -(x @ visible) - functional.softplus(x @ weight + hidden).sum(1)
    return float(-free.mean() - log_partition(weight, hidden, visible))


def test_likelihood_and_gap_are_those_of_the_formulas(classes_data):
    """Log probability of a drawn bit given the others; free energies of as many points each."""
    params = SMALL | {"learning_rate": 0.2}
    trainer = RBM(classes_data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 2)])
    figures = [cohort.advance()[0].metrics for _ in range(2)][-1]
    weights = trainer.weights(cohort.save(0), params)
    weight, hidden, visible = (
        weights[f"machine.{name}"] for name in ("hidden.weight", "hidden.bias", "visible.bias")
    )

    def energy(x):
        return -(x @ visible) - functional.softplus(x @ weight.T + hidden).sum(1)

    (train, x), *_ = seen_points(classes_data, params)
    assert figures["validation_energy_gap"] == pytest.approx(
        float(energy(x).mean() - energy(train[: len(x)]).mean())
    )
    flips = torch.randint(5, (padded_batch(len(x) + 1),), generator=generator(SEED, "flips"))
    flips = functional.one_hot(flips[: len(x)], 5)
    bits = x.round()
    others = (bits - flips).abs()
    said = 5 * functional.logsigmoid(energy(others) - energy(bits)).mean()
    assert figures["validation_pseudo_likelihood"] == pytest.approx(float(said))


def test_features_tell_digits_apart():
    """The classifier on the features knows most digits; the pseudo likelihood and error better."""
    data = datasets.load("digits", seed=0)
    params = {"units": 100, "learning_rate": 0.3, "momentum": 0.5, "batch_size": 16}
    params["classifier_rate"] = 0.1
    trainer = RBM(data)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 12)])
    first, *_, last = [cohort.advance()[0].metrics for _ in range(12)]
    assert last["validation_accuracy"] > 0.85
    assert last["validation_loss"] < 0.8 * first["validation_loss"]
    assert last["validation_pseudo_likelihood"] > first["validation_pseudo_likelihood"]


def test_sparsity_draws_units_to_the_target():
    """Hidden units are ones as rarely as asked."""
    data = datasets.load("digits", seed=0)
    shares = []
    for weight in (0.0, 1.0):
        params = {"units": 32, "sparsity": 0.05, "sparsity_weight": weight}
        trainer = RBM(data)
        cohort = trainer.cohort(trainer.structure(params))
        cohort.admit([Row(0, params, SEED, 8)])
        for _ in range(8):
            cohort.advance()
        weights = trainer.weights(cohort.save(0), params)
        x = torch.tensor(data.train.x).flatten(1)
        sums = x @ weights["machine.hidden.weight"].T + weights["machine.hidden.bias"]
        shares.append(float(sums.sigmoid().mean()))
    assert abs(shares[1] - 0.05) < 0.03 < abs(shares[0] - 0.05)


RATED = {"units": 24, "learning_rate": 0.3, "momentum": 0.8, "batch_size": 16, "l2": 0.001}


def test_missing_ratings_are_told_better_than_by_their_means():
    """Asked stars come nearer than the film's mean, and than the film's and the person's."""
    data = datasets.load("ratings", seed=0)
    trainer = RBM(data)
    cohort = trainer.cohort(trainer.structure({"visible": "softmax"} | RATED))
    cohort.admit([Row(0, {"visible": "softmax"} | RATED, SEED, 25)])
    last = [cohort.advance()[0].metrics for _ in range(25)][-1]
    train, given, asked = data.train.x[:, 0], data.validation.x[:, 0], data.validation.x[:, 1]
    film = train.sum(0) / (train > 0).sum(0)
    kind = ((given - film) * (given > 0)).sum(1) / (given > 0).sum(1)
    by_film = np.sqrt(((asked - film)[asked > 0] ** 2).mean())
    by_both = np.sqrt(((asked - film - kind[:, None])[asked > 0] ** 2).mean())
    assert last["validation_rmse"] < 0.95 * min(by_film, by_both)
    assert last["validation_loss"] == pytest.approx(last["validation_rmse"] ** 2)
    test = trainer.test(cohort.save(0), {"visible": "softmax"} | RATED)
    assert test["test_rmse"] < 0.95 * by_film


def test_chains_of_ratings_keep_what_is_missing_missing():
    """Of each known film one number of stars is on at the end of a chain, of others none."""
    layout = Layout(tuple(machine_parts(20, N_HIDDEN, VISIBLE["softmax"])))
    parameters = torch.zeros(1, layout.size, dtype=torch.float64)
    machine = Machines(
        Gradients(layout, parameters, torch.zeros_like(parameters)), VISIBLE["softmax"]
    )
    is_known = torch.tensor([1.0, 0, 1, 1]).repeat_interleave(5).expand(1, 50, 20).double()
    points = (is_known * torch.tensor([0, 0, 1, 0, 0]).repeat(4)).double()
    rng = torch.Generator().manual_seed(2)
    tapes = [tuple(torch.rand(1, 50, n, generator=rng).double() for n in (N_HIDDEN, 20))]
    weight = torch.full((50, 1), 1 / 50).double()
    _, chain = machine.contrast(points, points, tapes, Weights(weight, weight), is_known)
    assert chain.view(50, 4, 5).sum(2).unique(dim=0).tolist() == [[1, 0, 1, 1]]
    assert (chain.view(50, 4, 5)[:, 0].sum(0) > 3).all()


@pytest.mark.parametrize("changes", [{"visible": "binary"}, {"persistent": True}])
def test_what_ratings_cannot_have_is_refused(changes):
    """Units that are not stars, and chains that outlive their gaps, are errors."""
    trainer = RBM(datasets.load("ratings", seed=0))
    with pytest.raises(ValueError, match=next(iter(changes))):
        trainer.structure({"visible": "softmax"} | RATED | changes)


def test_ratings_are_for_machines_alone():
    """Another trainer names the one that can learn from them."""
    with pytest.raises(DataError, match="choose the trainer rbm"):
        Autoencoder(datasets.load("ratings", seed=0))


def test_filters_are_shown():
    """Each hidden unit's expected image is that of its weights and the visible biases."""
    data = datasets.load("digits", seed=0)
    params = {"units": 20}
    trainer = RBM(data)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 2)])
    cohort.advance()
    state = cohort.save(0)
    weights = trainer.weights(state, params)
    expected = (weights["machine.hidden.weight"] + weights["machine.visible.bias"]).sigmoid()
    torch.testing.assert_close(trainer.samples(state, params), expected.view(20, 1, 8, 8))
