"""Pretrained perceptrons against layers written by hand, and against those without pretraining."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from trials import data as datasets
from trials.contract import Row
from trials.data.scaling import fit_scaling
from trials.networks.dbn import DBN
from trials.networks.mlp import MLP
from trials.networks.pretrained import Pretrained
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold, normal_tape
from trials.stacked.unsupervised.contrast import uniform_tape

SEED = 6
SMALL = {"units": 12, "layers": 2, "batch_size": 16, "learning_rate": 0.01}
PRE = {"pretraining_epochs": 2, "pretraining_rate": 0.02}
ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}


class PlainLayer:
    """One layer that learns by itself, with plain tensors."""

    def __init__(self, weight, params, kind):
        self.params, self.kind = params, kind
        self.tensors = [weight.clone(), torch.zeros(len(weight)), torch.zeros(weight.shape[1])]
        self.tensors = [t.double().requires_grad_() for t in self.tensors]
        rate, groups = params["pretraining_rate"], [{"params": self.tensors[:1]}]
        groups[0]["weight_decay"] = params.get("l2", 0.0)
        groups.append({"params": self.tensors[1:]})
        if params["pretraining"] == "rbm":
            momentum = params.get("pretraining_momentum", 0.5)
            self.optimizer = torch.optim.SGD(groups, rate, momentum=momentum)
        else:
            self.optimizer = torch.optim.Adam(groups, rate)

    def features(self, x):
        """What the layer makes of points."""
        return ACTIVATIONS[self.params.get("activation", "sigmoid")](
            x @ self.tensors[0].T + self.tensors[1]
        )

    def contrast(self, x, tapes):
        """One step of contrastive divergence."""
        weight, hidden, visible = (t.detach() for t in self.tensors)
        chain, seen = x, torch.sigmoid(x @ weight.T + hidden)
        for of_hidden, of_visible in tapes:
            h = of_hidden[: len(x)] < torch.sigmoid(chain @ weight.T + hidden)
            sums = h.double() @ weight + visible
            if self.kind == "gaussian":
                chain = sums + of_visible[: len(x)]
            else:
                chain = (of_visible[: len(x)] < sums.sigmoid()).double()
        given = torch.sigmoid(chain @ weight.T + hidden)
        slopes = (given.T @ chain - seen.T @ x, (given - seen).sum(0), (chain - x).sum(0))
        for tensor, slope in zip(self.tensors, slopes, strict=True):
            tensor.grad = slope / len(x)
        self.optimizer.step()

    def restore(self, x, kept):
        """One step of the denoising autoencoder with tied weights."""
        self.optimizer.zero_grad()
        sums = self.features(x * kept) @ self.tensors[0] + self.tensors[2]
        if self.kind == "binary":
            loss = functional.binary_cross_entropy_with_logits(sums, x, reduction="sum")
        else:
            loss = 0.5 * ((sums - x) ** 2).sum()
        (loss / len(x)).backward()
        self.optimizer.step()


def plain_layers(x, params, weights):
    """The layers after their pretraining, by hand, on the row's own draws."""
    n_batch, units, layers = padded_batch(params["batch_size"]), params["units"], []
    for place in range(params["layers"]):
        is_machine = params["pretraining"] == "rbm"
        above = "binary" if is_machine else "gaussian"
        kind = above if place else params.get("visible", "binary")
        layer = PlainLayer(weights[f"{3 * place}.weight"], params, kind)
        width = units if place else x.shape[1]
        for epoch in range(place * PRE["pretraining_epochs"], (place + 1) * 2):
            rngs = [
                generator(SEED, f"layer{place} chains {k}", epoch) for k in ("hidden", "visible")
            ]
            tape = generator(SEED, "corruption", epoch)
            for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
                batch = x[points]
                for below in layers:
                    batch = below.features(batch).detach()
                if not is_machine:
                    shape = (padded_batch(len(points)), width)
                    kept = keep_tape(tape, 1, shape)[0, : len(points)] < keep_threshold(0.2)
                    layer.restore(batch, kept)
                    continue
                size = padded_batch(len(points)) if len(points) < params["batch_size"] else n_batch
                k = params.get("k", 1)
                hidden = uniform_tape(rngs[0], 1, (k, size, units))[0].double()
                if kind == "gaussian":
                    visible = normal_tape(rngs[1], 1, (k * size, width))[0].view(k, size, width)
                else:
                    visible = uniform_tape(rngs[1], 1, (k, size, width))[0]
                layer.contrast(batch, list(zip(hidden, visible.double(), strict=True)))
        layers.append(layer)
    return layers


CASES = {
    "machines": {"pretraining": "rbm"},
    "machines of two steps": {"pretraining": "rbm", "k": 2, "l2": 0.01},
    "gaussian machines": {
        **{"pretraining": "rbm", "visible": "gaussian", "input_scaling": "standardize"},
        "pretraining_rate": 0.005,
    },
    "autoencoders": {"pretraining": "autoencoder", "l2": 0.01},
    "gaussian autoencoders": {
        **{"pretraining": "autoencoder", "visible": "gaussian", "activation": "relu"},
        "input_scaling": "standardize",
    },
    "tanh": {"pretraining": "autoencoder", "activation": "tanh"},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_layers_equal_plain_training(classes_data, changes):
    """After its epochs each layer has the weights of the same training by hand."""
    params = SMALL | PRE | changes
    other = params | {"units": 30, "pretraining_epochs": 1}
    trainer = Pretrained(classes_data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 9), Row(1, other, SEED, 9)])
    start = trainer.weights(cohort.save(0), params)
    for _ in range(4):
        cohort.advance()
    scaling = fit_scaling(params.get("input_scaling", "minmax"), classes_data.train.x)
    x = torch.tensor(scaling.apply(classes_data.train.x)).double()
    weights = trainer.weights(cohort.save(0), params)
    for place, layer in enumerate(plain_layers(x, params, start)):
        weight, hidden, _ = (t.detach() for t in layer.tensors)
        torch.testing.assert_close(weights[f"{3 * place}.weight"], weight, rtol=1e-8, atol=1e-9)
        torch.testing.assert_close(weights[f"{3 * place}.bias"], hidden, rtol=1e-8, atol=1e-9)
        assert not torch.equal(weights[f"{3 * place}.weight"], start[f"{3 * place}.weight"])


