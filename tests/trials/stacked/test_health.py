"""Findings of supervised trainings: told from figures, from units and from gradients."""

import math

import pytest
import torch
from torch import nn

import tuner
from search_spaces import Space
from trials.contract import Row
from trials.data import load
from trials.networks.cnn import CNN
from trials.networks.mlp import MLP
from trials.stacked.health import DETECTORS, N_EPOCHS, findings, watch_of
from trials.stacked.signs import HiddenUnits, Signs

FINE = {
    "train_loss": 0.2,
    "validation_loss": 0.3,
    "silent_share": 0.2,
    "saturated_share": 0.1,
    "gradient_ratio": 0.5,
}
BAD = {
    "divergence": {"train_loss": 11.0, "validation_loss": 11.0},
    "dead network": {"silent_share": 1.0},
    "dead units": {"silent_share": 0.7},
    "saturated units": {"saturated_share": 0.95},
    "vanishing gradients": {"gradient_ratio": 1e-5},
    "exploding gradients": {"gradient_ratio": 200.0},
    "underfitting": {"train_loss": 0.97, "validation_loss": 0.98},
    "overfitting": {"train_loss": 0.2, "validation_loss": 0.5},
}
USUAL = {"units": 32, "layers": 2, "batch_size": 32, "learning_rate": 1e-3}
PROVOKED = {
    "divergence": {"learning_rate": 10.0, "activation": "leaky_relu"},
    "dead network": {"learning_rate": 1.0, "layers": 4, "units": 16},
    "dead units": {"learning_rate": 0.3},
    "saturated units": {"activation": "tanh", "initial_scale": 30.0},
    "vanishing gradients": {"activation": "sigmoid", "layers": 10},
    "exploding gradients": {"activation": "leaky_relu", "layers": 8, "initial_scale": 4.0},
    "underfitting": {"learning_rate": 1e-7, "initial_scale": 0.1},
}


def kinds(recent, epoch, constant_loss=1.0):
    """The kinds of what shows."""
    return {finding.kind for finding in findings(constant_loss, recent, epoch)}


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_sign_that_lasts_is_a_finding(kind):
    """Each kind shows after three such epochs, not after two of them and one that is fine."""
    bad = FINE | BAD[kind]
    assert kind in kinds([bad] * N_EPOCHS, 30)
    assert kind not in kinds([FINE, bad, bad], 30)
    assert kind not in kinds([bad, bad, FINE], 30)
    assert not kinds([bad] * (N_EPOCHS - 1), 30)
    assert kind not in kinds([FINE] * N_EPOCHS, 30)


@pytest.mark.parametrize("kind", DETECTORS)
def test_losses_are_relative_to_a_constant_prediction(kind):
    """The same course in another unit of the target shows the same."""
    bad = FINE | BAD[kind]
    scaled = {n: 400 * f if n.endswith("loss") else f for n, f in bad.items()}
    assert kinds([scaled] * N_EPOCHS, 30, 400.0) == kinds([bad] * N_EPOCHS, 30)


def test_what_is_not_a_number_shows_nothing():
    """Figures that a row did not measure are passed over."""
    assert not kinds([dict.fromkeys(FINE, math.nan)] * N_EPOCHS, 30)


def test_slow_is_not_stuck_and_a_falling_loss_is_no_divergence():
    """Underfitting is told late only, divergence only while the loss does not come down."""
    slow, far = FINE | BAD["underfitting"], FINE | BAD["divergence"]
    assert not kinds([slow] * N_EPOCHS, 7)
    assert kinds([slow] * N_EPOCHS, 8) == {"underfitting"}
    falling = [far | {"train_loss": loss} for loss in (40.0, 30.0, 20.0)]
    assert "divergence" not in kinds(falling, 9)


def test_only_what_cannot_mend_is_hopeless():
    """A diverged or dead network ends its trial, the others are told and go on."""
    hopeless = {kind for kind, detector in DETECTORS.items() if detector.is_hopeless}
    assert hopeless == {"divergence", "dead network"}


def plain_signs(data, params, state):
    """Silent and saturated share on the first 16 validation points, by torch.nn."""
    trainer = MLP(data)
    weights = trainer.weights(state, params)
    modules = {"relu": nn.ReLU(), "tanh": nn.Tanh()}
    points = trainer.task.scaled(data.validation, "standardize")[:16]
    shares = []
    for layer in range(params["layers"]):
        weight, bias = weights[f"{3 * layer}.weight"], weights[f"{3 * layer}.bias"]
        points = modules[params["activation"]](nn.functional.linear(points.float(), weight, bias))
        if params["activation"] == "relu":
            shares.append(float((points.amax(0) <= 0).double().mean()))
        else:
            shares.append(float((points.abs() > 0.98).double().mean()))
    return max(shares)


