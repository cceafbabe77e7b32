"""Data drawn from known laws, so that what a model learns can be compared with the truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trials.data.assemble import Content, assemble
from trials.data.dataset import Dataset, Part
from trials.data.targets import Target

if TYPE_CHECKING:
    from trials.data.dataset import Floats

SLOPE, INTERCEPT, NOISE = 2.0, 1.0, 0.1
N_LINE_SAMPLES = 1000
CONTENT_SEED = 20250101
"""Of the noise of `noisy_line`, which is the same content under every split seed."""

NORMAL_MEAN = np.linspace(-2, 2, 8)
"""Mean of each component of `normal_vectors`."""
NORMAL_DEVIATION = np.linspace(0.5, 1.5, 8)
"""Standard deviation of each component of `normal_vectors`."""

LINE_START = np.array([-1.0, -0.5])
LINE_END = np.array([1.0, 0.5])

ROLL_END = 4.5 * np.pi
"""Angle at which the spiral of `swiss_roll` ends, and its radius before scaling."""
ROLL_NOISE = 0.02

N_HELD_OUT = 2500
"""Samples of the validation part, and of the test part, of each density."""

Points: TypeAlias = NDArray[np.float64]
Draw: TypeAlias = Callable[[np.random.Generator, int], Points]


def noisy_line(seed: int) -> Dataset:
    """1,000 points of y = 2x + 1 with noise of deviation 0.1, x from -1 to 1."""
    rng = np.random.default_rng(CONTENT_SEED)
    x = rng.uniform(-1, 1, (N_LINE_SAMPLES, 1))
    y = SLOPE * x[:, 0] + INTERCEPT + rng.normal(0, NOISE, N_LINE_SAMPLES)
    note = "target 'y': 2 x + 1 with noise of deviation 0.1, a regression"
    target = Target("y", "regression", y.astype(np.float32), (), note)
    return assemble(Content("noisy_line", "table", x.astype(np.float32), target, ("x",)), seed)


def normal_vectors(seed: int) -> Dataset:
    """Vectors of 8 independent normal numbers with known means and deviations."""

    def draw(rng: np.random.Generator, n: int) -> Points:
        return rng.normal(NORMAL_MEAN, NORMAL_DEVIATION, (n, len(NORMAL_MEAN)))

    law = {"mean": NORMAL_MEAN.tolist(), "deviation": NORMAL_DEVIATION.tolist()}
    return _density("normal_vectors", law, draw, 5000, seed)


def line(seed: int) -> Dataset:
    """Points spread evenly on the line from (-1, -0.5) to (1, 0.5)."""

    def draw(rng: np.random.Generator, n: int) -> Points:
        points: Points = LINE_START + rng.uniform(0, 1, (n, 1)) * (LINE_END - LINE_START)
        return points

    law = {"start": LINE_START.tolist(), "end": LINE_END.tolist()}
    return _density("line", law, draw, 5000, seed)


def ring(seed: int) -> Dataset:
    """Points of 8 normal distributions of deviation 0.01 on a circle of radius 1.

    Source: Srivastava et al., VEEGAN, NeurIPS (2017), as in Lin et al., PacGAN, NeurIPS (2018).
    """
    angles = 2 * np.pi * np.arange(8) / 8
    modes = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _mixture("ring", modes, 0.01, 5000, seed)


def grid(seed: int) -> Dataset:
    """Points of 25 normal distributions of deviation 0.05, 2 apart, from -4 to 4.

    Source: Srivastava et al., VEEGAN, NeurIPS (2017), as in Lin et al., PacGAN, NeurIPS (2018).
    """
    ticks = np.arange(-4.0, 5.0, 2.0)
    modes = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)
    return _mixture("grid", modes, 0.05, 10000, seed)


def swiss_roll(seed: int) -> Dataset:
    """Points of a spiral of one and a half turns, radius 1 at its end, with noise of 0.02.

    Source: Marsland, Machine Learning: An Algorithmic Perspective (2015), seen along its axis.
    """

    def draw(rng: np.random.Generator, n: int) -> Points:
        angle = 1.5 * np.pi * (1 + 2 * rng.uniform(0, 1, n))
        spiral = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (angle / ROLL_END)[:, None]
        points: Points = rng.normal(spiral, ROLL_NOISE)
        return points

    law: dict[str, object] = {"end": ROLL_END, "noise": ROLL_NOISE}
    return _density("swiss_roll", law, draw, 5000, seed)


def _mixture(name: str, modes: Points, std: float, n_train: int, seed: int) -> Dataset:
    """Points of normal distributions around `modes`, each mode as likely as the others."""

    def draw(rng: np.random.Generator, n: int) -> Points:
        return rng.normal(modes[rng.integers(0, len(modes), n)], std)

    law = {"modes": modes.tolist(), "std": std}
    return _density(name, law, draw, n_train, seed, modes.astype(np.float32), std)


def _density(
    name: str,
    law: dict[str, object],
    draw: Draw,
    n_train: int,
    seed: int,
    modes: Floats | None = None,
    mode_std: float | None = None,
) -> Dataset:
    """Parts drawn independently of each other; the fingerprint is that of the law."""

    def part(place: int, n: int) -> Part:
        rng = np.random.default_rng([seed, place])
        return Part(draw(rng, n).astype(np.float32), None)

    train = part(0, n_train)
    facts = json.dumps([name, law, n_train, N_HELD_OUT])
    return Dataset(
        name=name,
        kind="points",
        task="density",
        train=train,
        validation=part(1, N_HELD_OUT),
        test=part(2, N_HELD_OUT),
        feature_names=tuple(f"x{place}" for place in range(train.x.shape[1])),
        classes=(),
        target_name="",
        fingerprint=hashlib.sha256(facts.encode()).hexdigest(),
        notes=(f"points drawn by the law of {name!r}: no target, a density",),
        modes=modes,
        mode_std=mode_std,
    )
