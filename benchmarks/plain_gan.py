"""The GAN on points as users write it today: torch.nn, one trial at a time, one thread."""

from __future__ import annotations

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
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True),
        "discriminator_ratio": trial.suggest_float("discriminator_ratio", 0.25, 4.0, log=True),
        "beta1": trial.suggest_float("beta1", 0.0, 0.9),
        "units": trial.suggest_int("units", 16, 128, log=True),
        "layers": trial.suggest_int("layers", 1, 3),
        "latent": trial.suggest_int("latent", 2, 64, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [64, 128, 256]),
        "activation": trial.suggest_categorical("activation", list(_ACTIVATIONS)),
        "loss": trial.suggest_categorical("loss", ["minimax", "non_saturating"]),
        "discriminator_steps": trial.suggest_int("discriminator_steps", 1, 3),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.3),
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
    fixed = torch.randn(N_SAMPLES, latent)
    for _ in range(n_epochs):
        batches = torch.randperm(len(real)).split(params["batch_size"])
        for step, batch in enumerate(batches, start=1):
            made = generator(torch.randn(len(batch), latent)).detach()
            judge.zero_grad()
            _judging(discriminator, real[batch], made, params["label_smoothing"]).backward()
            judge.step()
            if step % params["discriminator_steps"] == 0 or step == len(batches):
                move.zero_grad()
                logits = discriminator(generator(torch.randn(len(batch), latent)))
                _fooling(logits, params["loss"]).backward()
                move.step()
        with torch.no_grad():
            samples = generator(fixed) * scale + shift
        yield float(quality.figures(samples.unsqueeze(0))["sample_distance"])


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
