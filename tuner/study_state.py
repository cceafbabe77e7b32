"""How a study stands: whether it runs, how much of its budget is used, and what others added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from tuner.launching import living_owner
from tuner.ledger import ENDED
from tuner.preference import candidates

if TYPE_CHECKING:
    from tuner.storage import Owner, Storage

_OVER = [state.name for state in TrialState if state.is_finished()]


@dataclass(frozen=True)
class StudyState:
    """A study at one moment.

    Attributes:
        owner: Who runs it, or None.
        budget: Own trials that it may have in all; None if plain Optuna made it.
        own: Trials that its lanes have begun, by state; of a plain Optuna study all trials.
        foreign: Trials that other processes added and no lane has begun, by state.
        ended: Why it ended before its trials were used up, or None.
        n_to_choose: Candidates among which a person is to choose; 0 where there is no choice.
    """

    owner: Owner | None
    budget: int | None
    own: Mapping[str, int]
    foreign: Mapping[str, int]
    ended: str | None
    n_to_choose: int = 0

    @property
    def n_own(self) -> int:
        """Own trials in any state: what is used of the budget."""
        return sum(self.own.values())

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end: a rule of its budget was met, or nothing is left of it and
        nothing to be chosen.
        """
        n_over = sum(self.own[state] for state in _OVER)
        is_used_up = self.budget is None or n_over >= self.budget
        return self.ended is not None or (is_used_up and not self.n_to_choose)

    @property
    def word(self) -> str:
        """`running`, `interrupted`, `stopped`, `finished` or `empty`.

        Interrupted: trials of its budget are unfinished, not begun or not judged. Stopped: it
        ended before its trials were used up, for a reason of its budget.
        """
        if self.owner is not None:
            return "running"
        if not self.n_own + sum(self.foreign.values()):
            return "empty"
        if self.ended is not None:
            return "stopped"
        return "finished" if self.is_finished and not self.own["RUNNING"] else "interrupted"


def early_end(storage: Storage, study_id: int) -> str | None:
    """Why the study ended before its trials were used up, or None."""
    return storage.get_study_system_attrs(study_id).get(ENDED) or None


def study_state(storage: Storage, study_id: int) -> StudyState:
    """How the study stands now."""
    stored = storage.records.get_spec(study_id)
    begun = {attempt.trial_id for attempt in storage.records.attempts(study_id)}
    own, foreign = (Counter({state.name: 0 for state in TrialState}) for _ in range(2))
    for trial in storage.get_all_trials(study_id, deepcopy=False):
        is_own = stored is None or trial._trial_id in begun
        (own if is_own else foreign)[trial.state.name] += 1
    n_candidates = len(candidates(storage, study_id))
    return StudyState(
        owner=living_owner(storage, study_id),
        budget=None if stored is None else stored[0].get("trials"),
        own=own,
        foreign=foreign,
        ended=early_end(storage, study_id),
        n_to_choose=n_candidates if n_candidates > 1 else 0,
    )
