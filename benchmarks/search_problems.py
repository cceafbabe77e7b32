"""What `benchmarks/sampling.py` minimises: eight formulas and two networks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from search_spaces import Categorical, Float, Int, Space
from trials import data
from trials.contract import Row
from trials.networks.mlp import MLP

Params = Mapping[str, Any]
N_EPOCHS, N_ROWS = 5, 512


class Point(NamedTuple):
    """What is to be evaluated; `seed` is for what is random in it."""

    params: Params
    seed: int


class Problem(NamedTuple):
    """Something to minimise.

    Attributes:
        minimum: None where it is not known.
    """

    space: Space
    evaluate: Callable[[Sequence[Point]], list[float]]
    minimum: float | None


def branin(x: float, y: float) -> float:
    """Three equal minima of 0.397887 in [-5, 10] x [0, 15]."""
    bent: float = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bent**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann6(x: np.ndarray) -> float:
    """Six dimensions, -3.32237 in [0, 1]."""
    heights = np.array([1.0, 1.2, 3.0, 3.2])
    scales = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    centres = np.array(
        [
            [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
            [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
            [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
            [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
        ]
    )
    return -float(heights @ np.exp(-(scales * (x - centres) ** 2).sum(axis=1)))


def ackley(x: np.ndarray) -> float:
    """Many ripples around 0 at the origin."""
    wide = 20 * math.exp(-0.2 * math.sqrt(float((x**2).mean())))
    return 20 + math.e - wide - math.exp(float(np.cos(2 * math.pi * x).mean()))


def rosenbrock(x: np.ndarray) -> float:
    """A bent valley with 0 at (1, ..., 1)."""
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def levy(x: np.ndarray) -> float:
    """Ripples on a slope, 0 at (1, ..., 1)."""
    w = 1 + (x - 1) / 4
    inner = (w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)
    last = (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)
    return float(math.sin(math.pi * w[0]) ** 2 + inner.sum() + last)


def rastrigin(x: np.ndarray) -> float:
    """A grid of minima, the least 0 at the origin."""
    return float((x**2 - 10 * np.cos(2 * math.pi * x) + 10).sum())


def styblinski_tang(x: np.ndarray) -> float:
    """Two minima per dimension; the least is -39.16617 times the dimensions."""
    return float((x**4 - 16 * x**2 + 5 * x).sum() / 2)


def conditional(params: Params) -> float:
    """Branches of different size: each has axes of its own and shares one; the least is 0."""
    shared = (params["x"] - 0.3) ** 2
    if params["kind"] == "branin":
        return float(shared + (branin(params["b1"], params["b2"]) - 0.397887) / 20)
    if params["kind"] == "rate":
        distance = math.log10(params["rate"] / 3e-3)
        return float(shared + 0.2 + distance**2 / 4 + 0.1 * params["depth"])
    return float(shared + 0.4)


def axes(n: int, axis: Any, prefix: str = "x") -> dict[str, Any]:
    """`n` axes alike."""
    return {f"{prefix}{index}": axis for index in range(n)}


def numbers(params: Params) -> np.ndarray:
    """All numbers of a point in order."""
    return np.array([value for value in params.values() if not isinstance(value, str)], dtype=float)


def flipped(params: Params) -> float:
    """Styblinski-Tang, whose sign of x a choice decides, with a price for some choices."""
    sign, price = {"plain": (1, 3), "flipped": (-1, 0), "off": (0, 0), "both": (1, 0)}[
        params["kind"]
    ]
    return styblinski_tang(numbers(params) * sign) + price


def function(
    space: Space, compute: Callable[[Params], float], minimum: float
) -> Callable[[], Problem]:
    """A problem of one formula."""
    return lambda: Problem(space, lambda points: [compute(p.params) for p in points], minimum)


def network(name: str) -> Problem:
    """The validation loss of `mlp`; rows of equal structure train together."""
    trainer = MLP(data.load(name, seed=0))

    def evaluate(points: Sequence[Point]) -> list[float]:
        groups = defaultdict(list)
        for key, (params, seed) in enumerate(points):
            groups[trainer.structure(params)].append(Row(key, params, seed, N_EPOCHS))
        losses: dict[int, float] = {}
        for structure, rows in groups.items():
            for first in range(0, len(rows), N_ROWS):
                cohort = trainer.cohort(structure)
                cohort.admit(rows[first : first + N_ROWS])
                for _ in range(N_EPOCHS):
                    progress = cohort.advance()
                losses |= {p.key: p.metrics["validation_loss"] for p in progress}
        return [losses[key] for key in range(len(points))]

    return Problem(trainer.space, evaluate, None)


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "branin": function(
        Space(x=Float(-5, 10), y=Float(0, 15)), lambda p: branin(p["x"], p["y"]), 0.397887
    ),
    "hartmann6": function(Space(axes(6, Float(0, 1))), lambda p: hartmann6(numbers(p)), -3.32237),
    "ackley-log": function(
        Space(axes(4, Float(1e-3, 1e2, log=True))), lambda p: ackley(np.log10(numbers(p))), 0.0
    ),
    "rosenbrock": function(
        Space(axes(4, Float(-2, 2))), lambda p: math.log1p(rosenbrock(numbers(p))), 0.0
    ),
    "levy-whole": function(
        Space({**axes(2, Float(-10, 10)), **axes(3, Int(-10, 10), "n")}),
        lambda p: levy(numbers(p)),
        0.0,
    ),
    "rastrigin-grid": function(
        Space({**axes(2, Float(-5.12, 5.12)), **axes(2, Float(-5, 5, step=0.25), "g")}),
        lambda p: rastrigin(numbers(p)),
        0.0,
    ),
    "styblinski-choice": function(
        Space({**axes(3, Float(-5, 5)), "kind": Categorical(["plain", "flipped", "off", "both"])}),
        flipped,
        -39.16617 * 3,
    ),
    "conditional": function(
        Space(
            kind=Categorical(["branin", "rate", "none"]),
            x=Float(0, 1),
            b1=Float(-5, 10, when={"kind": "branin"}),
            b2=Float(0, 15, when={"kind": "branin"}),
            rate=Float(1e-5, 1, log=True, when={"kind": "rate"}),
            depth=Int(0, 5, when={"kind": "rate"}),
        ),
        conditional,
        0.0,
    ),
    "mlp-breast_cancer": lambda: network("breast_cancer"),
    "mlp-wine": lambda: network("wine"),
}
