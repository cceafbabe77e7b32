"""Random histories: our storage, one read anew from its database, and Optuna's in memory agree."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from tuner.storage import Storage, open_storage

PARAMS = {
    "lr": FloatDistribution(1e-4, 1.0, log=True),
    "units": IntDistribution(1, 64),
    "opt": CategoricalDistribution(("sgd", None, 2.5)),
}
JSON = st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.booleans()))
NUMBER = st.floats(allow_nan=False)
PICK = st.integers(0, 99)


def described(trial: FrozenTrial) -> dict[str, Any]:
    """What must agree: everything but the key and the times."""
    return {
        "number": trial.number,
        "state": trial.state,
        "values": trial.values,
        "params": list(trial.params.items()),
        "distributions": trial.distributions,
        "user": trial.user_attrs,
        "system": trial.system_attrs,
        "steps": trial.intermediate_values,
    }


class StorageMachine(RuleBasedStateMachine):
    """The same calls on both storages; what they answer and raise is the same."""

    @initialize()
    def open(self) -> None:
        """Both are empty."""
        self.folder = tempfile.TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name) / 'studies.db'}"
        self.ours: Storage = open_storage(self.url)
        self.model: BaseStorage = InMemoryStorage()
        self.studies: list[tuple[int, int]] = []
        self.trials: list[tuple[int, int]] = []

    def teardown(self) -> None:
        """Nothing is left open."""
        self.ours.close()
        self.folder.cleanup()

    def both(self, keys: tuple[int, int], call: str, *args: Any) -> Any:
        """Calls both with their keys; returns our answer, after comparing."""
        answers: list[Any] = []
        for storage, key in zip((self.ours, self.model), keys, strict=True):
            try:
                answers.append(getattr(storage, call)(key, *args))
            except (KeyError, ValueError, UpdateFinishedTrialError) as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        return answers[0]

    @rule(name=st.sampled_from("abc"), n=st.integers(1, 2))
    def create_study(self, name: str, n: int) -> None:
        """A new study, or the same refusal."""
        ids = []
        for storage in (self.ours, self.model):
            try:
                ids.append(storage.create_new_study([StudyDirection.MINIMIZE] * n, name))
            except DuplicatedStudyError:
                ids.append(-1)
        assert (ids[0] == -1) == (ids[1] == -1)
        if ids[0] != -1:
            self.studies.append((ids[0], ids[1]))

    @precondition(lambda self: self.studies)
    @rule(pick=PICK)
    def delete_study(self, pick: int) -> None:
        """A study with its trials is gone."""
        keys = self.studies.pop(pick % len(self.studies))
        gone = {trial._trial_id for trial in self.ours.get_all_trials(keys[0])}
        self.trials = [pair for pair in self.trials if pair[0] not in gone]
        self.both(keys, "delete_study")

    @precondition(lambda self: self.studies)
    @rule(pick=PICK, state=st.sampled_from(TrialState), attr=JSON, value=NUMBER)
    def create_trial(self, pick: int, state: TrialState, attr: Any, value: float) -> None:
        """A new trial, from nothing or from a template in any state."""
        keys = self.studies[pick % len(self.studies)]
        template = None
        if state != TrialState.RUNNING:
            n = len(self.ours.get_study_directions(keys[0]))
            template = create_trial(
                state=state,
                values=[value] * n if state == TrialState.COMPLETE else None,
                user_attrs={"u": attr},
                intermediate_values={3: value},
            )
        ours = self.ours.create_new_trial(keys[0], template)
        self.trials.append((ours, self.model.create_new_trial(keys[1], template)))

    @precondition(lambda self: self.trials)
    @rule(pick=PICK, name=st.sampled_from(sorted(PARAMS)), unit=st.floats(0, 1))
    def set_param(self, pick: int, name: str, unit: float) -> None:
        """A parameter of any kind."""
        internal = {"lr": 1e-4 + 0.9 * unit, "units": 1 + int(63 * unit), "opt": int(2.9 * unit)}
        keys = self.trials[pick % len(self.trials)]
        self.both(keys, "set_trial_param", name, float(internal[name]), PARAMS[name])

    @precondition(lambda self: self.trials)
    @rule(pick=PICK, step=st.integers(0, 3), value=NUMBER)
    def report(self, pick: int, step: int, value: float) -> None:
        """An intermediate value, new or in place of another."""
        keys = self.trials[pick % len(self.trials)]
        self.both(keys, "set_trial_intermediate_value", step, value)

    @precondition(lambda self: self.trials)
    @rule(pick=PICK, kind=st.sampled_from(["user", "system"]), value=JSON)
    def set_trial_attr(self, pick: int, kind: str, value: Any) -> None:
        """An attribute of a trial."""
        self.both(self.trials[pick % len(self.trials)], f"set_trial_{kind}_attr", "k", value)

    @precondition(lambda self: self.studies)
    @rule(pick=PICK, kind=st.sampled_from(["user", "system"]), value=JSON)
    def set_study_attr(self, pick: int, kind: str, value: Any) -> None:
        """An attribute of a study."""
        self.both(self.studies[pick % len(self.studies)], f"set_study_{kind}_attr", "k", value)

    @precondition(lambda self: self.trials)
    @rule(pick=PICK, state=st.sampled_from(TrialState), value=NUMBER)
    def set_state(self, pick: int, state: TrialState, value: float) -> None:
        """Another state, or the same refusal."""
        values = [value] if state == TrialState.COMPLETE else None
        keys = self.trials[pick % len(self.trials)]
        self.both(keys, "set_trial_state_values", state, values)

    @precondition(lambda self: self.studies)
    @rule(pick=PICK, value=NUMBER)
    def fail_in_unit(self, pick: int, value: float) -> None:
        """A unit that raises changes nothing."""
        study_id = self.studies[pick % len(self.studies)][0]
        try:
            with self.ours.unit():
                trial_id = self.ours.create_new_trial(study_id)
                self.ours.set_study_user_attr(study_id, "k", value)
                for ours, _ in self.trials:
                    if not self.ours.get_trial(ours).state.is_finished():
                        self.ours.set_trial_intermediate_value(ours, 0, value)
                        self.ours.set_trial_state_values(ours, TrialState.FAIL)
                self.ours.set_trial_state_values(trial_id, TrialState.COMPLETE, [value])
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass

    @rule()
    def reopen(self) -> None:
        """The storage is closed; another goes on."""
        self.ours.close()
        self.ours = open_storage(self.url)

    @invariant()
    def agrees(self) -> None:
        """Every study reads the same from memory as from the model."""
        for ours, model in getattr(self, "studies", ()):
            mine, theirs = self.ours.get_all_trials(ours), self.model.get_all_trials(model)
            assert [described(t) for t in mine] == [described(t) for t in theirs]
            for kind in ("user", "system"):
                self.both((ours, model), f"get_study_{kind}_attrs")
            # Optuna's own storage in memory overlooks a trial that went back to waiting.
            n_waiting = sum(trial.state == TrialState.WAITING for trial in theirs)
            assert self.ours.get_n_trials(ours, TrialState.WAITING) == n_waiting


TestStorageMachine = StorageMachine.TestCase
TestStorageMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
