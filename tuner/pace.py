"""How long a study still takes: hides what its own trials teach about lengths and speed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

WINDOW_S = 30.0
"""Time over which a speed is measured."""

MOST_EPOCHS = 10_000
"""Longest trial whose course is followed epoch by epoch; others are only counted."""


class Speed:
    """Units a second, by what was counted within the last half minute."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()

    def note(self, n_so_far: int, now: float) -> None:
        """So many units were done at `now`, monotonic seconds."""
        if n_so_far == 0:  # what comes before the first unit is set-up
            self._marks.clear()
        self._marks.append((now, n_so_far))
        while len(self._marks) > 2 and now - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()

    @property
    def per_s(self) -> float:
        """Units a second; 0 before anything is known."""
        if len(self._marks) < 2:
            return 0.0
        (began, first), (ended, last) = self._marks[0], self._marks[-1]
        return (last - first) / (ended - began) if ended > began else 0.0


class Lengths:
    """How many epochs trials of the study last, by those that ended and those that still train.

    Args:
        epochs: Most epochs of one trial.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._ended: Counter[int] = Counter()

    def ended(self, epochs: int) -> None:
        """A trial ended, in whatever state, after so many epochs."""
        self._ended[min(epochs, self._epochs)] += 1

    def expected(self, running: Sequence[int], n_new: int) -> float | None:
        """Epochs that the running trials and `n_new` further ones will train.

        Trials that were stopped early teach how often that happens at each epoch; those that
        still train count as far as they have come (the estimator of Kaplan and Meier), so that a
        study does not seem short because its first trials to end were the pruned ones.

        Args:
            running: Epochs that each running trial has behind it.
            n_new: Trials that have not begun.

        Returns:
            None where trials have no known end, as functions, or are longer than is followed.

        Source: Kaplan and Meier, JASA 53 (1958).
        """
        if self._epochs > MOST_EPOCHS:
            return None
        alive = self._survival(running)
        # left[a] = expected further epochs of a trial that goes on after epoch a
        left = [0.0] * (self._epochs + 1)
        for epoch in range(self._epochs - 1, -1, -1):
            left[epoch] = alive[epoch] + left[epoch + 1]
        further = sum(self._further(min(age, self._epochs), alive, left) for age in running)
        return n_new * left[0] + further

    def _survival(self, running: Sequence[int]) -> list[float]:
        """For each epoch the share of trials that go on after it."""
        ages = Counter(min(age, self._epochs) for age in running)
        at_risk = sum(self._ended.values()) + sum(ages.values())
        share, alive = 1.0, []
        for epoch in range(self._epochs + 1):
            n_ended = self._ended[epoch]
            share *= 1.0 - n_ended / at_risk if at_risk > 0 else 1.0
            at_risk -= n_ended + ages[epoch]
            alive.append(share)
        return alive

    def _further(self, age: int, alive: Sequence[float], left: Sequence[float]) -> float:
        """Expected epochs of a trial that has `age` behind it; all where nobody came so far."""
        return left[age] / alive[age] if alive[age] > 0 else float(self._epochs - age)


def seconds_left(
    *, epochs_left: float | None, epochs_per_s: float, n_left: int, trials_per_s: float
) -> float | None:
    """Time until a study has used up its trials, or None while nothing is known.

    Args:
        epochs_left: Epochs that will be trained, all trials together, where that is known.
        epochs_per_s: Epochs a second, all trials together.
        n_left: Trials that have not ended.
        trials_per_s: Trials that ended, a second.
    """
    if n_left <= 0:
        return 0.0
    if epochs_left is not None:
        return epochs_left / epochs_per_s if epochs_per_s > 0 else None
    return n_left / trials_per_s if trials_per_s > 0 else None
