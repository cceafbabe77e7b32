"""Perceptrons that differ in every axis, side by side: each is its own plain training."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_perceptron import MODULES, fused_curve, fused_curves, plain_curve, tensors_of

from trials.contract import Row
from trials.networks.mlp import MLP
from trials.stacked.initializers import INITIALIZERS
from trials.stacked.normalization import NORMALIZATIONS
from trials.stacked.optimizers import FAMILIES
from trials.stacked.schedules import SCHEDULES

EPOCHS = 3
RATES = {"sgd": 0.02, "adagrad": 0.02, "rmsprop": 0.002, "adam": 0.005, "adamw": 0.005}
MIXED = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def mixes(draw):
    """Axes of one row at moderate rates: chaos would only show how rounding grows."""
    optimizer = draw(st.sampled_from(list(FAMILIES)))
    params = {
        "optimizer": optimizer,
        "learning_rate": RATES.get(optimizer, 0.5) * draw(st.sampled_from([0.5, 1.0])),
        "activation": draw(st.sampled_from(list(MODULES))),
        "units": draw(st.sampled_from([3, 12, 32, 40, 100])),
        "layers": draw(st.integers(0, 6)),
        "batch_size": draw(st.sampled_from([7, 16, 64])),
        "dropout": draw(st.sampled_from([0.0, 0.3])),
        "l1": draw(st.sampled_from([0.0, 0.001])),
        "l2": draw(st.sampled_from([0.0, 0.01])),
        "label_smoothing": draw(st.sampled_from([0.0, 0.1])),
        "schedule": draw(st.sampled_from([*SCHEDULES, "plateau"])),
        "schedule_patience": draw(st.integers(0, 1)),
        "sparsity_weight": draw(st.sampled_from([0.0, 0.01])),
        "dropconnect": draw(st.sampled_from([0.0, 0.3])),
        "max_norm": draw(st.sampled_from([0.0, 0.5])),
        "initializer": draw(st.sampled_from(list(INITIALIZERS))),
        "initial_scale": draw(st.sampled_from([0.5, 1.0])),
    }
    if optimizer in {"sgd", "rmsprop"}:
        params["momentum"] = draw(st.sampled_from([0.0, 0.5]))
    if params.get("momentum") and optimizer == "sgd":
        params["nesterov"] = draw(st.booleans())
    return params


def rows_of(mix, **shared):
    """Rows with these axes."""
    return [Row(key, params | shared, 100 + key, EPOCHS) for key, params in enumerate(mix)]


MIX = st.builds(
    rows_of,
    st.lists(mixes(), min_size=2, max_size=7),
    normalization=st.sampled_from(NORMALIZATIONS),
)


@MIXED
@given(rows=MIX)
def test_each_row_of_a_mix_equals_plain_torch(classes_data, rows):
    """Every row of one cohort follows torch.nn and torch.optim over three epochs to 1e-9.

    Behind a batch normalisation a bias has no gradient but rounding, which updaters that divide by
    the size of gradients make a step of 1e-9; there 1e-7 is the limit.
    """
    weights, curves, states = fused_curves(classes_data, rows)
    trainer = MLP(classes_data, dtype=torch.float64)
    limit = 1e-7 if rows[0].params["normalization"] == "batch" else 1e-9
    for row in rows:
        expected, network = plain_curve(classes_data, row.params, weights[row.key], row)
        assert curves[row.key] == pytest.approx(expected, rel=limit, abs=limit)
        trained = trainer.weights(states[row.key], row.params)
        for name, tensor in tensors_of(network).items():
            torch.testing.assert_close(trained[name], tensor, rtol=1e-7, atol=limit)


def curve_of(cohort, key, n_epochs):
    """Validation losses of one row as text that keeps every bit."""
    found = []
    for _ in range(n_epochs):
        found += [p.metrics["validation_loss"].hex() for p in cohort.advance() if p.key == key]
    return found


@MIXED
@given(rows=MIX, wait=st.integers(1, EPOCHS - 1))
def test_a_mix_changes_no_bit_of_a_row(classes_data, rows, wait):
    """A row alone, in company, admitted late or moved by a checkpoint has the same bits."""
    trainer, row = MLP(classes_data), rows[-1]
    structure = trainer.structure(row.params)
    _, alone, state = fused_curve(classes_data, row.params, row.seed, EPOCHS, torch.float32)
    alone = [value.hex() for value in alone]
    company, late = trainer.cohort(structure), trainer.cohort(structure)
    company.admit(rows)
    late.admit(rows[:-1])
    found = curve_of(company, row.key, wait)
    late.advance()
    late.admit([row])
    assert curve_of(late, row.key, EPOCHS) == alone
    saved = company.save(row.key)
    late.evict([row.key])
    late.admit([row], {row.key: saved})
    assert found + curve_of(late, row.key, EPOCHS - wait) == alone
    for name, tensor in late.save(row.key).items():
        assert torch.equal(tensor, state[name]), name


def test_all_mixes_share_one_cohort(classes_data):
    """Nothing separates two perceptrons but the batch size and how wide and deep they are."""
    trainer = MLP(classes_data)
    changes = [
        {"optimizer": "adadelta", "learning_rate": 0.7},
        {"units": 20, "layers": 3},
        {"units": 128},
        {"batch_size": 7},
        {"layers": 0},
        {"activation": "elu", "dropout": 0.5, "l1": 0.1, "initializer": "orthogonal"},
    ]
    rows = rows_of([{"units": 30, "layers": 1, "batch_size": 64} | change for change in changes])
    assert len({trainer.structure(row.params) for row in rows}) == 1
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    assert cohort.blocks == {
        "batch_size=64 units<=32 layers<=4": 3,
        "batch_size=64 units<=128 layers<=4": 1,
        "batch_size=7 units<=32 layers<=4": 1,
        "batch_size=64 units<=32 layers<=0": 1,
    }
