"""Hides when a study is read from the database, and when memory is good enough."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from optuna.trial import FrozenTrial

from tuner.errors import StorageError
from tuner.storage.mirror import Mirror, MirroredStudy
from tuner.storage.reading import Changes, load_study, new_trials, study_of_trial
from tuner.storage.statements import LockStudy
from tuner.storage.transactions import Transactions, Unit

_log = logging.getLogger(__name__)


class OpenedStudies:
    """Studies and trials by id, as they are now or were a refresh interval ago.

    Args:
        transactions: The storage's; its lock is held by the callers.
        refresh_interval_s: Shortest time between two looks for what others wrote, in seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self, transactions: Transactions, refresh_interval_s: float, clock: Callable[[], float]
    ) -> None:
        self._transactions = transactions
        self._mirror: Mirror = transactions.mirror
        self._refresh_interval_s = refresh_interval_s
        self._clock = clock

    def add(self, study: MirroredStudy) -> None:
        """The study, just made or read, is opened."""
        study.refreshed_at = self._clock()
        self._mirror.put_study(study)

    def refresh_all(self) -> None:
        """Every study in use is as the database had it within the refresh interval."""
        with self._transactions.lock:
            for study in [study for study in self._mirror.studies() if study.is_used]:
                self.refresh_if_due(study)

    def trial(self, trial_id: int) -> tuple[MirroredStudy, FrozenTrial]:
        """The study of the trial and the trial, from memory or by opening its study."""
        study = self._mirror.study_of(trial_id)
        if study is None:
            study_id = self._transactions.query(partial(study_of_trial, trial_id=trial_id))
            if study_id is None:
                raise KeyError(f"No trial with trial_id {trial_id} exists.")
            study = self.known_study(study_id, must_refresh=True)
        elif trial_id not in study.ours:
            self.refresh_if_due(study)
            study = self._mirror.study_of(trial_id)
        if study is None or trial_id not in study.positions:
            raise KeyError(f"No trial with trial_id {trial_id} exists.")
        study.is_used = True
        return study, study.trials[study.positions[trial_id]]

    def study(self, study_id: int) -> MirroredStudy:
        """The study as it is now, or as it was a second ago."""
        study = self._mirror.study(study_id)
        if study is not None:
            self.refresh_if_due(study)
        return self.known_study(study_id)

    def known_study(self, study_id: int, *, must_refresh: bool = False) -> MirroredStudy:
        """The study from memory, or from the database at first."""
        study = self._mirror.study(study_id)
        if study is not None and must_refresh:
            self._refresh(study)
            study = self._mirror.study(study_id)
        if study is None:
            study = self._transactions.query(partial(load_study, study_id=study_id))
            if study is None:
                raise KeyError(f"No study with study_id {study_id} exists.")
            self.add(study)
        study.is_used = True
        return study

    def refresh_if_due(self, study: MirroredStudy) -> None:
        """What others wrote is in memory, unless that was looked for just now.

        Within a unit nothing is looked for: it sees one state of the study. While the database
        is away, memory serves.
        """
        is_due = self._clock() - study.refreshed_at >= self._refresh_interval_s
        if not is_due or self._transactions.in_unit:
            return
        try:
            self._refresh(study)
        except StorageError as error:
            study.refreshed_at = self._clock()
            _log.warning("memory is not up to date: %s", error)

    def _refresh(self, study: MirroredStudy) -> None:
        changes = self._transactions.query(partial(Changes, study=study), waits=False)
        study.refreshed_at = self._clock()
        study.is_used = False
        if changes.is_gone:
            self._mirror.drop_study(study.study_id)
            return
        self._mirror.put_attributes(study, "user_attrs", changes.user_attrs)
        self._mirror.put_attributes(study, "system_attrs", changes.system_attrs)
        for trial in changes.trials:
            self._mirror.put_trial(study, trial)

    def lock_study(self, unit: Unit, study: MirroredStudy) -> None:
        """Nobody else adds trials; those that others added until now are in memory."""
        unit.study_ids.add(study.study_id)
        if study.study_id in unit.locked:
            return
        unit.run(LockStudy(study.study_id))
        unit.locked.add(study.study_id)
        for trial in unit.query(partial(new_trials, study=study)):
            self._mirror.put_trial(study, trial)
