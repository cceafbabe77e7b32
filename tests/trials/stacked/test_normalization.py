"""Batch and layer normalization of stacked networks."""

import pytest
import torch
from torch import nn

from trials.contract import Row
from trials.networks.mlp import MLP
from trials.stacked.layout import Layout, norm
from trials.stacked.network import Gradients
from trials.stacked.normalization import normalization

N_ROWS, N_POINTS, C, PLACES = 3, 5, 16, 6


def stacked(kind, counts):
    """A layer of normalizations with random scales and shifts, zero beyond the true channels."""
    layout = Layout(tuple(norm(kind, "1", C)))
    rng = torch.Generator().manual_seed(0)
    parameters = torch.zeros(N_ROWS, layout.size, dtype=torch.float64)
    real = (torch.arange(C) < torch.tensor(counts).unsqueeze(1)).double()
    gradients = Gradients(layout, parameters, torch.zeros_like(parameters))
    for name in ("1.weight", "1.bias"):
        draws = torch.randn(N_ROWS, C, generator=rng, dtype=torch.float64)
        gradients.values[name].copy_(draws * real)
    if kind == "batch":
        gradients.values["1.running_var"].fill_(1.0)
    return normalization(kind, gradients, "1", real, N_POINTS), gradients, real


def module_of(kind, gradients, k, n):
    """The module of torch with the scale and shift of row k."""
    module = {"batch": nn.BatchNorm1d(n), "layer": nn.GroupNorm(1, n)}[kind].double()
    module.weight.data.copy_(gradients.values["1.weight"][k, :n])
    module.bias.data.copy_(gradients.values["1.bias"][k, :n])
    return module


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_images_equal_torch(kind):
    """Values, gradients and running statistics of channels with places; padding stays zero."""
    counts = [C, 7, 1]
    layer, gradients, real = stacked(kind, counts)
    rng = torch.Generator().manual_seed(1)
    shape = (N_ROWS, N_POINTS + 3, C, PLACES)
    x, slope = (torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(2))
    x *= real.view(N_ROWS, 1, C, 1)
    slope *= real.view(N_ROWS, 1, C, 1)
    slope[:, N_POINTS:] = 0.0
    out, below = x.clone(), slope.clone()
    layer.forward(out, is_training=True)
    layer.backward(below)
    evaluated = x.clone()
    layer.forward(evaluated, is_training=False)
    for k, n in enumerate(counts):
        module = module_of(kind, gradients, k, n)
        given = x[k, :N_POINTS, :n].clone().requires_grad_()
        expected = module(given)
        expected.backward(slope[k, :N_POINTS, :n])
        found = [out[k, :N_POINTS, :n], below[k, :N_POINTS, :n]]
        found += [gradients.slots[f"1.{name}"][k, :n] for name in ("weight", "bias")]
        module.eval()
        found.append(evaluated[k, :, :n])
        wanted = [expected, given.grad, module.weight.grad, module.bias.grad, module(x[k, :, :n])]
        for ours, theirs in zip(found, wanted, strict=True):
            torch.testing.assert_close(ours, theirs.detach(), rtol=1e-9, atol=1e-12)
        assert not out[k, :N_POINTS, n:].any()
        assert not below[k, :, n:].any()


def test_a_single_number_says_nothing_of_a_batch():
    """A batch of one number per channel becomes the shift; running statistics stay."""
    layer, gradients, _ = stacked("batch", [C] * N_ROWS)
    x = torch.randn(N_ROWS, N_POINTS, C, 1, dtype=torch.float64)
    one = normalization("batch", gradients, "1", torch.ones(N_ROWS, C), 1)
    one.forward(x, is_training=True)
    assert torch.equal(x[:, 0, :, 0], gradients.values["1.bias"])
    assert (gradients.values["1.running_var"] == 1.0).all()
    assert layer.is_blind_to_shifts


def trained(data, changes, n_epochs=6):
    """The trainer and the weights of a row with these axes."""
    trainer = MLP(data)
    params = {"units": 20, "layers": 1, "batch_size": 16, "learning_rate": 0.01} | changes
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 4, n_epochs)])
    for _ in range(n_epochs):
        cohort.advance()
    return trainer.weights(cohort.save(0), params), trainer


def test_normalization_separates_cohorts(classes_data):
    """Rows of different normalization have different tensors, so they cannot be stacked."""
    trainer = MLP(classes_data)
    structures = {trainer.structure({"normalization": k}) for k in ("none", "batch", "layer")}
    assert len(structures) == 3


@pytest.mark.parametrize(("kind", "module"), [("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)])
def test_weights_load_into_torch(classes_data, kind, module):
    """The weights of a normalised row fit the Sequential that the trainer names."""
    weights, _ = trained(classes_data, {"normalization": kind})
    network = nn.Sequential(
        nn.Linear(5, 20), module(20), nn.ReLU(), nn.Dropout(0.0), nn.Linear(20, 3)
    )
    network.load_state_dict(weights)
    if kind == "batch":
        assert weights["1.running_mean"].any()
        assert not weights["0.bias"].any()


def hidden_of(data, changes):
    """Hidden activations of a trained row for the training points, (N, H)."""
    weights, trainer = trained(data, changes, 25)
    x = trainer.task.scaled(data.train, "standardize").float()
    sums = x @ weights["0.weight"].t() + weights["0.bias"]
    return sums.sigmoid() if changes["activation"] == "sigmoid" else sums.relu()


def test_sparsity_silences_hidden_units(classes_data):
    """Sigmoid units come near the target on average; others are nearer to zero than without."""
    quiet = {"sparsity_weight": 0.3, "sparsity": 0.2, "learning_rate": 0.05}
    mean = hidden_of(classes_data, {"activation": "sigmoid", **quiet}).mean(0)
    loud = hidden_of(classes_data, {"activation": "sigmoid", "learning_rate": 0.05}).mean(0)
    assert (mean - 0.2).abs().mean() < 0.08 < (loud - 0.2).abs().mean()
    quiet, loud = (
        hidden_of(classes_data, {"activation": "relu", "sparsity_weight": weight}).mean()
        for weight in (0.1, 0.0)
    )
    assert quiet < 0.5 * loud


def test_running_statistics_are_no_parameters(classes_data):
    """The objective n_parameters counts what torch counts."""
    trainer = MLP(classes_data)
    trainer.measure(["n_parameters"])
    params = {"units": 20, "layers": 1, "normalization": "batch"}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 4, 1)])
    network = nn.Sequential(nn.Linear(5, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 3))
    n_parameters = sum(p.numel() for p in network.parameters())
    assert cohort.advance()[0].metrics["n_parameters"] == n_parameters
