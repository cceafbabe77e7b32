"""Hits and false alarms of the detectors of failed GANs, on runs provoked to fail and healthy ones.

Run `python benchmarks/gan_failures.py [--first-seed N] [--seeds N]`. A provoked run counts where
it did fail: its samples end farther from the test part than `NEAR` times one point in the middle
of the data, or not finite; for some kinds `WENT_OFF` asks for more. A healthy run counts where
they end nearer. A hit is a finding of the kind that was provoked, a false alarm a finding of any
kind, at any epoch, in a healthy run. The thresholds were chosen on the seeds from 0, the settings
and `WENT_OFF` on those and on the seeds from 1000; the default seeds are others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from recipe_seeds import asked_seeds

from trials.contract import Row
from trials.data import Dataset, load
from trials.gans.failures import DETECTORS, Symptom, detect
from trials.gans.quality.projections import SlicedWasserstein
from trials.gans.vectors import VectorGAN

EPOCHS = 40
NEAR = 0.45
"""Relative distance from the test part that separates runs that failed from healthy ones."""
N_SEEDS = 8
FIRST_SEED = 2000

USUAL: dict[str, Any] = {
    "latent": 16,
    "units": 64,
    "layers": 2,
    "batch_size": 128,
    "learning_rate": 1e-3,
}

PROVOKED: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "non-finite": (
        ("ring", {"learning_rate": 1e3, "layers": 4, "activation": "relu"}),
        ("grid", {"learning_rate": 1e3, "layers": 4, "activation": "relu"}),
        ("normal_vectors", {"learning_rate": 1e3, "layers": 4}),
        ("line", {"learning_rate": 1e3, "layers": 4}),
    ),
    "divergence": (
        ("ring", {"learning_rate": 1.0}),
        ("grid", {"learning_rate": 1.0}),
        ("ring", {"learning_rate": 2e-3, "discriminator_ratio": 1e-3}),
        ("normal_vectors", {"learning_rate": 2e-3, "discriminator_ratio": 1e-3}),
    ),
    "mode collapse": (
        ("ring", {"learning_rate": 0.02}),
        ("ring", {"learning_rate": 0.03}),
        ("ring", {"learning_rate": 0.05, "batch_size": 256}),
        ("grid", {"learning_rate": 5e-3, "beta1": 0.95}),
    ),
    "strong discriminator": (
        ("ring", {"learning_rate": 1e-5, "discriminator_ratio": 100.0}),
        ("ring", {"loss": "minimax", "discriminator_steps": 20, "discriminator_ratio": 4.0}),
        ("line", {"learning_rate": 1e-5, "discriminator_ratio": 100.0}),
        ("ring", {"loss": "minimax", "learning_rate": 1e-5, "discriminator_ratio": 100.0}),
    ),
    "exploited weakness": (
        ("ring", {"learning_rate": 2e-3, "discriminator_ratio": 1e-3}),
        ("grid", {"learning_rate": 2e-3, "discriminator_ratio": 1e-3}),
        ("normal_vectors", {"learning_rate": 2e-3, "discriminator_ratio": 1e-3}),
        ("line", {"learning_rate": 2e-3, "discriminator_ratio": 1e-3}),
    ),
    "oscillation": (
        ("ring", {"learning_rate": 5e-3, "beta1": 0.95}),
        ("ring", {"learning_rate": 2e-3, "discriminator_ratio": 0.01}),
        ("grid", {"learning_rate": 5e-3, "beta1": 0.95}),
        ("normal_vectors", {"learning_rate": 1e-3}),
    ),
}
"""Kind of failure -> data and settings that bring it about."""

WENT_OFF: dict[str, float] = {"exploited weakness": 2.0}
"""Kind of failure -> relative distance above which samples must have been at some epoch.

