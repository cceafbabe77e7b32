"""How TPE learns that choices of an ordinal axis which lie near each other behave alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.probability_distributions import _BatchedCategoricalDistributions

Distance = Callable[[Any, Any], float]


def share_between_near_choices(sampler: TPESampler, distances: Mapping[str, Distance]) -> None:
    """The sampler spreads every observed choice of the named axes over the choices near it.

    Optuna 5 has no public way to give a distance (its `categorical_distance_func` is gone); the
    class attribute set here is the hook that its source offers for it, and this is the one
    function that touches it. Without ordinal axes nothing changes.

    Args:
        sampler: Changed in place.
        distances: By axis, a distance of two choices: at least 0, and 0 for equal ones.
    """
    if not distances:
        return

    class Estimator(_ParzenEstimator):
        def _calculate_categorical_distributions(
            self,
            observations: np.ndarray,
            param_name: str,
            search_space: CategoricalDistribution,
            parameters: _ParzenEstimatorParameters,
        ) -> Any:
            found = super()._calculate_categorical_distributions(
                observations, param_name, search_space, parameters
            )
            distance = distances.get(param_name)
            if distance is None or len(observations) == 0:
                return found
            assert isinstance(found, _BatchedCategoricalDistributions)
            weights = found.weights.copy()
            apart = gaps(search_space.choices, distance)
            weights[:-1] = weights[:-1] @ kernel(apart, len(observations))
            return _BatchedCategoricalDistributions(weights)

    sampler._parzen_estimator_cls = Estimator


def gaps(choices: Sequence[Any], distance: Distance) -> np.ndarray:
    """How far apart every two choices are, shape (C, C)."""
    return np.array([[float(distance(a, b)) for b in choices] for a in choices])


def kernel(apart: np.ndarray, n_observations: int) -> np.ndarray:
    """How one observed choice is spread, shape (C, C), rows summing to 1.

    A Gaussian of the distance whose width is the largest distance divided by the number of
    observations, yet at least half the mean step between neighbours: it narrows as TPE's
    estimators of numbers do, until choices stand alone.

    Args:
        apart: What `gaps` found.
        n_observations: At least 1.
    """
    n_choices, largest = len(apart), apart.max()
    if largest <= 0:
        return np.eye(n_choices)
    width = max(largest / (1 + n_observations), largest / (2 * max(1, n_choices - 1)))
    spread = np.exp(-0.5 * (apart / width) ** 2)
    normalised: np.ndarray = spread / spread.sum(axis=1, keepdims=True)
    return normalised
