"""The GAN on points as users write it today: torch.nn, one trial at a time, one thread."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trials.data import Dataset
from trials.data.scaling import fit_scaling
from trials.gans.quality import N_SAMPLES, Quality

EPOCHS = 50
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
}


def suggest(trial: Any) -> dict[str, Any]:
    """The ready space of the `gan` trainer, as an Optuna objective states it."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 5e-4, 5e-3, log=True),
        "discriminator_ratio": trial.suggest_float("discriminator_ratio", 0.7, 2.0, log=True),
        "beta1": trial.suggest_float("beta1", 0.0, 0.6),
        "units": trial.suggest_int("units", 32, 128, log=True),
        "layers": trial.suggest_int("layers", 2, 3),
        "latent": trial.suggest_int("latent", 2, 32, log=True),
        "latent_distribution": trial.suggest_categorical(
            "latent_distribution", ["uniform", "normal"]
        ),
        "batch_size": trial.suggest_categorical("batch_size", [32, 64, 128]),
        "activation": trial.suggest_categorical("activation", list(_ACTIVATIONS)),
        "loss": trial.suggest_categorical("loss", ["minimax", "non_saturating"]),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.2),
        "average_half_life": trial.suggest_float("average_half_life", 2e3, 3e4, log=True),
    }


def train(params: dict[str, Any], data: Dataset, n_epochs: int, seed: int) -> Iterator[float]:
    """Distance of samples to the validation points after each of `n_epochs` epochs."""
    torch.manual_seed(seed)
    scaling = fit_scaling("standardize", data.train.x)
    real = torch.as_tensor(scaling.apply(data.train.x)).float().flatten(1)
    shift, scale = (torch.as_tensor(t).flatten().float() for t in (scaling.shift, scaling.scale))
    n_features, latent = real.shape[1], params["latent"]
    generator = _perceptron(latent, n_features, params)
    discriminator = _perceptron(n_features, 1, params)
    rate, betas = params["learning_rate"], (params["beta1"], 0.999)
    move = torch.optim.Adam(generator.parameters(), rate, betas)
    judge_rate = rate * params["discriminator_ratio"]
    judge = torch.optim.Adam(discriminator.parameters(), judge_rate, betas)
    quality = Quality(torch.as_tensor(data.validation.x).float().flatten(1), None, None)
    fixed = _noise(N_SAMPLES, params)
    average = copy.deepcopy(generator)
    renewal = 1.0 - 0.5 ** (params["batch_size"] / params["average_half_life"])
    for epoch in range(n_epochs):
        pace = 0.5 * (1.0 + math.cos(math.pi * epoch / n_epochs))
        move.param_groups[0]["lr"], judge.param_groups[0]["lr"] = rate * pace, judge_rate * pace
        batches = torch.randperm(len(real)).split(params["batch_size"])
        for batch in batches:
            made = generator(_noise(len(batch), params)).detach()
            judge.zero_grad()
            _judging(discriminator, real[batch], made, params["label_smoothing"]).backward()
            judge.step()
            move.zero_grad()
            logits = discriminator(generator(_noise(len(batch), params)))
            _fooling(logits, params["loss"]).backward()
            move.step()
            with torch.no_grad():
                for mean, now in zip(average.parameters(), generator.parameters(), strict=True):
                    mean.lerp_(now, renewal)
        with torch.no_grad():
            samples = average(fixed) * scale + shift
        yield float(quality.figures(samples.unsqueeze(0))["sample_distance"])


def _noise(n: int, params: dict[str, Any]) -> Tensor:
    if params["latent_distribution"] == "uniform":
        return torch.empty(n, params["latent"]).uniform_(-1.0, 1.0)
    return torch.randn(n, params["latent"])


def _judging(judge: nn.Module, real: Tensor, made: Tensor, smoothing: float) -> Tensor:
    likely, unlikely = judge(real), judge(made)
    binary = functional.binary_cross_entropy_with_logits
    right = torch.full_like(likely, 1.0 - smoothing)
    return binary(likely, right) + binary(unlikely, torch.zeros_like(unlikely))


def _fooling(logits: Tensor, loss: str) -> Tensor:
    if loss == "minimax":
        return -functional.softplus(logits).mean()
    return functional.softplus(-logits).mean()


def _perceptron(n_in: int, n_out: int, params: dict[str, Any]) -> nn.Sequential:
    modules: list[nn.Module] = []
    for _ in range(params["layers"]):
        modules += [nn.Linear(n_in, params["units"]), _ACTIVATIONS[params["activation"]]()]
        n_in = params["units"]
    return nn.Sequential(*modules, nn.Linear(n_in, n_out))
