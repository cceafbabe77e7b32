"""The recurrent trainer where each step has an answer: against plain torch, and what it learns."""

import numpy as np
import pytest
import torch
from small_data import dataset, stacked_curve
from torch import nn

from trials.contract import Row, ask_for
from trials.data import DataError, load
from trials.data.scaling import fit_scaling
from trials.networks.cnn_1d import CNN1D
from trials.networks.rnn import RNN
from trials.networks.transformer import Transformer
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "plain": nn.RNN}
SMALL = {"units": 5, "batch_size": 16, "learning_rate": 0.01, "cell": "gru"}
SEED, EPOCHS, N_STEPS = 11, 2, 6


def steps_data(is_regression=False):
    """90 noisy sequences; the answer at a step is of the three classes, of what came until it."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(90, N_STEPS, 3))
    sums = x.sum(2).cumsum(1)
    return dataset("sequences", x, 1 + np.sign(sums.round()).astype(np.int64), is_regression)


class Plain(nn.Module):
    """The equivalent module; a mask may stand for the dropout of the states."""

    def __init__(self, params, n_outputs):
        """Makes the modules that `params` name."""
        super().__init__()
        self.recurrent = CELLS[params["cell"]](3, params["units"], batch_first=True)
        is_normed = params.get("normalization") == "layer"
        self.norm = nn.LayerNorm(params["units"]) if is_normed else nn.Identity()
        self.head = nn.Linear(params["units"], n_outputs)
        self.mask = 1.0

    def forward(self, x):
        """Outputs for all steps of sequences (B, T, F), shape (B * T, C)."""
        return self.head(self.norm(self.recurrent(x)[0]) * self.mask).flatten(0, 1)


def plain_curve(data, params, weights):
    """Validation losses, standardised, of training that draws from the row's generators."""
    network = Plain(params, data.n_classes or 1).double()
    network.load_state_dict(weights)
    optimizer = torch.optim.Adam(network.parameters(), lr=params["learning_rate"])
    y, y_validation = (torch.tensor(part.y) for part in (data.train, data.validation))
    measure = seen = nn.CrossEntropyLoss() if data.classes else nn.MSELoss()
    if not data.classes:
        mean, std = y.double().mean(), y.double().std(correction=0)
        y, y_validation = (((t.double() - mean) / std).unsqueeze(2) for t in (y, y_validation))
    elif params.get("class_weights") == "balanced":
        counts = y.flatten().bincount().double()
        seen = nn.CrossEntropyLoss(weight=counts.sum() / (3 * counts))
    scaling = fit_scaling("standardize", data.train.x)
    x, x_validation = (
        torch.tensor(scaling.apply(part.x)).double() for part in (data.train, data.validation)
    )
    rate, curve = params.get("dropout", 0.0), []
    for epoch in range(EPOCHS):
        tape = generator(SEED, "dropout", epoch)
        for points in data_order(SEED, epoch, len(x)).split(params["batch_size"]):
            if rate:
                shape = (padded_batch(len(points)), N_STEPS, params["units"])
                kept = keep_tape(tape, 1, shape)[0] < keep_threshold(rate)
                network.mask = kept[: len(points)].double() / (1 - rate)
            optimizer.zero_grad()
            seen(network(x[points]), y[points].flatten(0, 1)).backward()
            optimizer.step()
        network.mask = 1.0
        with torch.no_grad():
            curve.append(float(measure(network(x_validation), y_validation.flatten(0, 1))))
    return curve, network


CASES = {
    "lstm": {"cell": "lstm"},
    "gru": {},
    "plain": {"cell": "plain"},
    "dropout": {"dropout": 0.4},
    "batches of seven": {"batch_size": 7},
    "weights of classes": {"class_weights": "balanced"},
    "layer norm": {"normalization": "layer", "dropout": 0.2},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_labels_of_all_steps_equal_plain_torch(changes):
    """In company, a row does what torch.nn and torch.optim do with every state, to 1e-9."""
    data, params = steps_data(), SMALL | changes
    others = [{"units": 9, "learning_rate": 0.1}, {"dropout": 0.2, "optimizer": "sgd"}]
    weights, curve, trained = stacked_curve(
        RNN(data, dtype=torch.float64), Row(0, params, SEED, EPOCHS), others
    )
    expected, network = plain_curve(data, params, weights)
    assert curve == pytest.approx(expected, rel=1e-9)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-7, atol=1e-9)


def test_numbers_of_all_steps_equal_plain_torch():
    """A number for each step is learnt standardised and measured in squared units."""
    data = steps_data(is_regression=True)
    weights, curve, _ = stacked_curve(RNN(data, dtype=torch.float64), Row(0, SMALL, SEED, EPOCHS))
    expected, _ = plain_curve(data, SMALL, weights)
    variance = float(data.train.y.astype(np.float64).var())
    assert curve == pytest.approx([loss * variance for loss in expected], rel=1e-9)


def test_figures_are_over_all_steps():
    """Accuracy and macro F1 count every step; a second-order row measures them alike."""
    data = steps_data()
    trainer = RNN(data, dtype=torch.float64)
    ask_for(trainer, trainer.objectives)
    for params in (SMALL, SMALL | {"optimizer": "lbfgs", "learning_rate": 1.0}):
        cohort = trainer.cohort(trainer.structure(params))
        cohort.admit([Row(0, params, SEED, EPOCHS)])
        (progress,) = cohort.advance()
        network = Plain(params, 3).double()
        network.load_state_dict(trainer.weights(cohort.save(0), params))
        scaled = fit_scaling("standardize", data.train.x).apply(data.validation.x)
        with torch.no_grad():
            chosen = network(torch.tensor(scaled).double()).argmax(1).numpy()
        answers = data.validation.y.flatten()
        assert progress.metrics["validation_accuracy"] == pytest.approx((chosen == answers).mean())
        scores = [
            2
            * ((chosen == c) & (answers == c)).sum()
            / ((chosen == c).sum() + (answers == c).sum())
            for c in range(3)
        ]
        assert progress.metrics["validation_macro_f1"] == pytest.approx(np.mean(scores))


def test_a_network_learns_to_carry():
    """Binary addition, whose bits no single step decides, is learnt to 98 % within 6 epochs."""
    trainer = RNN(load("addition"))
    params = {"cell": "plain", "units": 16, "learning_rate": 0.02, "batch_size": 32}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, SEED, 6)])
    for _ in range(6):
        (progress,) = cohort.advance()
    assert progress.metrics["validation_accuracy"] > 0.98


@pytest.mark.parametrize("kind", [CNN1D, Transformer])
def test_others_refuse_answers_of_steps(kind):
    """A trainer with one answer for a sequence says so, and who has more."""
    with pytest.raises(DataError, match=r"one answer for each point, got 12.*choose trainer rnn"):
        kind(load("addition"))
