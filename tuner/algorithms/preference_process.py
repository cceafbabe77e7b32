"""A Gaussian process over points of which only pairs were compared: which of two is better.

How good a point is, is a draw of the process; the better of two is told with probability
sigmoid(difference), so that choices may contradict each other.

Source: Chu & Ghahramani, "Preference learning with Gaussian processes", ICML 2005 (with the
logistic in place of the probit); Laplace's approximation as in Rasmussen & Williams (2006), 3.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit, ndtr

SPREADS = (1.0, 2.0, 4.0)
"""Standard deviations of how good points are, in units of the logistic's noise."""

WEIGHTS = (0.25, 1.0, 4.0)
"""How fast an axis changes what is good, against the others."""

REACH = 0.35
"""Length scale of an axis of weight 1 and width 1, for one axis."""

_STEPS = 30
_TOLERANCE = 1e-8


@dataclass(frozen=True)
class Fit:
    """The process given some choices.

    Attributes:
        weights: Of the axes, shape (D,).
        spread: Standard deviation beforehand.
        points: That were compared, shape (N, D).
        slope: Of the choices' log likelihood at its mode, shape (N,).
        inner: What turns covariances with the points into lost variance, shape (N, N).
        evidence: Logarithm of the choices' probability, by Laplace's approximation.
    """

    weights: np.ndarray
    spread: float
    points: np.ndarray
    slope: np.ndarray
    inner: np.ndarray
    evidence: float

    def predict(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of how good `points` are, shapes (M,) and (M,)."""
        across = _kernel(points, self.points, self.weights, self.spread)
        lost = np.einsum("mn,nk,mk->m", across, self.inner, across)
        return across @ self.slope, np.sqrt(np.maximum(self.spread**2 - lost, 1e-12))

    def expected_improvement(self, points: np.ndarray) -> np.ndarray:
        """By how much `points` are expected to beat the best that was compared, shape (M,)."""
        mean, deviation = self.predict(points)
        best = float(self.predict(self.points)[0].max())
        ahead = (mean - best) / deviation
        density = np.exp(-0.5 * ahead**2) / math.sqrt(2 * math.pi)
        gain: np.ndarray = deviation * (ahead * ndtr(ahead) + density)
        return gain


def fit(points: np.ndarray, pairs: np.ndarray) -> Fit:
    """The process whose spread and weights make the choices most probable, axis by axis.

    Args:
        points: That were compared, shape (N, D).
        pairs: Rows of the better and of the worse point, shape (M, 2).
    """
    even = np.ones(points.shape[1])
    found = max((_fit(points, pairs, even, spread) for spread in SPREADS), key=_plausible)
    for axis in range(len(even)):
        tried = [found]
        for weight in WEIGHTS:
            if weight != found.weights[axis]:
                weights = found.weights.copy()
                weights[axis] = weight
                tried.append(_fit(points, pairs, weights, found.spread))
        found = max(tried, key=_plausible)
    return found


def _plausible(found: Fit) -> float:
    """Evidence with a prior that takes axes for alike, so that few choices do not tell them apart.

    A weight of 4 or 1/4 costs half a unit of logarithm.
    """
    return found.evidence - 0.5 * float(((np.log(found.weights) / math.log(4.0)) ** 2).sum())


def _fit(points: np.ndarray, pairs: np.ndarray, weights: np.ndarray, spread: float) -> Fit:
    """Newton's steps to the mode; the likelihood is log-concave, so there is one."""
    covariance = _kernel(points, points, weights, spread) + 1e-8 * spread**2 * np.eye(len(points))
    compare = np.zeros((len(pairs), len(points)))
    rows = np.arange(len(pairs))
    compare[rows, pairs[:, 0]] += 1.0
    compare[rows, pairs[:, 1]] -= 1.0
    slope = np.zeros(len(points))
    value = -math.inf
    for _ in range(_STEPS):
        good = covariance @ slope
        ahead = compare @ good
        before, value = value, float(log_expit(ahead).sum() - 0.5 * slope @ good)
        lost = compare.T @ expit(-ahead)
        bend = compare.T @ (compare * (expit(ahead) * expit(-ahead))[:, None])
        if value - before < _TOLERANCE:
            break
        whole = np.eye(len(points)) + bend @ covariance
        slope = np.linalg.solve(whole, bend @ good + lost)
    whole = np.eye(len(points)) + bend @ covariance
    inner = np.linalg.solve(whole, bend)
    evidence = value - 0.5 * float(np.linalg.slogdet(whole)[1])
    return Fit(weights, spread, points, slope, inner, evidence)


def _kernel(left: np.ndarray, right: np.ndarray, weights: np.ndarray, spread: float) -> np.ndarray:
    """Matern's covariance of smoothness 5/2, shape (M, N)."""
    scale = np.sqrt(weights) / (REACH * math.sqrt(left.shape[1]))
    apart = (left * scale)[:, None, :] - (right * scale)[None, :, :]
    distance = math.sqrt(5.0) * np.sqrt((apart**2).sum(axis=2))
    covariance: np.ndarray = spread**2 * (1 + distance + distance**2 / 3) * np.exp(-distance)
    return covariance
