"""A sampler that learns from a person's choices between trials, and from no value of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.trial import TrialState

from tuner.algorithms.axes import Axes, fixed_values
from tuner.algorithms.choices import chosen_pairs
from tuner.algorithms.preference_process import fit

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from search_spaces import Space

N_ANYWHERE = 512
N_NEAR = 256
N_PARENTS = 4
"""Candidates from the whole space, and those near so many of the trials found best."""

STEP = 0.1
"""Standard deviation of a step away from a trial, as a share of an axis."""

CHANGED = 0.4
"""Probability that such a step changes an axis."""


class Preferring(BaseSampler):
    """Proposes what is expected to beat the trials that a person liked best.

    Before the first choice it draws at random. Then a Gaussian process over the chosen pairs says
    of each of some hundred points, half of them near the best trials, how much better it may be.
    Pruned trials count as worse than all that were judged.

    Args:
        space: What is sampled; axes that a point has not are at their middle.
        seed: Of the random state, in [0, 2**32).
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._is_conditional = space.is_conditional
        axes = space.distributions
        self._free = {name: axis for name, axis in axes.items() if not axis.single()}
        self._fixed = {n: getattr(axes[n], "low", None) for n in axes if n not in self._free}
        self._fixed |= fixed_values(space)
        self._axes = Axes(self._free, space.ordinal_distances())
        self._rng = LazyRandomState(seed)

    def reseed_rng(self) -> None:
        """Its random state is another one."""
        self._rng.rng.seed()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every axis."""
        return self._space.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A value of every axis; nothing where some were given by hand."""
        if "fixed_params" in trial.system_attrs:
            return {}
        return self._fixed | self._proposed(study)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, distribution: BaseDistribution
    ) -> Any:
        """A draw at random, for a trial of which some values were given by hand."""
        return (self._fixed | self._drawn(1)[0])[param_name]

    def _proposed(self, study: Study) -> dict[str, Any]:
        params, pairs = _compared(study)
        if not pairs or not self._free:
            return self._drawn(1)[0]
        numbers = sorted(params)
        rows = {number: row for row, number in enumerate(numbers)}
        points = np.stack([self._point(params[number]) for number in numbers])
        process = fit(points, np.array([[rows[b], rows[w]] for b, w in pairs]))
        liked = np.argsort(-process.predict(points)[0], kind="stable")[:N_PARENTS]
        candidates = self._drawn(N_ANYWHERE)
        candidates += self._near([params[numbers[row]] for row in liked])
        gains = process.expected_improvement(
            np.stack([self._point(self._present(candidate)) for candidate in candidates])
        )
        return candidates[int(np.argmax(gains))]

    def _present(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values of those axes that a trial with `params` has."""
        if not self._is_conditional:
            return params
        names = self._space.active({**self._fixed, **params})
        return {name: params[name] for name in names if name in params}

    def _drawn(self, n: int) -> list[dict[str, Any]]:
        """Values of all axes, evenly at random."""
        rng = self._rng.rng
        places = rng.uniform(-0.5, 0.5, (len(self._axes.numbers), n))
        return self._params(places, self._random_picks(n))

    def _random_picks(self, n: int) -> np.ndarray:
        rng = self._rng.rng
        counts = [len(axis.distribution.choices) for axis in self._axes.choices.values()]
        picks = [rng.randint(count, size=n) for count in counts]
        return np.array(picks, dtype=int).reshape(len(counts), n)

    def _near(self, parents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Values of all axes: those of a parent, some of them changed, some numbers a little."""
        found = []
        n = N_NEAR // len(parents)
        rng = self._rng.rng
        for parent in parents:
            numbers = [_place(self._axes, name, parent) for name in self._axes.numbers]
            choices = [_pick(self._axes, name, parent) for name in self._axes.choices]
            places = np.repeat(np.array(numbers).reshape(-1, 1), n, axis=1)
            picks = np.repeat(np.array(choices, dtype=int).reshape(-1, 1), n, axis=1)
            is_moved = rng.uniform(size=places.shape) < CHANGED
            places += rng.normal(0.0, STEP, places.shape) * is_moved
            is_new = rng.uniform(size=picks.shape) < CHANGED / 2
            picks = np.where(is_new, self._random_picks(n), picks)
            found += self._params(_folded(places), picks)
        return found

    def _params(self, places: np.ndarray, picks: np.ndarray) -> list[dict[str, Any]]:
        values = self._axes.values(places)
        return [self._axes.params(values[:, i], picks[:, i]) for i in range(places.shape[1])]

    def _point(self, params: Mapping[str, Any]) -> np.ndarray:
        """Where `params` are, shape (D + one for each choice); 0 on axes that they have not."""
        numbers = [_place(self._axes, name, params) for name in self._axes.numbers]
        parts = [np.array(numbers)]
        for name, axis in self._axes.choices.items():
            n_choices = len(axis.distribution.choices)
            pick = _pick(self._axes, name, params) if name in params else -1
            if axis.distance is not None:
                place = pick / (n_choices - 1) - 0.5 if pick >= 0 else 0.0
                parts.append(np.array([place]))
            else:
                parts.append((np.arange(n_choices) == pick) * np.sqrt(0.5))
        return np.concatenate(parts)


def _compared(study: Study) -> tuple[dict[int, Mapping[str, Any]], list[tuple[int, int]]]:
    """Parameters of the trials that were compared, by number, and which was the better of two.

    A trial that was pruned, as the hopeless are, is worse than each that a person judged.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    params = {trial.number: trial.params for trial in (*complete, *pruned)}
    pairs = chosen_pairs(study._storage.get_study_system_attrs(study._study_id))
    pairs = [pair for pair in pairs if pair[0] in params and pair[1] in params]
    judged = sorted({number for pair in pairs for number in pair})
    pairs += [(better, worse.number) for worse in pruned for better in judged]
    seen = {number for pair in pairs for number in pair}
    return {number: params[number] for number in seen}, pairs


def _folded(places: np.ndarray) -> np.ndarray:
    """What lies beyond an end is as far within it, so that nothing piles up there."""
    return np.abs((places - 0.5) % 2.0 - 1.0) - 0.5


def _place(axes: Axes, name: str, params: Mapping[str, Any]) -> float:
    """On an axis of numbers; the middle where `params` have no value on it."""
    found = axes.place(name, params[name]) if name in params else 0.0
    return 0.0 if np.isnan(found) else found


def _pick(axes: Axes, name: str, params: Mapping[str, Any]) -> int:
    """Of a choice; the first where `params` have none."""
    return max(0, axes.pick(name, params[name])) if name in params else 0