@pytest.mark.parametrize("changes", [{"pretraining": "none"}, {"pretraining_epochs": 0}])
def test_without_pretraining_it_is_the_perceptron(classes_data, changes):
    """Then its curve is that of the trainer `mlp` with the same axes."""
    plain = SMALL | {
        **{"activation": "sigmoid", "input_scaling": "minmax", "initializer": "xavier_uniform"},
        "dropout": 0.2,
    }
    curves = []
    for kind, params in ((MLP, plain), (Pretrained, plain | changes)):
        trainer = kind(classes_data, dtype=torch.float64)
        cohort = trainer.cohort(trainer.structure(params))
        cohort.admit([Row(0, params, SEED, 3)])
        curves.append([cohort.advance()[0].metrics["validation_loss"] for _ in range(3)])
    np.testing.assert_allclose(*curves, rtol=1e-10)


def test_fine_tuning_is_the_perceptrons_training(classes_data):
    """From the pretrained weights on, a row does what the trainer `mlp` does from them."""
    params = SMALL | PRE | {"pretraining": "rbm", "layers": 1, "schedule": "cosine"}
    trainer = DBN(classes_data, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 5)])
    curve = [cohort.advance()[0].metrics["validation_loss"] for _ in range(2)]
    state = cohort.save(0)
    curve = [cohort.advance()[0].metrics["validation_loss"] for _ in range(3)]
    plain = SMALL | {"layers": 1, "activation": "sigmoid", "input_scaling": "minmax"}
    plain |= {"schedule": "cosine"}
    mlp = MLP(classes_data, dtype=torch.float64)
    other = mlp.cohort(mlp.structure(plain))
    row = Row(0, plain, SEED, 3)
    other.admit([row])
    start = {n: t for n, t in state.items() if n in other.save(0)} | {"epoch": torch.tensor(0)}
    start |= {n: t for n, t in other.save(0).items() if n not in start}
    again = mlp.cohort(mlp.structure(plain))
    again.admit([row], {0: start})
    expected = [again.advance()[0].metrics["validation_loss"] for _ in range(3)]
    np.testing.assert_allclose(curve, expected, rtol=1e-10)


def test_the_last_epoch_is_for_the_answers(classes_data):
    """However much pretraining is asked for, the last layer is trained at the end."""
    params = SMALL | {"pretraining_epochs": 100}
    trainer = DBN(classes_data)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 4)])
    start = trainer.weights(cohort.save(0), params)["6.weight"]
    ends = []
    for _ in range(4):
        cohort.advance()
        ends.append(trainer.weights(cohort.save(0), params)["6.weight"])
    # one epoch for each of the layers, and the rest for all
    assert [torch.equal(end, start) for end in ends] == [True, True, False, False]


def test_few_labels_are_balanced_and_scaled_as_all(classes_data):
    """So many points of each class have answers; inputs are scaled as fitted on all points."""
    trainer = Pretrained(classes_data)
    few = trainer.labelled(9).task
    assert np.bincount(few.data.train.y).tolist() == [3, 3, 3]
    part = classes_data.validation
    torch.testing.assert_close(few.scaled(part, "minmax"), trainer.task.scaled(part, "minmax"))
    assert trainer.labelled(0) is trainer
    assert trainer.labelled(1000) is trainer


def test_numbers_can_be_learnt_too(numbers_data):
    """A regression is pretrained and fine-tuned; figures are in the unit of the target."""
    params = SMALL | PRE | {"visible": "gaussian", "input_scaling": "standardize", "n_labels": 20}
    trainer = Pretrained(numbers_data)
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 30)])
    curve = [cohort.advance()[0].metrics["validation_rmse"] for _ in range(30)]
    assert curve[-1] < 0.95 * curve[0]
    assert trainer.test(cohort.save(0), params)["test_rmse"] < 30


@pytest.mark.slow
@pytest.mark.skipif("TUNER_DATA" not in os.environ, reason="TUNER_DATA names no folder")
def test_pretraining_helps_with_few_labels():
    """With 500 answers of MNIST the pretrained network errs less than the same one without."""
    data = datasets.load({"idx": str(Path(os.environ["TUNER_DATA"], "mnist"))}, seed=0)
    trainer, accuracies = DBN(data), {}
    base = {"n_labels": 500, "layers": 2, "units": 256, "batch_size": 20, "learning_rate": 0.001}
    for kind, epochs in (("none", 40), ("rbm", 60)):
        params = base | {"pretraining": kind, "pretraining_epochs": 10, "pretraining_rate": 0.1}
        cohort = trainer.cohort(trainer.structure(params))
        rows = [Row(seed, params, seed, epochs) for seed in range(3)]
        cohort.admit(rows)
        for _ in range(epochs):
            cohort.advance()
        figures = [trainer.test(cohort.save(row.key), params) for row in rows]
        accuracies[kind] = np.median([f["test_accuracy"] for f in figures])
    assert accuracies["rbm"] > accuracies["none"]
