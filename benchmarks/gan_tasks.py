"""GANs that `quality.py` tunes, and the settings they are compared with."""

from __future__ import annotations

from typing import Any

import gan_goals as made
from gan_goals import of_best
from goals import FEW_SLOTS, MNIST, WHOLE, Goal, Task

PUBLISHED: dict[str, Any] = {
    "learning_rate": 2e-4,
    "discriminator_ratio": 1.0,
    "schedule": "constant",
    "beta1": 0.5,
    "batch_size": 128,
    "loss": "non_saturating",
    "label_smoothing": 0.0,
    "average_half_life": 0.0,
    "activation": "leaky_relu",
    "leak": 0.2,
    "latent_distribution": "normal",
    "units": 128,
    "layers": 2,
    "latent": 8,
}
"""The settings most GANs are first tried with: Radford et al., ICLR (2016)."""

WIDE: dict[str, Any] = {"units": 128, "layers": 2}
FEW: dict[str, Any] = {"batch_size": 32, **WIDE}
"""Axes that would separate rows, fixed where a study has few trials."""

PLANE: dict[str, Any] = {
    **FEW,
    "latent": 2,
    "latent_distribution": "uniform",
    "activation": "relu",
    "loss": "non_saturating",
    "beta1": 0.5,
}
"""A square of noise folds onto modes in the plane with fewer seams than a ball of many axes."""

DEEP: dict[str, Any] = {"units": 64, "layers": 3}
"""Slopes of layers multiply, and it takes steep ones to jump from mode to mode."""

MOMENTS: dict[str, Any] = {
    "batch_size": 128,
    "latent": 16,
    "latent_distribution": "normal",
    "activation": "leaky_relu",
    "beta1": 0.0,
    "learning_rate": {"type": "float", "low": 7e-4, "high": 1.5e-3, "log": True},
    "discriminator_ratio": {"type": "float", "low": 3.0, "high": 5.0},
    "loss": {"type": "categorical", "choices": ["minimax", "non_saturating"]},
    "label_smoothing": 0.0,
    "average_half_life": {"type": "float", "low": 2e4, "high": 5e4, "log": True},
}
"""Vectors of many axes: no momentum, and a discriminator that stays ahead while rates fall.

Behind one hardly faster than the generator, means drift away in the last epochs.
"""

MODES_FIRST: dict[str, Any] = {"objectives": ["modes", "high_quality"]} | FEW_SLOTS | WHOLE
"""A trial that found all modes is worth more than one of sharper samples."""

IMAGES_SPEC = {
    "objectives": ["frechet_distance"],
    # averaged generators of the first epochs say nothing of those that follow
    "pruner": {"name": "asha", "min_resource": 15},
} | FEW_SLOTS


def modes(n: int, share: float, references: tuple[str, str]) -> tuple[Goal, Goal]:
    """Modes that are captured, and samples near one."""
    return (
        Goal("modes", of_best(made.n_modes), n, references[0]),
        Goal("high quality", of_best(made.high_quality), share, references[1]),
    )


def beside_published(low: str) -> tuple[Goal, ...]:
    """Figures of generated images; `low` says what real ones have."""
    return (
        Goal("classes", of_best(made.n_classes), 10, "all 10"),
        Goal("Frechet distance", of_best(made.frechet), None, low, is_low=True),
        Goal(
            "over real images", of_best(made.frechet_over_real), None, "real images 1", is_low=True
        ),
    )


def mixture(
    name: str,
    goals: tuple[Goal, Goal],
    budget: tuple[int, int],
    shape: dict[str, Any],
    axes: dict[str, Any],
    value: str = "best",
) -> Task:
    """Modes in the plane: few whole trials, of which the best one counts.

    Args:
        name: Of the data.
        goals: As `modes` states them.
        budget: Trials, and epochs of each.
        shape: Units and layers, of the compared trial too.
        axes: The others.
        value: Whether a trial counts by its best epoch or its last.
    """
    trials, epochs = budget
    return Task(
        "gan",
        name,
        trials,
        goals,
        epochs=epochs,
        space=PLANE | shape | axes,
        spec=MODES_FIRST | {"value": value},
        seconds=600.0,
        published=PUBLISHED | shape,
    )


GANS: dict[str, Task] = {
    "ring": mixture(
        "ring",
        modes(8, 0.95, ("GAN 6.3, PacGAN2 7.9", "GAN 0.98, PacGAN2 0.96")),
        (2, 80),
        WIDE,
        {
            "learning_rate": {"type": "float", "low": 2e-3, "high": 4e-3, "log": True},
            "discriminator_ratio": {"type": "float", "low": 0.9, "high": 1.5},
            "label_smoothing": {"type": "float", "low": 0.0, "high": 0.1},
            "average_half_life": {"type": "float", "low": 5e3, "high": 1.5e4, "log": True},
        },
    ),
    "grid": mixture(
        "grid",
        modes(25, 0.93, ("GAN 17.3, PacGAN4 24.8", "GAN 0.95, PacGAN4 0.94")),
        (3, 220),
        DEEP,
        {
            "batch_size": 64,
            "beta1": 0.0,
            "learning_rate": {"type": "float", "low": 9e-4, "high": 1.4e-3, "log": True},
            "discriminator_ratio": {"type": "float", "low": 0.9, "high": 1.2},
            "label_smoothing": 0.0,
            "average_half_life": 2e4,
            "instance_noise": {"type": "float", "low": 0.1, "high": 0.15},
            "instance_noise_end": 0.7,
        },
        # an early epoch may reach all modes by a blurred grid
        value="last",
    ),
    "normal_vectors": Task(
        "gan",
        "normal_vectors",
        3,
        (
            Goal("error of means", of_best(made.mean_error), 0.05, "0", is_low=True),
            Goal("of deviations", of_best(made.deviation_error), 0.05, "0", is_low=True),
        ),
        epochs=100,
        space=WIDE | MOMENTS,
        spec=FEW_SLOTS | WHOLE,
        seconds=600.0,
        published=PUBLISHED,
    ),
    "points_on_line": Task(
        "gan",
        "line",
        8,
        (
            Goal("distance to line", of_best(made.line_distance), 0.05, "0", is_low=True),
            Goal("tenths reached", of_best(made.n_tenths), 10, "10"),
        ),
        epochs=30,
        space=PLANE,
        published=PUBLISHED,
    ),
    "digits-gan": Task(
        "gan",
        "digits",
        8,
        beside_published("of 270 test images"),
        epochs=150,
        space={**FEW, "latent": 16},
        spec=IMAGES_SPEC,
        published=PUBLISHED | {"latent": 16},
    ),
    "mnist-gan": Task(
        "gan",
        MNIST,
        8,
        beside_published("of 1,000 test images"),
        epochs=30,
        space={**FEW, "latent": 32},
        spec=IMAGES_SPEC,
        published=PUBLISHED | {"latent": 32},
        seconds=900.0,
        needs_files=True,
    ),
}
"""GANs; each is compared with a trial of `PUBLISHED`, of as many epochs and the same widths."""
