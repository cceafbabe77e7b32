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
    """A line of `tuner studies`."""

    name: str
    state: str
    objectives: tuple[str, ...]
    n_trials: int
    n_complete: int
    n_pruned: int
    n_failed: int
    n_running: int
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
    counts, spec = study.counts, study.spec
    trials = study.trials
    best = study.best_trials if len(frozen.directions) == 1 else []
    return StudySummary(
        name=study.name,
        state=study.state,
        objectives=tuple(objective.name for objective in spec.objectives),
        n_trials=len(trials),
        n_complete=counts["COMPLETE"],
        n_pruned=counts["PRUNED"],
        n_failed=counts["FAIL"],
        n_running=counts["RUNNING"],
        budget=spec.trials if study.is_ours else None,
        best_value=best[0].value if best else None,
        created=min((t.datetime_start for t in trials if t.datetime_start), default=None),
        owner=study.owner,
    )
