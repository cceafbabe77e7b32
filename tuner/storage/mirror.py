"""Hides the copy in memory of the opened studies, and how it returns to an earlier state."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.storage.rows import revise, trial_id_of


@dataclass
class MirroredStudy:
    """One study as last read or written.

    Attributes:
        trials: In order of their keys; a trial or attribute mapping is replaced, never changed.
        positions: Index in `trials` by key.
        waiting: Keys of the WAITING trials.
        running: Keys of the RUNNING trials.
        ours: Those that this storage runs: nobody else is expected to write their values.
        distributions: The one each parameter was first seen with.
        refreshed_at: When it was last compared with the database, by the storage's clock.
        is_used: Whether anybody asked for it since then.
    """

    study_id: int
    name: str
    directions: list[StudyDirection]
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)
    trials: list[FrozenTrial] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    running: set[int] = field(default_factory=set)
    ours: set[int] = field(default_factory=set)
    distributions: dict[str, BaseDistribution] = field(default_factory=dict)
    refreshed_at: float = -math.inf
    is_used: bool = False

    @property
    def last_trial_id(self) -> int:
        """The largest key, or -1."""
        return trial_id_of(self.trials[-1]) if self.trials else -1

    def select(self, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """A new list of the trials in `states`, or of all."""
        if states is None:
            return list(self.trials)
        if states == (TrialState.WAITING,):
            # Every ask looks for waiting trials, and there are hardly ever any.
            return [self.trials[self.positions[key]] for key in sorted(self.waiting)]
        return [trial for trial in self.trials if trial.state in states]


class Mirror:
    """The opened studies. Between `begin` and `keep` or `undo`, changes can be taken back."""

    def __init__(self) -> None:
        self._studies: dict[int, MirroredStudy] = {}
        self._study_ids: dict[int, int] = {}
        self._undo: list[Callable[[], object]] | None = None

    def begin(self) -> None:
        """From here on changes are remembered."""
        self._undo = []

    def keep(self) -> None:
        """The changes stay."""
        self._undo = None

    def undo(self) -> None:
        """Everything is as it was at `begin`."""
        steps, self._undo = self._undo or [], None
        for step in reversed(steps):
            step()

    def distrust(self) -> None:
        """Everything unfinished is compared with the database at the next read."""
        for study in self._studies.values():
            study.ours.clear()
            study.refreshed_at = -math.inf

    def studies(self) -> Iterable[MirroredStudy]:
        """The opened ones."""
        return self._studies.values()

    def study(self, study_id: int) -> MirroredStudy | None:
        """The study, or None if it is not opened."""
        return self._studies.get(study_id)

    def study_of(self, trial_id: int) -> MirroredStudy | None:
        """The opened study that has the trial, or None."""
        study_id = self._study_ids.get(trial_id)
        return None if study_id is None else self._studies[study_id]

    def put_study(self, study: MirroredStudy) -> None:
        """The study is opened, in place of what was known of it."""
        self.drop_study(study.study_id)
        self._studies[study.study_id] = study
        for trial_id in study.positions:
            self._study_ids[trial_id] = study.study_id
        self._remember(lambda: self._forget(study.study_id))

    def drop_study(self, study_id: int) -> None:
        """The study is not opened."""
        study = self._forget(study_id)
        if study is not None:
            self._remember(lambda: self.put_study(study))

    def put_trial(self, study: MirroredStudy, trial: FrozenTrial) -> None:
        """The study has the trial, at the end or in place of its former state."""
        trial_id = trial_id_of(trial)
        position = study.positions.get(trial_id)
        former = None
        if position is None:
            study.positions[trial_id] = len(study.trials)
            study.trials.append(trial)
            self._study_ids[trial_id] = study.study_id
            self._remember(lambda: self._pop_trial(study, trial_id))
        else:
            known = former = study.trials[position]
            study.trials[position] = trial
            self._remember(lambda: self._replace(study, position, known))
        if former is None or former.state != trial.state:
            _sort_in(study, trial)
        if former is not None and former.distributions is trial.distributions:
            return
        for name, distribution in trial.distributions.items():
            if name not in study.distributions:
                study.distributions[name] = distribution
                self._remember(partial(study.distributions.pop, name, None))

    def put_values(
        self, study: MirroredStudy, trial: FrozenTrial, values: dict[int, float]
    ) -> None:
        """The trial has these intermediate values and no others."""
        changed = revise(trial)
        changed.intermediate_values = values
        self.put_trial(study, changed)

    def put_attributes(
        self, study: MirroredStudy, kind: Literal["user_attrs", "system_attrs"], attrs: Any
    ) -> None:
        """The study's attributes of one kind are `attrs`."""
        former = getattr(study, kind)
        setattr(study, kind, attrs)
        self._remember(lambda: setattr(study, kind, former))

    def _remember(self, step: Callable[[], object]) -> None:
        if self._undo is not None:
            self._undo.append(step)

    def _forget(self, study_id: int) -> MirroredStudy | None:
        study = self._studies.pop(study_id, None)
        if study is not None:
            for trial_id in study.positions:
                self._study_ids.pop(trial_id, None)
        return study

    def _replace(self, study: MirroredStudy, position: int, trial: FrozenTrial) -> None:
        study.trials[position] = trial
        _sort_in(study, trial)

    def _pop_trial(self, study: MirroredStudy, trial_id: int) -> None:
        study.trials.pop(study.positions.pop(trial_id))
        self._study_ids.pop(trial_id, None)
        for keys in (study.waiting, study.running, study.ours):
            keys.discard(trial_id)


def _sort_in(study: MirroredStudy, trial: FrozenTrial) -> None:
    trial_id = trial_id_of(trial)
    for keys, state in ((study.waiting, TrialState.WAITING), (study.running, TrialState.RUNNING)):
        if trial.state == state:
            keys.add(trial_id)
        else:
            keys.discard(trial_id)
    if trial.state != TrialState.RUNNING:
        study.ours.discard(trial_id)
