"""Weights that are left out of training steps."""

import torch

from trials.contract import Row
from trials.networks.mlp import MLP
from trials.stacked.batches import Piece
from trials.stacked.dropconnect import DropConnect, weight_places
from trials.stacked.layout import chain
from trials.stacked.workspace import Workspace

RATES, SEEDS = [0.75, 0.0], [1, 2]
PADDED, TRUE = chain(3, (16, 32, 16)), chain(3, (5, 20, 3))
PIECE = Piece(0, 4, 16, 16)


def connections(rates=RATES, seeds=SEEDS):
    """Rows whose weights and slopes are all ones where they have any, ready for a piece."""
    ones = {
        name: torch.full(shape, float(name.endswith("weight")))
        for name, shape in TRUE.shapes.items()
    }
    weights = torch.stack([PADDED.pack(ones, TRUE)] * len(rates))[:, : PADDED.n_weights]
    slopes, places = torch.ones_like(weights), weight_places(PADDED, TRUE)
    work = Workspace(torch.device("cpu"), torch.float32)
    found = DropConnect(rates, [places] * len(rates), seeds, weights, slopes, work)
    found.begin([0] * len(rates))
    found.prepare(PIECE)
    return found, weights, slopes


def test_a_step_trains_some_of_the_weights():
    """A quarter of the weights is there, four times as large; the other row has all of its."""
    dropping, weights, slopes = connections()
    before = weights.clone()
    dropping.drop(2)
    assert set(weights[0].unique().tolist()) == {0.0, 4.0}
    n_true = int(before[0].sum())
    assert 0.15 * n_true < (weights[0] == 4.0).sum() < 0.35 * n_true
    assert torch.equal(weights[1], before[1])
    left = weights[0] == 0.0
    dropping.restore(2, torch.tensor([[0.5], [0.0]]))
    assert torch.equal(weights, before)
    kept = ~left
    torch.testing.assert_close(slopes[0][kept], torch.full_like(slopes[0][kept], 4.5))
    is_weight = before[0] == 1.0
    assert (slopes[0][left & is_weight] == 0.5).all()
    assert (slopes[1] == 1.0).all()


def test_masks_are_the_rows_own():
    """A row has the same masks alone as in company, and others at each step."""
    together, weights, _ = connections()
    alone, own, _ = connections(RATES[:1], SEEDS[:1])
    seen = []
    for step in range(PIECE.n_steps):
        together.drop(step)
        alone.drop(step)
        assert torch.equal(weights[0], own[0])
        seen.append(own[0].clone())
        together.restore(step, None)
        alone.restore(step, None)
    assert not any(torch.equal(seen[0], other) for other in seen[1:])


def curve_of(data, changes):
    """Validation losses of a row with these axes."""
    trainer = MLP(data)
    params = {"units": 30, "layers": 1, "batch_size": 16} | changes
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 4, 4)])
    return [cohort.advance()[0].metrics["validation_loss"] for _ in range(4)]


def test_it_differs_from_dropout(classes_data):
    """Leaving out weights, units or nothing gives three different curves."""
    curves = [
        curve_of(classes_data, changes) for changes in ({}, {"dropout": 0.5}, {"dropconnect": 0.5})
    ]
    assert curves[0] != curves[1] != curves[2] != curves[0]
