"""What the report says of a study that was run, against what Optuna reads from its database."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

import tuner
from tuner.report import StudyRecord, facts, progress_data, space_data, spread_data
from tuner.report.html import document
from tuner.report.parameter_data import slices
from tuner.report.standing import standing
from tuner.report.text import number


def objective(trial: optuna.Trial) -> float:
    """Halves its distance from 0.3 at each step; fails on one side."""
    x = trial.suggest_float("x", 0.0, 1.0)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    if x > 0.85:
        raise ValueError("x is too large: nothing to be done")
    for step in range(1, 5):
        value = abs(x - 0.3) + 0.1 * (kind == "b") + 1 / (step + 1)
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


@dataclass(frozen=True)
class Told:
    """A study as the report has it and as Optuna reads it."""

    record: StudyRecord
    study: tuner.Study
    trials: list[FrozenTrial]

    def of(self, state: TrialState) -> list[FrozenTrial]:
        """Optuna's trials in that state."""
        return [trial for trial in self.trials if trial.state is state]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A study of 40 trials, some pruned and some failed."""
    url = f"sqlite:///{tmp_path_factory.mktemp('told') / 'tuner.db'}"
    study = tuner.launch(
        objective,
        trials=40,
        storage=url,
        inline=True,
        study="told",
        sampler={"name": "random"},
        pruner={"name": "median", "n_startup_trials": 4},
    )
    trials = optuna.load_study(study_name="told", storage=url).trials
    return Told(study.record(), study, trials)


def test_counts_and_reasons(told: Told) -> None:
    """Trials by state, why they failed, and at which step they were pruned."""
    counts = facts.state_counts(told.record)
    for state in TrialState:
        assert counts[state.name] == len(told.of(state))
    failed = len(told.of(TrialState.FAIL))
    assert failed > 0
    assert sum(n for _, n in facts.failure_counts(told.record)) == failed
    pruned = told.of(TrialState.PRUNED)
    last = [max(trial.intermediate_values) for trial in pruned]
    assert pruned
    assert dict(facts.stop_counts(told.record)) == {step: last.count(step) for step in set(last)}


def test_best_and_its_lead(told: Told) -> None:
    """The best trial, its parameters, the next best and their distance."""
    complete = sorted(told.of(TrialState.COMPLETE), key=lambda trial: trial.value or 0)
    best = told.record.best_trial
    assert best is not None
    assert (best.number, best.params) == (complete[0].number, complete[0].params)
    assert best.values == (complete[0].value,)
    found = standing(told.record)
    assert found is not None
    assert [r.number for r in found.rivals] == [trial.number for trial in complete[1:4]]
    assert found.rivals[0].distance == abs((complete[1].value or 0) - (complete[0].value or 0))
    assert found.n_after == 39 - best.number


def test_history_and_curves(told: Told) -> None:
    """Marks stand at the stored values, curves are the stored intermediate values."""
    data = progress_data.history(told.record)
    complete = told.of(TrialState.COMPLETE)
    assert data.complete.numbers == tuple(trial.number for trial in complete)
    assert data.complete.values == tuple(trial.value for trial in complete)
    curves = progress_data.curves(told.record)
    drawn = {curve.number: curve for curve in (*curves.curves, curves.best) if curve is not None}
    for trial in told.trials:
        if trial.intermediate_values:
            curve = drawn[trial.number]
            pairs = dict(zip(curve.steps, curve.values, strict=True))
            assert pairs == trial.intermediate_values
    for rung in curves.rungs:
        reached = [t for t in told.trials if max(t.intermediate_values, default=0) >= rung.step]
        assert rung.n_came == len(reached)


def test_times(told: Told) -> None:
    """Each bar of the timeline lasts as long as its trial."""
    by_number = {trial.number: trial for trial in told.trials}
    for bar in progress_data.timeline(told.record).bars:
        length = by_number[bar.number].duration
        assert length is not None
        assert bar.end_s - bar.start_s == pytest.approx(length.total_seconds(), abs=1e-6)


def test_parameters(told: Told) -> None:
    """Slices, the space and the distribution of results hold every stored value."""
    by_number = {trial.number: trial for trial in told.trials}
    for part in slices(told.record).slices:
        for trial, place in zip(part.numbers, part.places, strict=True):
            value = by_number[trial].params[part.axis.name]
            assert part.axis.position(value) == place
    for found in space_data.ranges(told.record).ranges:
        assert len(found.tried) == 40
    (part,) = spread_data.distributions([told.record]).parts
    assert set(part.values) == {trial.value for trial in told.of(TrialState.COMPLETE)}


def test_the_page_shows_these_numbers(told: Told, tmp_path: Path) -> None:
    """The best value, the counts and the commands that are pasted stand in the page."""
    page = html.unescape(re.sub(r"<[^>]*>", " ", document([told.record])))
    words = " ".join(page.split())
    best = told.study.best_trial
    assert best.value is not None
    assert f"value {number(best.value)}" in words
    for state, name in ((TrialState.COMPLETE, "complete"), (TrialState.PRUNED, "pruned")):
        assert f"{name} {len(told.of(state))} " in words
    given = f"--storage {told.study.storage} --objective MODULE:NAME"
    assert f"tuner resume {given} told " in words
    assert f"tuner replay {given} told {best.number} " in words


def test_a_notebook_shows_the_first_screen(told: Told) -> None:
    """The rich form of a study holds its best value and counts, and no script."""
    shown = told.study._repr_html_()
    assert number(told.study.best_trial.value or 0) in shown
    assert "Best trial" in shown
    assert "<script" not in shown
