"""Memory that runs out costs a trial an attempt, its neighbours nothing, and the study goes on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import optuna
import pytest
import torch
from crashes import N_TRIALS, launch, trials_of
from history import check_history
from stubs import StubCohort, StubTrainer

import tuner
from trials.contract import Progress
from tuner.storage import Attempt, open_storage


def on_the_device() -> None:
    """What torch raises when a GPU has no room."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def on_the_host() -> None:
    """What torch raises when this machine has no room: asked for a petabyte, it really does."""
    torch.empty(2**50, dtype=torch.uint8)


def in_python() -> None:
    """What Python raises."""
    bytearray(2**60)


def greedy(run_out: Callable[[], None], is_too_much: Callable[[StubCohort], bool]) -> Any:
    """A trainer whose cohorts run out of memory where `is_too_much` says so."""

    class Greedy(StubCohort):
        """Needs memory for each epoch."""

        def advance(self) -> list[Progress]:
            if is_too_much(self):
                run_out()
            return super().advance()

    class GreedyTrainer(StubTrainer):
        """Has such cohorts."""

        def cohort(self, structure: object) -> StubCohort:
            return Greedy()

    return GreedyTrainer


def attempts_of(url: str, trial: int) -> list[Attempt]:
    """The attempts at the trial with that number."""
    storage = open_storage(url)
    study_id = storage.get_study_id_from_name("s")
    ids = {t.number: t._trial_id for t in storage.get_all_trials(study_id)}
    found = [a for a in storage.records.attempts(study_id) if a.trial_id == ids[trial]]
    storage.close()
    return found


def test_a_cohort_without_room_shrinks_and_nobody_is_charged(
    url: str, undisturbed: list[Any]
) -> None:
    """Rows that had to leave are trained later, as if nothing had been; no retry is used up."""
    trainer = greedy(on_the_device, lambda cohort: len(cohort.rows) > 1)
    study = launch(url, trainer, max_retries=0)
    check_history(url, "s", n_trials=N_TRIALS)
    values = [(t.params, t.intermediate_values) for t in study.trials if t.state.name == "COMPLETE"]
    assert values
    known = {tuple(params.items()): curve for _, _, params, curve in undisturbed}
    for params, curve in values:
        epochs = known[tuple(params.items())]
        assert {epoch: curve[epoch] for epoch in epochs} == epochs
    assert study.counts["FAIL"] == 0
    ended = [a for n in range(N_TRIALS) for a in attempts_of(url, n)]
    assert {a.reason for a in ended if a.outcome == "interrupted"} == {"memory ran out in its lane"}
    assert not [a for a in ended if a.outcome == "lost"]


@pytest.mark.parametrize(("run_out", "slots"), [(on_the_host, 1), (on_the_device, 4)])
def test_a_trial_without_room_is_tried_again_alone_and_then_fails(
    url: str, run_out: Callable[[], None], slots: int
) -> None:
    """The one trial that never fits is FAIL (oom) after a second attempt; the others end well."""
    company: list[int] = []

    def is_too_much(cohort: StubCohort) -> bool:
        large = [row for row in cohort.rows.values() if row.key == 6]
        company.extend(len(cohort.rows) for _ in large)
        return bool(large)

    trainer, one_stack = greedy(run_out, is_too_much), {"kind": "a"}
    study = launch(url, trainer, slots=slots, space=one_stack, max_retries=0)
    check_history(url, "s", n_trials=N_TRIALS)
    ((number, reason, _),) = study.failures()
    assert reason == "oom"
    assert company[0] == slots
    assert company[-1] == 1
    assert all(after <= max(1, before // 2) for before, after in pairwise(company))
    tried = attempts_of(url, number)
    assert [a.outcome for a in tried] == ["interrupted"] * (len(company) - 1) + ["failed"]
    assert len(company) > 1


def test_a_function_without_room_is_called_again_and_then_fails(url: str) -> None:
    """One that fits at the second call is complete, and holds what that call reported alone."""
    calls: list[int] = []

    def objective(trial: optuna.Trial) -> float:
        calls.append(trial.number)
        trial.report(float(len(calls)), 0)
        if trial.number == 3 or (trial.number == 1 and calls.count(1) == 1):
            in_python()
        return float(len(calls))

    study = tuner.launch(objective, trials=5, storage=url, inline=True, study="s", max_retries=0)
    check_history(url, "s", n_trials=5)
    assert calls == [0, 1, 1, 2, 3, 3, 4]
    assert [(number, reason) for number, reason, _ in study.failures()] == [(3, "oom")]
    assert study.trials[1].intermediate_values == {0: 3.0}
    assert [a.outcome for a in attempts_of(url, 1)] == ["interrupted", "complete"]
    assert len(trials_of(url)) == 5