A discriminator that hardly learns invites the generator to run off, but where it is flat from the
start the generator stands still in the middle of the data instead, and nothing was exploited.
"""

FINE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ring", {"learning_rate": 2e-3, "batch_size": 64, "beta1": 0.0}),
    ("ring", {"learning_rate": 2e-3, "batch_size": 64, "label_smoothing": 0.2}),
    ("grid", {"learning_rate": 1e-3, "units": 128}),
    ("grid", {"learning_rate": 5e-4, "discriminator_ratio": 3.0, "beta1": 0.0, "units": 128}),
    ("normal_vectors", {"learning_rate": 3e-4, "discriminator_ratio": 3.0, "beta1": 0.0}),
    ("normal_vectors", {"learning_rate": 1e-4, "discriminator_ratio": 4.0, "batch_size": 64}),
    ("normal_vectors", {"loss": "minimax", "discriminator_steps": 20, "discriminator_ratio": 4.0}),
    ("line", {"learning_rate": 1e-3}),
    ("line", {"learning_rate": 5e-4, "activation": "tanh"}),
    (
        "ring",
        {"loss": "wasserstein", "clip": 0.03, "discriminator_steps": 5, "batch_size": 64},
    ),
)
"""Data and settings that learn it."""


@dataclass(frozen=True)
class Run:
    """One training, ended.

    Attributes:
        distance: Of its last samples from the test part, over that of one point in its middle.
        farthest: The largest such distance from the validation part at the end of an epoch.
        history: Figures of its epochs.
        symptoms: The first of each kind.
    """

    distance: float
    farthest: float
    history: list[Mapping[str, float]]
    symptoms: list[Symptom]

    def has_failed(self, kind: str) -> bool:
        """Whether it failed at all, and as far as can be told otherwise, in that way."""
        return not self.is_near and not self.farthest <= WENT_OFF.get(kind, 0.0)

    @property
    def is_near(self) -> bool:
        """Whether the samples are near the data; broken ones are not."""
        return self.distance <= NEAR


def runs(data: Dataset, settings: dict[str, Any], seeds: range) -> Iterator[Run]:
    """Trains one row per seed, side by side."""
    trainer, params = VectorGAN(data), USUAL | settings
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(seed, params, seed, EPOCHS) for seed in seeds])
    histories: dict[int, list[Mapping[str, float]]] = {seed: [] for seed in seeds}
    for _ in range(EPOCHS):
        for progress in cohort.advance():
            histories[progress.key].append(progress.metrics)
    test = torch.as_tensor(data.test.x).flatten(1)
    centre = SlicedWasserstein(test, 256).centre_distance
    for seed, history in histories.items():
        distance = trainer.test(cohort.save(seed), params)["sample_distance"] / centre
        farthest = max(epoch["relative_distance"] for epoch in history)
        yield Run(distance, farthest, history, detect(history))


def percent(part: int, whole: int) -> str:
    """`part` of `whole` in words."""
    return f"{part:4d} of {whole:3d} ({part / whole:4.0%})" if whole else "   none"


def provoked(seeds: range) -> None:
    """Prints the hits of each detector on the runs that were to fail its way, and did."""
    print(f"{'provoked':22}{'failed':>8}  {'hits':18}{'median epoch':>13}  also found")
    for kind, recipes in PROVOKED.items():
        ended = [run for name, settings in recipes for run in runs(load(name), settings, seeds)]
        failed = [run for run in ended if run.has_failed(kind)]
        epochs = sorted(f.epoch for run in failed for f in run.symptoms if f.kind == kind)
        others = Counter(f.kind for run in failed for f in run.symptoms if f.kind != kind)
        at = epochs[len(epochs) // 2] if epochs else math.nan
        also = ", ".join(f"{name} {n}" for name, n in others.most_common())
        hits = percent(len(epochs), len(failed))
        counts = f"{len(failed):3d} of {len(ended):2d}"
        print(f"{kind:22}{counts}  {hits:18}{at:>13}  {also}", flush=True)


def healthy(seeds: range) -> None:
    """Prints the false alarms of each detector on the runs that ended near the data."""
    ended = [run for name, settings in FINE for run in runs(load(name), settings, seeds)]
    fine = [run for run in ended if run.is_near]
    alarms = Counter(symptom.kind for run in fine for symptom in run.symptoms)
    n_alarmed = sum(bool(run.symptoms) for run in fine)
    print(f"\nhealthy: {len(fine)} of {len(ended)} runs ended near the data")
    for kind in DETECTORS:
        print(f"{kind:22}  false alarms {percent(alarms[kind], len(fine))}")
    print(f"{'any':22}  false alarms {percent(n_alarmed, len(fine))}")


def main() -> None:
    """Prints both tables."""
    torch.set_num_threads(1)
    seeds = asked_seeds("Hits and false alarms of the GAN detectors.", FIRST_SEED, N_SEEDS)
    provoked(seeds)
    healthy(seeds)


if __name__ == "__main__":
    main()
