"""Hits and false alarms of the findings of supervised networks, on provoked and healthy runs.

Run `python benchmarks/network_failures.py [--first-seed N] [--seeds N]`. A provoked run has
settings that bring a failure about, and a hit is a finding of that kind at any epoch. A healthy
run has sensible settings and counts where it ends within `FINE` of the loss of a constant
prediction and within `NEAR_BEST` of its own best; a false alarm is any finding in it. The
thresholds were chosen on the seeds from 0; the default seeds are others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from recipe_seeds import asked_seeds

from trials.contract import Row
from trials.data import load
from trials.networks.mlp import MLP
from trials.stacked.health import DETECTORS

EPOCHS = 30
FINE = 0.75
"""Share of the loss of a constant prediction that a healthy run is left with at most."""
NEAR_BEST = 1.15
"""A healthy run ends within this factor of its lowest validation loss, or below `TINY`."""
TINY = 0.1
N_SEEDS = 5
FIRST_SEED = 1000

USUAL: dict[str, Any] = {"units": 64, "layers": 2, "batch_size": 32, "learning_rate": 1e-3}

PROVOKED: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "divergence": (
        ("digits", {"learning_rate": 3.0, "activation": "leaky_relu"}),
        ("breast_cancer", {"learning_rate": 10.0, "activation": "leaky_relu"}),
        ("diabetes", {"learning_rate": 3.0, "activation": "elu", "layers": 3}),
        ("wine", {"learning_rate": 10.0, "activation": "selu"}),
    ),
    "dead network": (
        ("digits", {"optimizer": "sgd", "learning_rate": 2.0, "momentum": 0.9, "layers": 3}),
        ("wine", {"learning_rate": 1.0, "layers": 4, "units": 16}),
        ("digits", {"learning_rate": 0.3, "layers": 4, "units": 16}),
        ("breast_cancer", {"learning_rate": 1.0, "layers": 4, "units": 16}),
    ),
    "dead units": (
        ("digits", {"learning_rate": 0.1}),
        ("digits", {"optimizer": "sgd", "learning_rate": 0.5, "momentum": 0.9}),
        ("diabetes", {"learning_rate": 0.3}),
        ("breast_cancer", {"learning_rate": 0.3}),
    ),
    "saturated units": (
        ("digits", {"activation": "tanh", "initial_scale": 30.0}),
        ("digits", {"activation": "sigmoid", "initial_scale": 50.0}),
        ("breast_cancer", {"activation": "hard_tanh", "initial_scale": 30.0}),
        ("wine", {"activation": "tanh", "initial_scale": 30.0}),
    ),
    "vanishing gradients": (
        ("digits", {"activation": "sigmoid", "layers": 8, "initializer": "xavier_uniform"}),
        ("breast_cancer", {"activation": "sigmoid", "layers": 10}),
        (
            "digits",
            {"activation": "tanh", "layers": 12, "initial_scale": 0.2, "optimizer": "sgd"},
        ),
        ("diabetes", {"layers": 10, "initial_scale": 0.3, "optimizer": "sgd"}),
    ),
    "exploding gradients": (
        (
            "digits",
            {"activation": "relu", "layers": 8, "initial_scale": 4.0, "learning_rate": 1e-5},
        ),
        (
            "breast_cancer",
            {"activation": "leaky_relu", "layers": 8, "initial_scale": 4.0, "learning_rate": 1e-5},
        ),
        (
            "diabetes",
            {"activation": "elu", "layers": 10, "initial_scale": 4.0, "learning_rate": 1e-5},
        ),
        (
            "digits",
            {"activation": "leaky_relu", "layers": 6, "initial_scale": 5.0, "learning_rate": 1e-4},
        ),
    ),
    "underfitting": (
        ("digits", {"learning_rate": 1e-7, "initial_scale": 0.1}),
        ("digits", {"l2": 30.0}),
        ("breast_cancer", {"l1": 3.0}),
        ("diabetes", {"l2": 100.0, "optimizer": "sgd"}),
    ),
    "overfitting": (
        ("diabetes", {"units": 256, "layers": 3, "learning_rate": 3e-3}),
        ("diabetes", {"units": 128, "layers": 2, "learning_rate": 1e-2, "activation": "tanh"}),
        ("diabetes", {"units": 256, "layers": 2, "learning_rate": 1e-2, "activation": "elu"}),
        ("diabetes", {"units": 128, "layers": 3, "learning_rate": 3e-3, "optimizer": "rmsprop"}),
    ),
}
"""Kind of finding -> data and settings that bring it about."""

HEALTHY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("breast_cancer", {}),
    ("breast_cancer", {"activation": "tanh", "layers": 1, "learning_rate": 1e-2}),
    ("breast_cancer", {"activation": "sigmoid", "learning_rate": 1e-2}),
    ("digits", {}),
    ("digits", {"activation": "tanh", "dropout": 0.3}),
    ("digits", {"activation": "sigmoid", "learning_rate": 1e-2, "units": 128}),
    ("digits", {"optimizer": "sgd", "learning_rate": 0.05, "momentum": 0.9, "layers": 3}),
    ("iris", {"learning_rate": 1e-2, "units": 16}),
    ("wine", {"learning_rate": 3e-3, "activation": "hard_tanh", "units": 32}),
    ("diabetes", {"units": 16, "layers": 1, "learning_rate": 3e-3, "l2": 0.01}),
    ("noisy_line", {"units": 16, "learning_rate": 1e-2}),
    ("noisy_line", {"activation": "selu", "schedule": "cosine"}),
)
"""Data and settings that learn them."""


@dataclass(frozen=True)
class Run:
    """One training, ended.

    Attributes:
        losses: On the validation part, over that of a constant prediction.
        epochs: Kind of finding -> the first epoch at whose end it shows.
    """

    losses: list[float]
    epochs: dict[str, int]

    @property
    def is_fine(self) -> bool:
        """Whether it learnt, and did not lose what it had learnt."""
        last = self.losses[-1]
        return last <= FINE and (last <= TINY or last <= NEAR_BEST * min(self.losses))


def runs(name: str, settings: dict[str, Any], seeds: range) -> Iterator[Run]:
    """Trains one row per seed, side by side."""
    trainer, params = MLP(load(name)), USUAL | settings
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(seed, params, seed, EPOCHS) for seed in seeds])
    found = {seed: Run([], {}) for seed in seeds}
    for _ in range(EPOCHS):
        for progress in cohort.advance():
            run = found[progress.key]
            run.losses.append(progress.metrics["validation_loss"] / trainer.task.constant_loss)
            for finding in progress.findings:
                run.epochs.setdefault(finding.kind, progress.epoch)
    yield from found.values()


def provoked(seeds: range) -> None:
    """Prints the hits of each kind on the runs that were to fail its way."""
    print(f"{'provoked':22}{'hits':>10}{'median epoch':>14}  also found")
    for kind, recipes in PROVOKED.items():
        found = [[run.epochs for run in runs(n, settings, seeds)] for n, settings in recipes]
        ended = [epochs for group in found for epochs in group]
        at = sorted(epochs[kind] for epochs in ended if kind in epochs)
        others = Counter(other for epochs in ended for other in epochs if other != kind)
        middle = at[len(at) // 2] if at else "none"
        also = ", ".join(f"{name} {n}" for name, n in others.most_common())
        groups = "/".join(str(sum(kind in epochs for epochs in group)) for group in found)
        print(f"{kind:22}{f'{len(at)} of {len(ended)}':>10}{middle:>14}  {also} ({groups})")


def healthy(seeds: range) -> None:
    """Prints the false alarms of each kind on the runs that ended well."""
    ended = [(n, s, run) for n, s in HEALTHY for run in runs(n, s, seeds)]
    fine = [(n, s, run) for n, s, run in ended if run.is_fine]
    alarms = Counter(kind for _, _, run in fine for kind in run.epochs)
    n_alarmed = sum(bool(run.epochs) for _, _, run in fine)
    print(f"\nhealthy: {len(fine)} of {len(ended)} runs ended well")
    for kind in DETECTORS:
        print(f"{kind:22}  false alarms {alarms[kind]} of {len(fine)}")
    print(f"{'any':22}  false alarms {n_alarmed} of {len(fine)} ({n_alarmed / len(fine):.0%})")


def main() -> None:
    """Prints both tables."""
    torch.set_num_threads(1)
    seeds = asked_seeds("Hits and false alarms of network findings.", FIRST_SEED, N_SEEDS)
    provoked(seeds)
    healthy(seeds)


if __name__ == "__main__":
    main()
