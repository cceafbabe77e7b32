"""Hides how a study's trials are kept in columns, so that an ask need not read them again."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from optuna.trial import TrialState

from tuner.algorithms.axes import Axes, Points

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MOST_GOOD = 25
"""However long the study, so many trials at most are taken for good ones."""

_IGNORED, _FINISHED, _RUNNING = 0, 1, 2
_FIRST_CAPACITY = 256


class Rank(NamedTuple):
    """How good a finished trial is, least first, as Optuna's TPE sees it.

    Complete trials by their value, pruned ones by how far they came and their value there,
    then those that break a constraint, by how much.
    """

    kind: int
    first: float
    second: float
    row: int


@dataclass
class _Members:
    """Which trials have all of some axes, by row, as of the first `n_read` that were read."""

    has_all: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=bool))
    n_read: int = 0


class TrialTable:
    """The trials of one study by row, row and number being the same.

    Args:
        axes: All that the trials may have; parameters outside of them are not kept.
        sign: 1 where the study minimises, -1 where it maximises.
    """

    def __init__(self, axes: Axes, sign: int) -> None:
        self._axes = axes
        self._sign = sign
        self._number_rows = {name: index for index, name in enumerate(axes.numbers)}
        self._choice_rows = {name: index for index, name in enumerate(axes.choices)}
        self._places = np.empty((len(axes.numbers), 0))
        self._picks = np.empty((len(axes.choices), 0), dtype=int)
        self._state = np.empty(0, dtype=np.int8)
        self._ranks: list[Rank] = []
        self._unfinished: dict[int, tuple[TrialState, int]] = {}
        self._best = np.empty(0, dtype=int)
        """Rows of the best tenth of the finished trials, oldest first."""
        self._read_rows: list[int] = []
        self._members: dict[Axes, _Members] = {}
        self.n_rows = 0

    @property
    def n_finished(self) -> int:
        """Trials that are complete or pruned."""
        return len(self._ranks)

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """The table has all that is known of `trials`, at a cost of those that changed."""
        self._reserve(len(trials))
        for row in [*self._unfinished, *range(self.n_rows, len(trials))]:
            trial = trials[row]
            if self._unfinished.get(row) != (trial.state, len(trial.params)):
                self._read(row, trial)
        self.n_rows = len(trials)
        n_good = min(math.ceil(0.1 * self.n_finished), MOST_GOOD)
        self._best = np.array(sorted(rank.row for rank in self._ranks[:n_good]), dtype=int)

    def good(self, axes: Axes) -> np.ndarray:
        """Those of the best tenth of the finished trials that have all of `axes`, oldest first."""
        best = self._best
        found: np.ndarray = best[self._having(axes)[best]]
        return found

    def poor(self, axes: Axes, *, with_running: bool) -> np.ndarray:
        """Rows of the other finished trials, and of running ones if asked, that have all of `axes`.

        They come oldest first.
        """
        state = self._state[: self.n_rows]
        is_poor = state != _IGNORED if with_running else state == _FINISHED
        is_poor &= self._having(axes)[: self.n_rows]
        is_poor[self._best] = False
        return np.flatnonzero(is_poor)

    def points(self, axes: Axes, rows: np.ndarray) -> Points:
        """Where the trials are on `axes`; nan or -1 where one has no value."""
        numbers = _column([self._number_rows[name] for name in axes.numbers])
        choices = _column([self._choice_rows[name] for name in axes.choices])
        return Points(self._places[numbers, rows], self._picks[choices, rows])

    def _having(self, axes: Axes) -> np.ndarray:
        """Whether each trial that counts has all of `axes`, as far as it was read before or now."""
        members = self._members.setdefault(axes, _Members())
        n_more = len(self._state) - len(members.has_all)
        members.has_all = np.pad(members.has_all, (0, n_more)) if n_more else members.has_all
        rows = np.array(self._read_rows[members.n_read :], dtype=int)
        members.n_read = len(self._read_rows)
        if len(rows):
            places, picks = self.points(axes, rows)
            members.has_all[rows] = ~np.isnan(places).any(axis=0) & (picks >= 0).all(axis=0)
        return members.has_all

    def _reserve(self, n: int) -> None:
        """There is room for `n` rows."""
        n_now = len(self._state)
        if n <= n_now:
            return
        more = max(_FIRST_CAPACITY, n_now, n - n_now)
        self._state = np.append(self._state, np.full(more, _IGNORED, dtype=np.int8))
        self._places = np.pad(self._places, ((0, 0), (0, more)), constant_values=np.nan)
        self._picks = np.pad(self._picks, ((0, 0), (0, more)), constant_values=-1)

    def _read(self, row: int, trial: FrozenTrial) -> None:
        """The row is that of `trial`, which has a state or parameters it had not before."""
        self._read_rows.append(row)
        if trial.state.is_finished():
            self._unfinished.pop(row, None)
        else:
            self._unfinished[row] = trial.state, len(trial.params)
        if trial.state in (TrialState.FAIL, TrialState.WAITING):
            self._state[row] = _IGNORED
            return
        for name, value in trial.params.items():
            if name in self._number_rows:
                self._places[self._number_rows[name], row] = self._axes.place(name, value)
            elif name in self._choice_rows:
                self._picks[self._choice_rows[name], row] = self._axes.pick(name, value)
        if trial.state == TrialState.RUNNING:
            self._state[row] = _RUNNING
        else:
            self._state[row] = _FINISHED
            insort(self._ranks, _rank(trial, row, self._sign))


def _rank(trial: FrozenTrial, row: int, sign: int) -> Rank:
    excess = sum(value for value in trial.constraints.values() if value > 0)
    if excess > 0:
        return Rank(3, excess, 0.0, row)
    if trial.state == TrialState.COMPLETE:
        assert trial.value is not None
        return Rank(0, sign * trial.value, 0.0, row)
    if not trial.intermediate_values:
        return Rank(2, 0.0, 0.0, row)
    step, value = max(trial.intermediate_values.items())
    return Rank(1, -step, math.inf if math.isnan(value) else sign * value, row)


def _column(indices: list[int]) -> np.ndarray:
    return np.array(indices, dtype=int).reshape(-1, 1)
