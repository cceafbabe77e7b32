"""Trials that a person judges: how the Optuna dashboard shows them, and which were liked best.

The dashboard shows a trial once it is complete and its picture is registered, asks which of those
shown is the worst, and keeps the answers in the database. A trial stays a candidate until it is
found worse than another, or is skipped; so one is left at the end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from tuner.algorithms.choices import (
    COMPONENT,
    N_SHOWN,
    PREFERENTIAL,
    chosen_pairs,
    is_preferential,
    skipped_ids,
)
from tuner.samples import ARTIFACTS

if TYPE_CHECKING:
    from tuner.book import Book
    from tuner.budget import Budget
    from tuner.plan import Plan
    from tuner.storage import Storage

PICTURE = "picture"
"""Trial attribute: name in the artifact store of what a person sees of the trial."""

PICTURE_FILE = "generated.png"
"""What the dashboard calls the picture; those that begin with `samples` come at a study's end."""


def prepare(storage: Storage, study_id: int, n_shown: int) -> None:
    """The dashboard asks a person to judge the pictures of the study's trials.

    Args:
        storage: Where the study is.
        study_id: The study, which is new.
        n_shown: How many of them are to be shown at once.
    """
    storage.set_study_system_attr(study_id, PREFERENTIAL, True)
    storage.set_study_system_attr(study_id, N_SHOWN, n_shown)
    shown = {"output_type": "artifact", "artifact_key": PICTURE}
    storage.set_study_system_attr(study_id, COMPONENT, shown)


def show(storage: Storage, study_id: int, trial_id: int, picture: str) -> None:
    """The running trial is shown with its picture as soon as it is complete.

    Args:
        storage: Where the study is; the caller opens the unit in which it is told too.
        study_id: The study.
        trial_id: The trial.
        picture: Name of the PNG in the artifact store.
    """
    about = {"artifact_id": picture, "filename": PICTURE_FILE, "mimetype": "image/png"}
    storage.set_trial_user_attr(trial_id, PICTURE, picture)
    key = f"{ARTIFACTS}{trial_id}:{picture}"
    storage.set_study_system_attr(study_id, key, json.dumps(about | {"encoding": None}))


def candidates(storage: Storage, study_id: int) -> list[FrozenTrial]:
    """The trials that can still be chosen, in order of number; none where no person judges."""
    attributes = storage.get_study_system_attrs(study_id)
    if not is_preferential(attributes):
        return []
    worse = {number for _, number in chosen_pairs(attributes)}
    return [trial for trial in _shown(storage, study_id, attributes) if trial.number not in worse]


def favourites(storage: Storage, study_id: int) -> list[FrozenTrial] | None:
    """The trials that were preferred to others and never the worse, most preferred first.

    Where choices contradict each other so that none is left, the trial that was preferred most
    often on balance. None where no person judges.
    """
    attributes = storage.get_study_system_attrs(study_id)
    if not is_preferential(attributes):
        return None
    pairs = chosen_pairs(attributes)
    wins = Counter(better for better, _ in pairs)
    losses = Counter(worse for _, worse in pairs)
    compared = wins.keys() | losses.keys()
    shown = [t for t in _shown(storage, study_id, attributes) if t.number in compared]
    ranked = sorted(shown, key=lambda t: (losses[t.number] - wins[t.number], t.number))
    return [trial for trial in ranked if not losses[trial.number]] or ranked[:1]


def best_trial(storage: Storage, study_id: int) -> FrozenTrial:
    """The favourite of the person who judges, or the trial of best value.

    Raises:
        ValueError: There is none yet.
        RuntimeError: The study has several objectives.
    """
    liked = favourites(storage, study_id)
    if liked is None:
        return storage.get_best_trial(study_id)
    if not liked:
        raise ValueError("nobody has chosen between the trials yet")
    return liked[0]


class Audience:
    """Says when another candidate may be asked for, and when the choice is made.

    Where no person judges, there is always room, and nothing to be chosen.

    Args:
        storage: Where the study is.
        plan: Its plan; `spec.preference` is the number of candidates.
        book: Its unfinished trials, which are candidates to be.
        budget: What it has left.
    """

    def __init__(self, storage: Storage, plan: Plan, book: Book, budget: Budget) -> None:
        self._storage = storage
        self._study_id = plan.study_id
        self._n_shown = plan.spec.preference
        self._book = book
        self._budget = budget

    @property
    def has_room(self) -> bool:
        """Whether there are fewer candidates than are to be shown."""
        return self._n_shown is None or self._n_candidates + len(self._book) < self._n_shown

    @property
    def is_decided(self) -> bool:
        """Whether no more candidates will come, and at most one is left."""
        if self._n_shown is None:
            return True
        return not self._budget.has_trials_left and self._n_candidates <= 1

    @property
    def n_to_choose(self) -> int:
        """Candidates among which the person is to choose; 0 where there are not two."""
        n = 0 if self._n_shown is None else self._n_candidates
        return n if n > 1 else 0

    def leader(
        self, best: tuple[int, tuple[float, ...], dict[str, Any]] | None
    ) -> tuple[int, tuple[float, ...], dict[str, Any]] | None:
        """Number, values and parameters of the favourite; `best` where no person judges."""
        liked = None if self._n_shown is None else favourites(self._storage, self._study_id)
        if liked is None:
            return best
        return next(((t.number, tuple(t.values), dict(t.params)) for t in liked), None)

    @property
    def _n_candidates(self) -> int:
        return len(candidates(self._storage, self._study_id))


def _shown(storage: Storage, study_id: int, attributes: dict[str, Any]) -> Sequence[FrozenTrial]:
    """Complete trials with a picture that the person did not skip, in order of number."""
    skipped = skipped_ids(attributes)
    complete = storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.COMPLETE,))
    return [t for t in complete if PICTURE in t.user_attrs and t._trial_id not in skipped]