def test_shares_are_those_of_plain_torch(classes_data):
    """In company, a row's worst layer has as many silent or saturated units as torch finds."""
    plain = {"batch_size": 16, "learning_rate": 0.3, "units": 12, "initial_scale": 3.0}
    changes = [
        {"activation": "relu", "layers": 2},
        {"activation": "tanh", "layers": 3, "units": 20},
        {"activation": "relu", "layers": 3, "units": 32},
        {"activation": "tanh", "layers": 1},
    ]
    rows = [Row(key, plain | change, key, 2) for key, change in enumerate(changes)]
    trainer = MLP(classes_data)
    cohort = trainer.cohort(trainer.structure(plain))
    cohort.admit(rows)
    cohort.advance()
    names = watch_of(1.0, has_signs=True).names
    for row in rows:
        state = cohort.save(row.key)
        recent = dict(zip(names, state["recent"][-1].tolist(), strict=True))
        name, other = "silent_share", "saturated_share"
        if row.params["activation"] == "tanh":
            name, other = other, name
        assert recent[name] == pytest.approx(plain_signs(classes_data, row.params, state))
        assert recent[other] == 0.0


class Slopes:
    """A network that shows these gradients and no units."""

    def __init__(self, first, last):
        self._shown = first, last

    def activations(self):
        """None."""
        return iter(())

    def slopes(self):
        """What was given."""
        return self._shown


def test_the_ratio_is_of_first_to_last_hidden_layer():
    """Rows that enter later follow in order; a row without hidden layers has none."""
    first = [torch.full((1, 2, 4), 3.0), torch.full((1, 2, 4), 8.0)]
    last = torch.full((2, 2, 4), 2.0)
    signs = Signs([HiddenUnits("relu", 4)] * 3, torch.zeros(0))
    signs.see_gradients(Slopes(first, last))
    ratio = signs.figures(object(), 8)["gradient_ratio"].tolist()
    assert ratio == pytest.approx([1.5, 4.0, 1.0])


def found_in_training(data, settings, n_epochs=10):
    """Kinds of all findings of one row."""
    trainer, params = MLP(data), USUAL | settings
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 3, n_epochs)])
    progress = [p for _ in range(n_epochs) for p in cohort.advance()]
    assert not progress[-1].metrics.keys() & {"silent_share", "saturated_share", "gradient_ratio"}
    return {finding.kind for p in progress for finding in p.findings}


@pytest.mark.parametrize("kind", PROVOKED)
def test_a_provoked_training_is_recognised(kind):
    """Settings that bring a failure about are found to have brought it about."""
    assert kind in found_in_training(load("breast_cancer"), PROVOKED[kind], 16)


def test_a_training_that_learns_by_heart_is_recognised():
    """A large network on few noisy numbers overfits."""
    settings = {"units": 128, "learning_rate": 1e-2}
    assert found_in_training(load("diabetes"), settings, 25) == {"overfitting"}


def test_a_silent_layer_of_a_convolutional_network_is_recognised():
    """The units behind the blocks of images are watched too."""
    trainer = CNN(load("digits"))
    params = {"learning_rate": 1.0, "batch_size": 128, "channels": 4, "units": 16, "layers": 1}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 0, 3)])
    found = {f.kind for _ in range(3) for p in cohort.advance() for f in p.findings}
    assert "dead network" in found


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "softplus"])
def test_a_healthy_training_raises_no_alarm(activation):
    """Sensible settings have no finding."""
    settings = {"activation": activation, "learning_rate": 3e-3}
    assert not found_in_training(load("breast_cancer"), settings, 15)


def test_a_hopeless_trial_ends_with_its_finding(url):
    """A dead network is pruned long before its epochs are over, with the kind as its reason."""
    plain = USUAL | PROVOKED["dead network"] | {"activation": "relu"}
    space = Space.from_plain(plain)
    keys = {"trials": 3, "epochs": 20, "pruner": "none", "sampler": "random", "slots": 3}
    study = tuner.launch("mlp", data="breast_cancer", storage=url, inline=True, space=space, **keys)
    dead = [t for t in study.trials if t.user_attrs.get("reason") == "dead network"]
    assert dead
    for trial in dead:
        assert trial.state.name == "PRUNED"
        assert trial.last_step is not None
        assert trial.last_step < 20
        assert "dead network" in {entry["kind"] for entry in trial.user_attrs["findings"]}
