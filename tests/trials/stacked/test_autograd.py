"""A network whose gradient autograd finds, in the frame that all supervised trainers share."""

import pytest
import torch

from trials.contract import Row
from trials.networks.mlp import MLP
from trials.stacked.autograd import AutogradNetwork

EPOCHS = 3


def perceptrons(tensors, x, masks, is_training):
    """A layer of relu units of all rows, as torch stores the tensors."""
    assert torch.is_grad_enabled() == is_training
    x = torch.relu(
        torch.einsum("kbi,koi->kbo", x, tensors["0.weight"]) + tensors["0.bias"][:, None]
    )
    x = x if masks is None else x * masks[0]
    return torch.einsum("kbi,koi->kbo", x, tensors["3.weight"]) + tensors["3.bias"][:, None]


class Differentiated(MLP):
    """The perceptron of one hidden layer by autograd."""

    needs_autograd = True

    def padded(self, settings):
        """Units in buckets, no room for further layers."""
        return super().padded(settings) | {"layers": settings.layers}

    def network(self, stack, n_batch):
        """Autograd's network."""
        return AutogradNetwork(stack, perceptrons)


@pytest.fixture(params=["classes_data", "numbers_data"])
def small_data(request):
    """Classes and numbers to learn."""
    return request.getfixturevalue(request.param)


def test_autograd_equals_the_network_written_by_hand(small_data):
    """Curves and weights of mixed rows agree to 1e-9, penalties and dropout included."""
    changes = [
        {"optimizer": "sgd", "momentum": 0.5, "l2": 0.01},
        {"dropout": 0.3, "units": 40},
        {"optimizer": "adamw", "l2": 0.1, "l1": 0.01, "label_smoothing": 0.1},
        {"batch_size": 7},
    ]
    shared = {"units": 12, "layers": 1, "learning_rate": 0.01}
    rows = [Row(key, shared | change, 50 + key, EPOCHS) for key, change in enumerate(changes)]
    found = []
    for kind in (MLP, Differentiated):
        trainer = kind(small_data, dtype=torch.float64)
        cohort = trainer.cohort(trainer.structure(rows[0].params))
        cohort.admit(rows)
        curves = {row.key: [] for row in rows}
        for _ in range(EPOCHS):
            for progress in cohort.advance():
                curves[progress.key].append(progress.metrics["validation_loss"])
        found.append((curves, [trainer.weights(cohort.save(row.key), row.params) for row in rows]))
        assert trainer.test(cohort.save(0), rows[0].params)["test_loss"] > 0
    for row in rows:
        assert found[1][0][row.key] == pytest.approx(found[0][0][row.key], rel=1e-9)
        for name, tensor in found[0][1][row.key].items():
            torch.testing.assert_close(found[1][1][row.key][name], tensor, rtol=1e-8, atol=1e-10)
