"""Hides how two parameters together become the data of contours and of the rank plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tuner.report import facts, parameter_data, scales
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.facts import UndrawableError
from tuner.report.scales import ParameterAxis

N_PARAMETERS = 5  # the most important ones, each with each until there are enough
N_PAIRS = 3
N_POINTS = 300
N_GRID = 24
WIDTH = 0.1  # standard deviation of the smoothing, as a share of an axis
MOST_ALONE = 0.2  # a place further than this from every trial is left empty
MIN_TRIALS = 10


@dataclass(frozen=True)
class Pair:
    """Two parameters against each other.

    Attributes:
        x: The first, more important one.
        y: The second.
        numbers: Trials that have both, best last so that it is drawn on top.
        places: Their positions in axis units, one pair per trial.
        goodness: 0 for the worst rank of all trials with a value, 1 for the best.
        grid: Positions in axis units at which the surface is known, for x and y.
        surface: Smoothed goodness, one row per place of y; NaN far from every trial.
    """

    x: ParameterAxis
    y: ParameterAxis
    numbers: tuple[int, ...]
    places: tuple[tuple[float, float], ...]
    goodness: tuple[float, ...]
    grid: tuple[tuple[float, ...], tuple[float, ...]]
    surface: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Pairs:
    """The most important parameters, each against each.

    Attributes:
        pairs: The pair of the most important two first.
        notes: What is left out, one sentence each.
    """

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]


def pairs(study: StudyRecord, objective: int = 0) -> Pairs:
    """Ranks of complete and pruned trials over pairs of the most important parameters.

    Raises:
        UndrawableError: Fewer than two parameters vary, or fewer than 10 trials have a value.
    """
    axes = parameter_data.ranked_axes(study, objective)
    if len(axes) < 2:
        raise UndrawableError("Pairs need two parameters that vary; this study has one.")
    ranked = [trial for trial, _ in facts.ranked(study, objective)]
    if len(ranked) < MIN_TRIALS:
        count = f"there {'is' if len(ranked) == 1 else 'are'} {len(ranked)}."
        raise UndrawableError(f"Pairs need {MIN_TRIALS} trials with a value; {count}")
    last = len(ranked) - 1
    goodness = {trial.number: 1 - rank / last for rank, trial in enumerate(ranked)}
    shown = scales.thinned(ranked, N_POINTS, range(N_POINTS // 4))
    found: list[Pair] = []
    for x, y in _by_importance(min(N_PARAMETERS, len(axes))):
        pair = None if len(found) == N_PAIRS else _pair(axes[x], axes[y], shown[::-1], goodness)
        found += [] if pair is None else [pair]
    if not found:
        raise UndrawableError(f"No pair of parameters was tried together {MIN_TRIALS} times.")
    notes = []
    if len(shown) < len(ranked):
        notes.append(
            f"{len(shown):,} of {len(ranked):,} trials are looked at: the {N_POINTS // 4} best "
            "and others spread evenly."
        )
    n_pairs = len(axes) * (len(axes) - 1) // 2
    if n_pairs > len(found):
        notes.append(f"The {len(found)} most important of {n_pairs} pairs are shown.")
    return Pairs(tuple(found), tuple(notes))


def _by_importance(n: int) -> list[tuple[int, int]]:
    """Pairs of the first `n` places, those of two important parameters first."""
    return sorted(combinations(range(n), 2), key=lambda pair: (sum(pair), pair[1]))


def _pair(
    x: ParameterAxis, y: ParameterAxis, trials: list[TrialRecord], goodness: dict[int, float]
) -> Pair | None:
    placed = []
    for trial in trials:
        if x.name in trial.params and y.name in trial.params:
            at_x, at_y = x.position(trial.params[x.name]), y.position(trial.params[y.name])
            if at_x is not None and at_y is not None:
                placed.append((trial.number, (at_x, at_y)))
    if len(placed) < MIN_TRIALS:
        return None
    own = tuple(goodness[number] for number, _ in placed)
    places = tuple(place for _, place in placed)
    grid = (_grid(x), _grid(y))
    surface = smoothed(x, y, places, own, grid)
    return Pair(x, y, tuple(number for number, _ in placed), places, own, grid, surface)


def _grid(axis: ParameterAxis) -> tuple[float, ...]:
    if axis.kind == "category":
        return tuple(float(index) for index in range(len(axis.labels)))
    step = (axis.high - axis.low) / (N_GRID - 1)
    return tuple(axis.low + step * index for index in range(N_GRID))


def smoothed(
    x: ParameterAxis,
    y: ParameterAxis,
    places: tuple[tuple[float, float], ...],
    goodness: tuple[float, ...],
    grid: tuple[tuple[float, ...], tuple[float, ...]],
) -> tuple[tuple[float, ...], ...]:
    """Mean goodness around each place of the grid, near trials weighing most.

    The weight falls as a Gaussian over the distance in shares of the axes; choices of a category
    are not near to each other.

    Source: Nadaraya, Theory of Probability and its Applications 9 (1964).
    """
    points = np.asarray(places, dtype=float)
    distance = (
        _distances(x, grid[0], points[:, 0])[None, :, :]
        + _distances(y, grid[1], points[:, 1])[:, None, :]
    )  # (places of y, places of x, trials), squared
    weights = np.exp(-0.5 * distance / WIDTH**2)
    total = weights.sum(axis=2)
    mean = (weights @ np.asarray(goodness)) / np.maximum(total, 1e-300)
    mean[distance.min(axis=2) > MOST_ALONE**2] = math.nan
    return tuple(tuple(float(value) for value in row) for row in mean)


def _distances(
    axis: ParameterAxis, grid: tuple[float, ...], places: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Squared distances in shares of the axis, shape (places of the grid, trials)."""
    apart = np.asarray(grid)[:, None] - places[None, :]
    if axis.kind == "category":
        return np.where(apart == 0, 0.0, 1e6)
    return np.asarray((apart / (axis.high - axis.low)) ** 2)
