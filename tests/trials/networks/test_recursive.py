"""The recursive trainer: rows against a recursion over plain torch modules, and what it learns."""

import numpy as np
import pytest
import torch
from torch import nn

import tuner
from search_spaces import Space
from trials.contract import Row
from trials.data import DataError, Dataset, Part
from trials.data.expressions import draw_tree, value
from trials.networks.recursive import Recursive
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold

EPOCHS = 2
SMALL = {"units": 12, "batch_size": 16, "learning_rate": 0.02}
ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "softplus": nn.Softplus, "sigmoid": nn.Sigmoid}
MIX = [
    {},
    {"activation": "softplus", "units": 16},
    {"activation": "sigmoid", "units": 5, "l2": 0.01},
    {"activation": "relu", "optimizer": "sgd", "momentum": 0.9, "dropout": 0.3},
    {"optimizer": "rmsprop", "learning_rate": 0.002, "units": 20, "l1": 0.001},
]


@pytest.fixture(scope="module")
def trees_data():
    """48 expressions; 28 of them for training."""
    rng = np.random.default_rng(5)
    trees = [draw_tree(rng) for _ in range(48)]
    x = np.array(trees, dtype=np.float32)
    y = np.array([value(tree) for tree in trees], dtype=np.int64)
    cuts = (slice(0, 28), slice(28, 40), slice(40, 48))
    train, validation, test = (Part(x[cut], y[cut]) for cut in cuts)
    return Dataset(
        name="trees",
        kind="trees",
        task="classification",
        train=train,
        validation=validation,
        test=test,
        feature_names=(),
        classes=("false", "true"),
        target_name="value",
        fingerprint="",
    )


class PlainTrees(nn.Module):
    """The network of one row as a recursion over nodes."""

    mask = 1.0

    def __init__(self, n_symbols, params):
        super().__init__()
        units = params["units"]
        self.symbols = nn.Embedding(n_symbols, units)
        self.pair = nn.Linear(2 * units, units, bias=False)
        is_normed = params.get("normalization") == "layer"
        self.norm = nn.LayerNorm(units) if is_normed else nn.Identity()
        self.output = nn.Linear(units, 2)
        self.activation = ACTIVATIONS[params.get("activation", "tanh")]()
        self.nothing = torch.zeros(units, dtype=torch.float64)

    def vector(self, tree, place):
        """The vector of the node at `place`, zeros where there is none."""
        if place >= len(tree) or tree[place] == 0:
            return self.nothing
        children = [self.vector(tree, 2 * place + 1), self.vector(tree, 2 * place + 2)]
        sums = self.pair(torch.cat(children)) + self.symbols(tree[place])
        return self.activation(self.norm(sums))

    def forward(self, trees):
        """Outputs for trees, (B, places)."""
        roots = torch.stack([self.vector(tree, 0) for tree in trees])
        return self.output(roots * self.mask)


def plain_optimizer(network, params):
    """The optimizer of torch; the decay acts on weights and not on biases."""
    named = list(network.named_parameters())
    groups = [
        {"params": [p for _, p in named if p.ndim > 1], "weight_decay": params.get("l2", 0.0)},
        {"params": [p for _, p in named if p.ndim == 1]},
    ]
    rate = params["learning_rate"]
    return {
        "adam": lambda: torch.optim.Adam(groups, rate),
        "sgd": lambda: torch.optim.SGD(groups, rate, params.get("momentum", 0.0)),
        "rmsprop": lambda: torch.optim.RMSprop(groups, rate, 0.9),
    }[params.get("optimizer", "adam")]()


def plain_curve(data, row, weights):
    """Validation losses of plain training that draws order and masks from the row's generators."""
    params = dict(row.params)
    network = PlainTrees(len(weights["symbols.weight"]), params).double()
    network.load_state_dict(weights)
    optimizer, rate = plain_optimizer(network, params), params.get("dropout", 0.0)
    x, y = torch.as_tensor(data.train.x).long(), torch.as_tensor(data.train.y)
    unseen = torch.as_tensor(data.validation.x).long(), torch.as_tensor(data.validation.y)
    curve = []
    for epoch in range(EPOCHS):
        tape = generator(row.seed, "dropout", epoch)
        for points in data_order(row.seed, epoch, len(x)).split(params["batch_size"]):
            if rate:
                shape = (padded_batch(len(points)), params["units"])
                kept = keep_tape(tape, 1, shape)[0] < keep_threshold(rate)
                network.mask = kept[: len(points)].double() / (1 - rate)
            optimizer.zero_grad()
            l1 = sum(p.abs().sum() for p in network.parameters() if p.ndim > 1)
            loss = nn.functional.cross_entropy(network(x[points]), y[points])
            (loss + params.get("l1", 0.0) * l1).backward()
            optimizer.step()
        network.mask = 1.0
        with torch.no_grad():
            curve.append(float(nn.functional.cross_entropy(network(unseen[0]), unseen[1])))
    return curve, network


@pytest.mark.parametrize("kind", ["none", "layer"])
def test_rows_of_a_mix_equal_a_plain_recursion(trees_data, kind):
    """Side by side, every row follows a recursion over nodes under torch.optim to 1e-9."""
    trainer, shared = Recursive(trees_data, dtype=torch.float64), SMALL | {"normalization": kind}
    rows = [Row(key, shared | changes, 70 + key, EPOCHS) for key, changes in enumerate(MIX)]
    cohort = trainer.cohort(trainer.structure(shared))
    cohort.admit(rows)
    starts = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    curves = {row.key: [] for row in rows}
    for _ in range(EPOCHS):
        for progress in cohort.advance():
            curves[progress.key].append(progress.metrics["validation_loss"])
    for row, start in zip(rows, starts, strict=True):
        expected, network = plain_curve(trees_data, row, start)
        assert curves[row.key] == pytest.approx(expected, rel=1e-9)
        found = trainer.weights(cohort.save(row.key), row.params)
        assert list(found) == list(network.state_dict())
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-7, atol=1e-9)


def test_a_study_learns_what_expressions_come_to(url):
    """The best of three rows of 10 epochs gets 9 of 10 expressions right that it has not seen."""
    plain = {"learning_rate": 0.02, "optimizer": "adam", "units": 16, "batch_size": 32}
    space = Space.from_plain(plain | {"activation": "relu", "dropout": 0.0, "l2": 1e-6})
    keys = {"trials": 3, "epochs": 10, "sampler": "random", "slots": 3, "pruner": "none"}
    study = tuner.launch("recursive", storage=url, inline=True, space=space, **keys)
    assert study.test["test_accuracy"] >= 0.9


def test_data_without_trees_is_refused(classes_data):
    """A table is named for what it is, with data that would do."""
    with pytest.raises(DataError, match=r"must be trees .* got table; choose expressions"):
        Recursive(classes_data)
