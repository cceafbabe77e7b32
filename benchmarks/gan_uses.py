"""What GANs are worth besides generating: digits of which a hundred are labelled.

    python benchmarks/gan_uses.py [--epochs 30] [--seeds 5]

Prints the accuracy on the test part, median and range over seeds, of a perceptron that is fitted
to the labelled digits alone, of the same perceptron that starts from a discriminator's layers, of
the same one with generated digits beside the real ones, and of a semi-supervised discriminator.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional

from trials import data
from trials.contract import Row, RowState
from trials.data import Dataset, Part
from trials.gans.conditional import ConditionalGAN
from trials.gans.semi_supervised import SemiReal, SemiSupervisedGAN
from trials.gans.trainer import GANTrainer
from trials.gans.vectors import VectorGAN

UNITS = 64
N_STEPS = 400
GAME = {
    "units": UNITS,
    "layers": 2,
    "batch_size": 64,
    "activation": "leaky_relu",
    "leak": 0.2,
    "learning_rate": 2e-3,
    "discriminator_ratio": 0.5,
}


def states(trainer: GANTrainer, n_epochs: int, n_seeds: int) -> Iterator[RowState]:
    """One trained GAN per seed; they train together."""
    cohort = trainer.cohort(trainer.structure(GAME))
    cohort.admit([Row(seed, GAME, seed, n_epochs) for seed in range(n_seeds)])
    for _ in range(n_epochs):
        cohort.advance()
    return (cohort.save(seed) for seed in range(n_seeds))


def perceptron(seed: int) -> nn.Sequential:
    """A classifier of the discriminator's widths, with torch's initial weights."""
    torch.manual_seed(seed)
    inner = [nn.Linear(64, UNITS), nn.LeakyReLU(0.2), nn.Linear(UNITS, UNITS), nn.LeakyReLU(0.2)]
    return nn.Sequential(*inner, nn.Linear(UNITS, 10))


def fitted(network: nn.Sequential, x: Tensor, y: Tensor) -> nn.Sequential:
    """The network after steps of Adam over all points."""
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(N_STEPS):
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(x), y)
        torch.autograd.backward([loss])
        optimizer.step()
    return network


@torch.inference_mode()
def accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of points whose class it tells."""
    return float((network(x)[:, :10].argmax(1) == y).double().mean())


def discriminator(trainer: GANTrainer, state: RowState, n_outputs: int) -> nn.Sequential:
    """A trained discriminator as torch.nn has it."""
    network = perceptron(0)
    network[4] = nn.Linear(UNITS, n_outputs)
    prefix = "discriminator."
    weights = trainer.weights(state, GAME)
    own = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
    network.load_state_dict(own)
    return network


def with_last(network: nn.Sequential, seed: int) -> nn.Sequential:
    """The network with a new last layer for ten classes."""
    network[4] = perceptron(seed)[4]
    return network


def generated(trainer: ConditionalGAN, state: RowState, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Standardised digits of all classes in turn, and those classes."""
    latent = 8
    weights = trainer.weights(state, GAME)
    layers = [nn.Linear(latent + 10, UNITS), nn.LeakyReLU(0.2), nn.Linear(UNITS, UNITS)]
    network = nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Linear(UNITS, 64))
    prefix = "generator."
    own = {k.removeprefix(prefix): t for k, t in weights.items() if k.startswith(prefix)}
    network.load_state_dict(own)
    y = torch.arange(n) % 10
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, latent, generator=rng)
    with torch.inference_mode():
        x = network(torch.cat([noise, functional.one_hot(y, 10).float()], 1))
    return x.clone(), y


def labelled_part(digits: Dataset, semi: SemiReal) -> tuple[Dataset, Tensor, Tensor]:
    """The data with the labelled digits alone to train on; those, standardised, and classes."""
    is_real = semi.share.sum(1) > 0
    x, y = semi.labelled[is_real][:, :64], semi.share[is_real].argmax(1)
    own = (x * semi.scale + semi.shift).view(-1, *digits.shape).numpy()
    return dataclasses.replace(digits, train=Part(own, y.numpy())), x, y


def shown(name: str, shares: list[float]) -> None:
    """Prints the accuracies of all seeds."""
    print(f"{name:44} {median(shares):.3f}   ({min(shares):.3f} to {max(shares):.3f})", flush=True)


def main() -> None:
    """Prints a line for each way to use the labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    digits = data.load("digits", seed=0)
    semi = SemiSupervisedGAN(digits)
    few, x, y = labelled_part(digits, semi.real)
    real = semi.real
    test = (torch.as_tensor(digits.test.x).flatten(1) - real.shift) / real.scale
    told = torch.as_tensor(digits.test.y)
    seeds = range(given.seeds)
    print(f"test accuracy on digits with {len(y)} labels, {given.seeds} seeds: median (range)")
    shown("100 labels", [accuracy(fitted(perceptron(s), x, y), test, told) for s in seeds])
    gan = VectorGAN(digits)
    bases = [discriminator(gan, state, 1) for state in states(gan, given.epochs, given.seeds)]
    found = [with_last(base, s) for s, base in enumerate(bases)]
    shown("from a discriminator's layers", [accuracy(fitted(n, x, y), test, told) for n in found])
    maker = ConditionalGAN(few)
    n_epochs = given.epochs * len(digits.train) // len(y)
    made = [
        generated(maker, state, 500, s)
        for s, state in enumerate(states(maker, n_epochs, given.seeds))
    ]
    # the conditional GAN standardises by its own hundred digits
    scaled = [
        ((m * maker.real.scale + maker.real.shift - real.shift) / real.scale, c) for m, c in made
    ]
    both = [(torch.cat([x, m]), torch.cat([y, c])) for m, c in scaled]
    shown(
        "with 500 generated digits beside them",
        [accuracy(fitted(perceptron(s), *b), test, told) for s, b in enumerate(both)],
    )
    judges = [discriminator(semi, state, 10) for state in states(semi, given.epochs, given.seeds)]
    shown("semi-supervised discriminator", [accuracy(j, test, told) for j in judges])


if __name__ == "__main__":
    main()
