"""Networks without answers follow their validation loss too: cuts, early stops, and limits."""

import pytest
import torch

from tests.trials.company import bits, cohort_of
from trials.contract import Row
from trials.networks.autoencoder import Autoencoder
from trials.networks.pretrained import Pretrained
from trials.networks.rbm import RBM

SMALL = {"units": 9, "batch_size": 16}
KINDS = {
    "autoencoder": (Autoencoder, SMALL | {"learning_rate": 0.3, "code": 3}),
    "vae": (Autoencoder, SMALL | {"learning_rate": 0.3, "code": 3, "kind": "vae"}),
    "machine": (RBM, SMALL | {"learning_rate": 2.0}),
    "persistent machine": (RBM, SMALL | {"learning_rate": 2.0, "persistent": True}),
}
"""Rates at which the validation loss wavers."""

EPOCHS = 14


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request, classes_data):
    """A trainer on small data, and parameters."""
    make, params = request.param
    return make(classes_data), params


def train(trainer, rows, n_epochs, states=None):
    """A cohort after so many epochs, and what row 0 told after each."""
    cohort = cohort_of(trainer, rows, states)
    told = []
    for _ in range(n_epochs):
        told += [progress for progress in cohort.advance() if progress.key == 0]
    return cohort, told


def hexed(told):
    """Every bit of the figures, nan equal to nan."""
    return [{name: value.hex() for name, value in p.metrics.items()} for p in told]


def test_a_row_without_gain_is_final_and_rests(kind):
    """Until it stops it is as without patience; then neither weights nor figures move."""
    trainer, params = kind
    free, unstopped = train(trainer, [Row(0, params, 5, EPOCHS)], EPOCHS)
    own = params | {"early_stopping_patience": 2}
    stopped, told = train(trainer, [Row(0, own, 5, EPOCHS)], EPOCHS)
    n_trained = 1 + next(n for n, progress in enumerate(told) if progress.is_final)
    assert 2 < n_trained < EPOCHS
    losses = [progress.metrics["validation_loss"] for progress in told]
    assert min(losses[n_trained - 2 : n_trained]) > min(losses[: n_trained - 2]) * (1 - 1e-4)
    assert hexed(told)[:n_trained] == hexed(unstopped)[:n_trained]
    assert hexed(told)[n_trained:] == [hexed(told)[n_trained - 1]] * (EPOCHS - n_trained)
    assert all(progress.is_final for progress in told[n_trained:])
    at_stop, _ = train(trainer, [Row(0, own, 5, EPOCHS)], n_trained)
    ends = [bits(cohort.save(0), "epoch") for cohort in (at_stop, stopped, free)]
    assert ends[0] == ends[1] != ends[2]


def test_stopping_depends_on_no_company(kind):
    """The same bits beside rows that go on, and from a checkpoint before the stop and after it."""
    trainer, params = kind
    row = Row(0, params | {"early_stopping_patience": 2}, 5, EPOCHS)
    others = [Row(1, params, 6, EPOCHS), Row(2, row.params | {"l2": 0.01}, 7, EPOCHS)]
    alone, expected = train(trainer, [row], EPOCHS)
    for wait in (1, EPOCHS - 1):
        first, before = train(trainer, [row, *others], wait)
        moved, after = train(trainer, [others[0], row], EPOCHS - wait, {0: first.save(0)})
        assert hexed(before + after) == hexed(expected)
        assert bits(moved.save(0)) == bits(alone.save(0))


def test_a_plateau_cuts_when_and_only_when_the_loss_is_no_better(kind):
    """The first epoch at a cut rate is the one after the first loss that was no better."""
    trainer, params = kind
    _, constant = train(trainer, [Row(0, params, 5, EPOCHS)], EPOCHS)
    cut = params | {"schedule": "plateau", "schedule_patience": 0, "schedule_factor": 0.25}
    cohort, told = train(trainer, [Row(0, cut, 5, EPOCHS)], EPOCHS)
    losses = [progress.metrics["validation_loss"] for progress in constant]
    n_same = 1
    while losses[n_same] < losses[n_same - 1] * (1 - 1e-4):
        n_same += 1
    n_same += 1
    assert n_same < EPOCHS
    assert hexed(told)[:n_same] == hexed(constant)[:n_same]
    assert hexed(told)[n_same] != hexed(constant)[n_same]
    assert float(cohort.save(0)["course.numbers"][2]) <= 0.25


def test_weights_into_a_unit_keep_their_limit(kind):
    """No unit's weights are longer than `max_norm`; without it some are."""
    trainer, params = kind
    free, _ = train(trainer, [Row(0, params, 5, 2)], 2)
    limited, _ = train(trainer, [Row(0, params | {"max_norm": 0.2}, 5, 2)], 2)
    for cohort, is_limited in ((free, False), (limited, True)):
        weights = trainer.weights(cohort.save(0), params)
        own = [t for n, t in weights.items() if n.endswith("weight") and "classifier" not in n]
        longest = max(float(t.norm(dim=1).max()) for t in own)
        assert (longest <= 0.2 * (1 + 1e-5)) == is_limited


def test_a_pretrained_row_stops_in_its_last_phase(classes_data):
    """Pretraining does not count for the patience; the phase of the answers does."""
    params = SMALL | {"layers": 1, "learning_rate": 1.0, "early_stopping_patience": 2}
    trainer = Pretrained(classes_data)
    row = Row(0, params | {"pretraining_epochs": 6}, 5, 30)
    _, told = train(trainer, [row, Row(1, row.params | {"units": 5}, 6, 30)], 30)
    final = [progress.epoch for progress in told if progress.is_final]
    assert 6 + 2 < final[0] < 30
    assert (
        torch.tensor([p.metrics["validation_loss"] for p in told[final[0] :]]).unique().numel() == 1
    )
