"""Rows that stop by themselves before their budget: their slot, their value, their replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from history import check_history
from ledger_bench import Bench
from optuna.trial import TrialState
from stubs import EARLY_EPOCH, Direct

import tuner
from trials.state_file import read_state
from tuner.retraining import trained_state

ALL_EARLY = {"kind": "early"}
EPOCHS = 9


def finished(bench: Bench) -> Direct:
    """The bench's study is over; what its lane and its ledger said to each other."""
    ledger = bench.ledger()
    connection = Direct(ledger)
    bench.lane(ledger, connection=connection).run()
    ledger.close()
    return connection


def test_a_slot_is_refilled_when_its_row_stops_by_itself(url: str, tmp_path: Path) -> None:
    """Twelve trials of three epochs in four slots: the answer to a last report fills the slot."""
    bench = Bench(url, tmp_path, space=ALL_EARLY, pruner="none", epochs=EPOCHS)
    talk = finished(bench)
    for turn, answer in zip(talk.turns[:-1], talk.answers[:-1], strict=True):
        n_ended = sum(report.is_final for report in turn.reports)
        assert turn.n_free == n_ended
        assert len(answer.trials) == n_ended
    assert len(talk.turns) == 3 * (EARLY_EPOCH + 1) < 3 * EPOCHS
    bench.storage.close()
    check_history(bench.url, "s", n_trials=12)


def test_no_slot_is_given_twice(url: str, tmp_path: Path) -> None:
    """With early and pruned rows side by side the lane never gets more trials than slots."""
    kinds = {"kind": {"type": "categorical", "choices": ["a", "early"]}}
    bench = Bench(url, tmp_path, space=kinds, trials=30, epochs=EPOCHS)
    talk = finished(bench)
    assert not any(turn.returned for turn in talk.turns)
    assert max(sum(turn.stacks.values()) for turn in talk.turns) == 4
    bench.storage.close()
    check_history(bench.url, "s", n_trials=30)


@pytest.mark.parametrize(("value", "epoch"), [("last", EARLY_EPOCH), ("best", 1)])
def test_its_value_is_by_the_rule_of_the_study(
    url: str, tmp_path: Path, value: str, epoch: int
) -> None:
    """COMPLETE with the value of its last or best epoch, and no value after it stopped."""
    objectives = [{"name": "loss", "direction": "maximize"}]  # it falls: the first is best
    bench = Bench(url, tmp_path, space=ALL_EARLY, value=value, objectives=objectives)
    finished(bench)
    trials = bench.storage.get_all_trials(bench.study_id)
    bench.storage.close()
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    assert complete
    for trial in complete:
        assert list(trial.intermediate_values) == [*range(1, EARLY_EPOCH + 1)]
        assert trial.value == trial.intermediate_values[epoch]


def test_it_counts_at_no_rung_that_it_did_not_reach(url: str, tmp_path: Path) -> None:
    """Rung 4 compares the trials that trained four epochs, not those that stopped after three."""
    kinds = {"kind": {"type": "categorical", "choices": ["a", "early"]}}
    pruner = {"name": "asha", "reduction_factor": 2, "min_resource": 4}
    bench = Bench(url, tmp_path, space=kinds, trials=24, pruner=pruner, epochs=EPOCHS)
    finished(bench)
    trials = bench.storage.get_all_trials(bench.study_id)
    decisions = bench.storage.records.decisions(bench.study_id)
    bench.storage.close()
    n_reached = sum(4 in trial.intermediate_values for trial in trials)
    compared = [d for d in decisions if d.rung == 4]
    assert 4 < n_reached < 24
    assert len(compared) == n_reached
    assert f" of {n_reached} better at rung" in str(compared[-1].reason)


def launch(url: str, **keys: Any) -> tuner.Study:
    """A study of perceptrons that stop after two epochs without a gain, inline."""
    space = {"early_stopping_patience": 2, "learning_rate": 0.4, "optimizer": "adam"}
    given: dict[str, Any] = {
        "trials": 4,
        "epochs": 30,
        "slots": 2,
        "pruner": "none",
        "sampler": "random",
    }
    return tuner.launch(
        "mlp", data="iris", space=space, storage=url, inline=True, study="s", **(given | keys)
    )


def test_perceptrons_free_their_slots_and_replay(url: str) -> None:
    """Each trial ends before its budget, two epochs after its best, and comes out again so."""
    study = launch(url)
    for trial in study.trials:
        values = trial.intermediate_values
        assert trial.state is TrialState.COMPLETE
        assert max(values) < 30
        assert trial.value == values[max(values)]
        best = min(values, key=lambda epoch: values[epoch])
        assert max(values) - best >= 2
        again = study.replay(trial.number)
        assert (again.verdict, again.n_steps) == ("identical", max(values))
    turns = sum(trial.last_step or 0 for trial in study.trials)
    assert turns < 2 * 30


def test_weights_are_those_of_its_last_epoch(url: str, tmp_path: Path) -> None:
    """The lane keeps the state in which the row stopped; training it anew gives the same."""
    bench = Bench(url, tmp_path, space=ALL_EARLY, epochs=EPOCHS, trials=1)
    finished(bench)
    (trial,) = bench.storage.get_all_trials(bench.study_id)
    bench.storage.close()
    assert read_state(bench.plan.weights(trial.number))["epoch"] == EARLY_EPOCH
    assert trained_state(bench.resolved, trial)["epoch"] == EARLY_EPOCH
