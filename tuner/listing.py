"""What is in a study database: one line a study."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tuner import launching
from tuner.study import Study

if TYPE_CHECKING:
    from optuna.study._frozen import FrozenStudy


@dataclass(frozen=True)
class StudySummary:
    """A line of `tuner studies`; trials that other processes added are foreign and no others."""

    name: str
    state: str
    objectives: tuple[str, ...]
    n_trials: int
    n_complete: int
    n_pruned: int
    n_failed: int
    n_running: int
    n_interrupted: int
    n_foreign: int
    budget: int | None
    best_value: float | None
    created: datetime | None
    owner: str | None


def list_studies(storage: str) -> list[StudySummary]:
    """Every study of a database, oldest first.

    Raises:
        StorageError: The database cannot be used.
    """
    opened = launching.open_existing(storage)
    return [
        _summary(Study(opened, storage, study.study_name), study)
        for study in opened.get_all_studies()
    ]


def _summary(study: Study, frozen: FrozenStudy) -> StudySummary:
    standing, spec = study.standing, study.spec
    trials = study.trials
    is_running = standing.word == "running"
    best = study.best_trials if len(frozen.directions) == 1 else []
    return StudySummary(
        name=study.name,
        state=standing.word,
        objectives=tuple(objective.name for objective in spec.objectives),
        n_trials=standing.n_own,
        n_complete=standing.own["COMPLETE"],
        n_pruned=standing.own["PRUNED"],
        n_failed=standing.own["FAIL"],
        n_running=standing.own["RUNNING"] if is_running else 0,
        n_interrupted=0 if is_running else standing.own["RUNNING"],
        n_foreign=sum(standing.foreign.values()),
        budget=standing.budget,
        best_value=best[0].value if best else None,
        created=min((t.datetime_start for t in trials if t.datetime_start), default=None),
        owner=study.owner,
    )
