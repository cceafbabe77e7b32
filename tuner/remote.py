"""An Optuna study and trial inside a lane, over the ledger: no sampler and no SQL here."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any, NoReturn

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

LARGEST_STEP = 2**31 - 1
"""Of Optuna's integer columns, as PostgreSQL has them."""

Call = Callable[..., Any]
"""`call(method, *arguments)` is what a method of the ledger's `FunctionDesk` returns."""


def remote_trial(call: Call, token: int) -> tuple[Trial, RemoteStorage]:
    """The running trial of an attempt as an ordinary `optuna.Trial`.

    Values that it reports are sent when the function asks whether to stop, and at its end:
    call `flush` of the returned storage then.
    """
    storage = RemoteStorage(call, token)
    study = _RemoteStudy(
        storage.study_name, storage, _RemoteSampler(storage), _RemotePruner(storage)
    )
    return Trial(study, storage.trial_id), storage


class RemoteStorage(BaseStorage):
    """Reads the whole study, writes one trial; everything else is refused."""

    def __init__(self, call: Call, token: int) -> None:
        self._call = call
        self._token = token
        self.study_name, self._study_id, self._directions, *attributes = call("study_facts")
        self._user_attributes, self._system_attributes = attributes
        self._trial: FrozenTrial = call("trial", token)
        self._suggested = set(self._trial.distributions)
        self._reports: list[tuple[int, float]] = []

    @property
    def trial_id(self) -> int:
        """Key of the running trial."""
        return self._trial._trial_id

    def flush(self) -> None:
        """Reported values are with the ledger."""
        if self._reports:
            reports, self._reports = self._reports, []
            self._call("report", self._token, reports)

    def suggest(self, name: str, distribution: BaseDistribution) -> Any:
        """The ledger's value for a parameter."""
        self._suggested.add(name)
        return self._call("suggest", self._token, name, distribution)

    def should_prune(self) -> bool:
        """The ledger's verdict on what was reported so far."""
        self.flush()
        return bool(self._call("should_prune", self._token))

    def stop(self) -> None:
        """Asks the ledger for no further trials."""
        self._call("stop", self._token)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Tells the ledger of a parameter that needed no sampling: fixed, or with one value."""
        self._check(trial_id)
        if param_name not in self._suggested:
            self.suggest(param_name, distribution)
        self._trial.params[param_name] = distribution.to_external_repr(param_value_internal)
        self._trial.distributions[param_name] = distribution

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Queues a value; `flush` sends it."""
        self._check(trial_id)
        if not -LARGEST_STEP <= step <= LARGEST_STEP:
            raise ValueError(f"report: step must be at most {LARGEST_STEP} in size, got {step}")
        self._reports.append((step, intermediate_value))
        self._trial.intermediate_values[step] = intermediate_value

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Stores a user attribute of the running trial."""
        self._check(trial_id)
        self._call("set_attribute", self._token, "user", key, value)
        self._trial.user_attrs[key] = value

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Stores a system attribute of the running trial: a constraint or an artifact."""
        self._check(trial_id)
        self._call("set_attribute", self._token, "system", key, value)
        self._trial.system_attrs[key] = value

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The running trial, or another one of the study."""
        if trial_id == self.trial_id:
            return self._trial
        for trial in self._call("trials"):
            if trial._trial_id == trial_id:
                found: FrozenTrial = trial
                return found
        raise KeyError(f"no trial with id {trial_id}")

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Every trial of the study as the ledger has it now."""
        self._check_study(study_id)
        self.flush()
        trials: list[FrozenTrial] = self._call("trials")
        return [trial for trial in trials if states is None or trial.state in states]

    def get_study_id_from_name(self, study_name: str) -> int:
        """Key of the one study there is."""
        if study_name != self.study_name:
            raise KeyError(study_name)
        return int(self._study_id)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Name of the one study there is."""
        self._check_study(study_id)
        return str(self.study_name)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Directions of the study's objectives."""
        self._check_study(study_id)
        return list(self._directions)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """User attributes as they were when the trial began."""
        self._check_study(study_id)
        return dict(self._user_attributes)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """System attributes as they were when the trial began."""
        self._check_study(study_id)
        return dict(self._system_attributes)

    def get_all_studies(self) -> NoReturn:
        """Refused: a lane sees its own study only."""
        self._refuse()

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> NoReturn:
        """Refused."""
        self._refuse()

    def delete_study(self, study_id: int) -> NoReturn:
        """Refused."""
        self._refuse()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> NoReturn:
        """Refused."""
        self._refuse()

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> NoReturn:
        """Refused."""
        self._refuse()

    def create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> NoReturn:
        """Refused: the ledger alone creates trials."""
        self._refuse()

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> NoReturn:
        """Refused: what the function returns decides."""
        self._refuse()

    def _check(self, trial_id: int) -> None:
        if trial_id != self.trial_id:
            self._refuse()

    def _check_study(self, study_id: int) -> None:
        if study_id != self._study_id:
            raise KeyError(f"no study with id {study_id}")

    def _refuse(self) -> NoReturn:
        raise RuntimeError("an objective may change its own trial only; the study is read-only")


class _RemoteStudy(Study):
    """The study as an objective sees it."""

    _storage: RemoteStorage

    def stop(self) -> None:
        self._storage.stop()


class _RemoteSampler(BaseSampler):
    """Passes every question on to the ledger's sampler."""

    def __init__(self, storage: RemoteStorage) -> None:
        self._storage = storage

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._storage.suggest(param_name, param_distribution)


class _RemotePruner(BasePruner):
    """Passes the question on to the ledger's pruner."""

    def __init__(self, storage: RemoteStorage) -> None:
        self._storage = storage

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return self._storage.should_prune()
