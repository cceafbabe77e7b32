"""Trials with several objectives are judged by all of them, rung by rung."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from history import check_history
from ledger_bench import Bench, undisturbed
from optuna.trial import FrozenTrial, TrialState
from stubs import StubCohort, StubTrainer, curve

from trials.contract import Objective, Progress
from trials.state_file import read_state
from tuner.seeds import trial_seed
from tuner.spec import spec_from_mapping
from tuner.study import launch_spec

AGREEING: dict[str, Any] = {"objectives": ["loss", "gain"], "pruner": {"name": "asha"}}
"""The stub's gain is its negative loss, and is to be large."""

OPPOSED: dict[str, Any] = {"objectives": ["loss", {"name": "gain", "direction": "minimize"}]}
"""What lessens one raises the other, so that no trial dominates another."""


def run(bench: Bench) -> list[FrozenTrial]:
    """The trials once the study is over."""
    ledger = bench.ledger()
    bench.lane(ledger).run()
    ledger.close()
    return bench.storage.get_all_trials(bench.study_id)


def test_objectives_that_agree_prune_as_one(url: str, tmp_path: Path) -> None:
    """The same trials are pruned, at the same epochs, as by the first objective alone."""
    endings = []
    for name, keys in (("one", {}), ("two", AGREEING)):
        bench = Bench(f"sqlite:///{tmp_path}/{name}.db", tmp_path / name, trials=30, **keys)
        trials = run(bench)
        figures = bench.storage.records.metrics(bench.study_id)
        last = {t.number: 0 for t in trials}
        for figure in figures:
            number = bench.storage.get_trial(figure.trial_id).number
            last[number] = max(last[number], figure.step)
        endings.append([(t.state, last[t.number]) for t in trials])
        bench.storage.close()
    assert endings[0] == endings[1]
    assert {state for state, _ in endings[0]} == {TrialState.COMPLETE, TrialState.PRUNED}


def test_trials_that_none_dominates_all_complete(url: str, tmp_path: Path) -> None:
    """Where every trial is on the front, none is stopped."""
    bench = Bench(url, tmp_path, **OPPOSED)
    assert {trial.state for trial in run(bench)} == {TrialState.COMPLETE}
    bench.storage.close()


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_samplers_go_on_after_pruned_trials(sampler: str, url: str, tmp_path: Path) -> None:
    """Pruned trials have neither a value nor intermediate ones; their figures are metrics."""
    options = {"tpe": {"n_startup_trials": 4}, "nsga2": {"population_size": 6}}.get(sampler, {})
    keys = AGREEING | {"sampler": {"name": sampler, **options}, "trials": 30}
    bench = Bench(url, tmp_path, **keys)
    trials = run(bench)
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert len(pruned) >= len(trials) / 2
    for trial in pruned:
        assert (trial.values, trial.intermediate_values) == (None, {})
        named = {m.name for m in bench.storage.records.metrics(bench.study_id, trial._trial_id)}
        assert named == {"loss", "gain"}
    decided = [d for d in bench.storage.records.decisions(bench.study_id) if d.action == "pruned"]
    assert {d.trial_id for d in decided} == {t._trial_id for t in pruned}
    assert all("on better fronts at rung" in (d.reason or "") for d in decided)
    bench.storage.close()
    check_history(url, "s", n_trials=30)


@pytest.mark.parametrize(("n_turns", "sampler"), [(2, "nsga2"), (3, "tpe"), (8, "tpe")])
def test_a_killed_study_is_as_if_it_was_not(
    n_turns: int, sampler: str, url: str, tmp_path: Path
) -> None:
    """Rungs are filled again from the stored metrics, so that decisions and asks stay the same."""
    options = {"tpe": {"n_startup_trials": 4}, "nsga2": {"population_size": 6}}[sampler]
    kinds = {"type": "categorical", "choices": ["a", "b", "nan"]}
    keys = AGREEING | {
        "sampler": {"name": sampler, **options},
        "trials": 24,
        "n_slots": 5,
        "space": {"kind": kinds},
    }
    expected = undisturbed(tmp_path, **keys)
    assert {row[1] for row in expected} == {"COMPLETE", "PRUNED", "FAIL"}
    bench = Bench(url, tmp_path / "broken", **keys)
    for life in count():
        ledger = bench.ledger()
        lane = bench.lane(ledger, session=f"s{life}", every_s=0.0)
        lane.start()
        if not all(lane.turn() for _ in range(n_turns)) or bench.is_over:
            break
        bench.storage.records.release(bench.study_id, bench.owner)
    ledger.close()
    assert bench.rows() == expected
    bench.storage.close()
    check_history(url, "s", n_trials=24)


class FlatCohort(StubCohort):
    """Rows with a figure that never changes."""

    def advance(self) -> list[Progress]:
        told = super().advance()
        return [replace(p, metrics={**p.metrics, "flat": 1.0}) for p in told]


class FlatTrainer(StubTrainer):
    """A stub whose first objective is the same at every epoch."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("flat", "minimize"), Objective("gain", "minimize"))

    def cohort(self, structure: object) -> FlatCohort:
        return FlatCohort()


def test_the_next_objective_decides_between_epochs_that_the_first_finds_equal(url: str) -> None:
    """The gain rises, so that its least one is the first epoch's: values and weights are."""
    spec = spec_from_mapping(
        {"data": "iris", "trials": 3, "value": "best", "storage": url, "study": "s"}
        | {"objectives": ["flat", "gain"], "pruner": {"name": "none"}}
    )
    study = launch_spec(spec, objective=FlatTrainer, inline=True)
    files = list(study.artifacts.glob("weights/*"))
    assert [int(read_state(file)["epoch"]) for file in files] == [1] * len(files) != []
    for trial in study.trials:
        assert trial.values == [1.0, -curve(trial.params, trial_seed(0, trial.number), 1)]
