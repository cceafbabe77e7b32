"""Every supervised network can be trained by the updaters that see all points at once."""

from dataclasses import replace

import pytest
import torch
from small_data import dataset, sequences_data

from tests.trials.company import bits, cohort_of, curves
from trials.contract import Row
from trials.data import Part, load
from trials.networks.cnn import CNN
from trials.networks.cnn_1d import CNN1D
from trials.networks.linear import Linear
from trials.networks.recursive import Recursive
from trials.networks.rnn import RNN
from trials.networks.transformer import Transformer
from trials.stacked.optimizers.second_order import WHOLE


def images():
    """90 images of 4 x 4 pixels in three classes."""
    flat = sequences_data(n_steps=6)
    parts = (flat.train, flat.validation, flat.test)
    x = torch.cat([torch.tensor(part.x) for part in parts])[:, :4].flatten(1)
    x = torch.nn.functional.pad(x, (0, 4)).view(-1, 1, 4, 4).numpy()
    y = torch.cat([torch.tensor(part.y) for part in parts]).numpy()
    return dataset("images", x, y)


def trees():
    """The first expressions."""
    whole = load("expressions")
    train = Part(whole.train.x[:80], whole.train.y[:80])
    return replace(whole, train=train, validation=Part(whole.test.x[:40], whole.test.y[:40]))


CASES = {
    "linear": (Linear, lambda: load("iris"), {}),
    "cnn": (CNN, images, {"channels": 2, "units": 5, "layers": 1}),
    "cnn_1d": (CNN1D, sequences_data, {"channels": 3, "units": 5}),
    "rnn on a series": (RNN, lambda: load("airline"), {"units": 4, "cell": "plain"}),
    "transformer": (Transformer, sequences_data, {"units": 2}),
    "recursive": (Recursive, trees, {"units": 5}),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_training_loss_falls_and_company_changes_no_bit(case, name):
    """Two epochs gain on the first; beside a wider row with another rate the bits are the same."""
    kind, data, params = case
    params = params | {"optimizer": name, "learning_rate": 0.3, "input_scaling": "none"}
    params |= {} if kind is Recursive else {"input_scaling": "standardize"}
    trainer = kind(data())
    assert name in trainer.domain["optimizer"].values()
    wider = {"units": 2 * params["units"]} if "units" in params else {}
    row, other = Row(0, params, 3, 2), Row(1, params | wider | {"learning_rate": 0.1}, 4, 2)
    found = []
    for rows in ([row], [other, row]):
        cohort = cohort_of(trainer, rows)
        found.append([curves(cohort, 2)[0], bits(cohort.save(0))])
    first, second = (float.fromhex(figures["train_loss"]) for figures in found[0][0])
    assert second < first
    assert found[0] == found[1]
