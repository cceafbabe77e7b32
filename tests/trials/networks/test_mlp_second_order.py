"""Perceptrons whose optimizer sees all points at every step."""

import pytest
import torch
from plain_perceptron import fused_curve, plain_network, scaled, tensors_of
from torch import nn
from torch.func import functional_call

from tests.trials.company import assert_own_bits
from trials.contract import Row
from trials.networks.mlp import MLP
from trials.stacked.optimizers.second_order import ITERATIONS, WHOLE

SMALL = {"units": 4, "layers": 1, "activation": "softplus", "initializer": "xavier_normal"}
SEED = 7


def test_lbfgs_equals_torch(classes_data):
    """Two epochs are two calls of torch.optim.LBFGS on all points, penalty included, to 1e-9."""
    params = SMALL | {"optimizer": "lbfgs", "learning_rate": 0.3, "l2": 0.01, "layers": 2}
    weights, curve, state = fused_curve(classes_data, params, SEED, 2)
    network = plain_network(classes_data, params, weights)
    (x, x_validation), (y, y_validation) = scaled(classes_data)
    losses = []
    for _ in range(2):
        optimizer = torch.optim.LBFGS(
            network.parameters(), 0.3, ITERATIONS, tolerance_grad=0.0, tolerance_change=0.0
        )

        def closure(optimizer=optimizer):
            optimizer.zero_grad()
            penalty = sum(p.square().sum() for p in network.parameters() if p.ndim > 1)
            loss = nn.functional.cross_entropy(network(x), y) + 0.005 * penalty
            loss.backward()
            return loss

        optimizer.step(closure)
        with torch.no_grad():
            loss = nn.functional.cross_entropy(network(x_validation), y_validation)
        losses.append(float(loss))
    assert curve == pytest.approx(losses, rel=1e-9)
    trained = MLP(classes_data, dtype=torch.float64).weights(state, params)
    for name, tensor in tensors_of(network).items():
        torch.testing.assert_close(trained[name], tensor, rtol=1e-7, atol=1e-9)


def test_hessian_free_takes_the_gauss_newton_step(classes_data):
    """The first step has the direction of (J'HJ + l2 + 1 / rate)^-1 g, matrices written out."""
    params = SMALL | {"optimizer": "hessian_free", "learning_rate": 0.3, "l2": 0.02}
    weights, _, state = fused_curve(classes_data, params, SEED, 1)
    network = plain_network(classes_data, params, weights)
    (x, _), (y, _) = scaled(classes_data)
    named = dict(network.named_parameters())
    outputs = network(x)
    jacobian = torch.autograd.functional.jacobian(
        lambda *tensors: functional_call(network, dict(zip(named, tensors, strict=True)), x),
        tuple(named.values()),
    )
    jacobian = torch.cat([part.flatten(2) for part in jacobian], 2)
    chances = outputs.detach().softmax(1)
    curvature = torch.diag_embed(chances) - chances.unsqueeze(2) * chances.unsqueeze(1)
    matrix = torch.einsum("bci,bcd,bdj->ij", jacobian, curvature, jacobian) / len(x)
    l2 = torch.cat([torch.full((w.numel(),), 0.02 * (w.ndim > 1)) for w in named.values()])
    loss = nn.functional.cross_entropy(outputs, y)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(named.values()))])
    start = torch.cat([w.detach().flatten() for w in named.values()])
    gradient = gradient + l2 * start
    matrix = matrix + torch.diag(l2.double()) + torch.eye(len(l2)) / 0.3
    trained = MLP(classes_data, dtype=torch.float64).weights(state, params)
    step = torch.cat([trained[name].flatten() for name in named]) - start
    cosine = torch.cosine_similarity(step, -torch.linalg.solve(matrix, gradient), dim=0)
    assert float(cosine) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("optimizer", WHOLE)
def test_a_linear_model_is_solved(numbers_data, optimizer):
    """Without hidden layers, a few epochs find the least squares that ridge regression has."""
    rate = {"lbfgs": 1.0, "cg": 0.1, "hessian_free": 1e4}[optimizer]
    params = {"layers": 0, "optimizer": optimizer, "learning_rate": rate, "l2": 0.1}
    _, _, state = fused_curve(numbers_data, params, SEED, 4)
    (x, _), (y, _) = scaled(numbers_data)
    centred = x - x.mean(0)
    matrix = 2 * centred.t() @ centred / len(x) + 0.1 * torch.eye(x.shape[1])
    expected = torch.linalg.solve(matrix, 2 * centred.t() @ y / len(x)).t()
    found = MLP(numbers_data, dtype=torch.float64).weights(state, params)["0.weight"]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("optimizer", WHOLE)
def test_training_gains_in_single_precision(classes_data, optimizer):
    """Ten epochs of a network in float32 lower the training loss below what Adam reaches."""
    trainer = MLP(classes_data)
    losses = {}
    for name, rate in ((optimizer, {"lbfgs": 0.5}.get(optimizer, 1.0)), ("adam", 0.01)):
        params = SMALL | {"optimizer": name, "learning_rate": rate, "layers": 2, "units": 20}
        cohort = trainer.cohort(trainer.structure(params))
        cohort.admit([Row(0, params, SEED, 10)])
        losses[name] = [cohort.advance()[0].metrics["train_loss"] for _ in range(10)]
    assert losses[optimizer][-1] < min(losses["adam"])


def test_rows_depend_on_no_company(classes_data):
    """Alone, in company and with other optimizers beside it, a row has the same bits."""
    changes = [
        *({"optimizer": name, "learning_rate": 0.3} for name in WHOLE),
        {"optimizer": "cg", "units": 20, "layers": 2, "l1": 0.01, "l2": 0.1, "activation": "relu"},
        {"optimizer": "hessian_free", "layers": 3, "dropout": 0.5, "sparsity_weight": 0.1},
        {"optimizer": "lbfgs", "units": 9, "schedule": "plateau", "early_stopping_patience": 1},
        {"optimizer": "sgd"},
    ]
    rows = [Row(k, SMALL | {"batch_size": 32} | c, k, 3) for k, c in enumerate(changes)]
    assert_own_bits(MLP(classes_data), rows, 3)


def test_blocks_name_the_optimizer(classes_data):
    """Rows of a second-order optimizer are stacked with rows of the same one alone."""
    trainer = MLP(classes_data)
    cohort = trainer.cohort(trainer.structure(SMALL))
    names = ("adam", "lbfgs", "sgd", "lbfgs", "cg")
    cohort.admit([Row(k, SMALL | {"optimizer": name}, k, 3) for k, name in enumerate(names)])
    assert sorted(cohort.blocks.values()) == [1, 2, 2]
    assert sum("optimizer=lbfgs" in label for label in cohort.blocks) == 1
