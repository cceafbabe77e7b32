"""A trial is trained again from what is stored of it, and compared figure by figure."""

from __future__ import annotations

import json
from typing import Any

import optuna
import pytest
import sqlalchemy
from stubs import StubTrainer

import tuner
from search_spaces import Float, Space
from tuner.errors import InputError
from tuner.replaying import largest_difference


def launch_stub(url: str, **keys: Any) -> tuner.Study:
    """A study of the stub trainer, inline."""
    given = {"trials": 8, "slots": 3, "sampler": {"name": "random"}, "study": "s"} | keys
    return tuner.launch(StubTrainer, storage=url, inline=True, **given)


def change(url: str, statement: str) -> None:
    """Changes the database behind everybody's back."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement))
    engine.dispose()


@pytest.mark.parametrize(("trainer", "data"), [("mlp", "iris"), ("gan", "ring")])
def test_every_trial_of_a_trainer_is_had_again_bit_for_bit(
    url: str, trainer: str, data: str
) -> None:
    """Complete and pruned trials that trained in company come out identical alone."""
    study = tuner.launch(trainer, data=data, trials=5, epochs=2, storage=url, inline=True, slots=3)
    found = [study.replay(trial.number) for trial in study.trials]
    assert [replay.verdict for replay in found] == ["identical"] * 5
    assert all(replay.n_figures > replay.n_steps > 0 for replay in found)
    assert study.counts["COMPLETE"] > 0


def test_a_pruned_trial_is_trained_as_far_as_it_came(url: str) -> None:
    """No epoch is compared that the trial did not train."""
    study = launch_stub(url, trials=12)
    pruned = next(trial for trial in study.trials if trial.state.name == "PRUNED")
    replay = study.replay(pruned.number)
    assert (replay.verdict, replay.n_steps) == ("identical", pruned.last_step)


def test_another_value_is_found_where_it_is(url: str) -> None:
    """A stored value that was changed is named with its epoch and both figures."""
    launch_stub(url, pruner="none")
    change(url, "UPDATE trial_intermediate_values SET intermediate_value = 7 "
                "WHERE trial_id = 2 AND step = 3")  # fmt: skip
    study = tuner.load("s", storage=url)
    replay = study.replay(1, objective=StubTrainer)
    assert replay.verdict == "different"
    assert replay.largest is not None
    assert (replay.largest.step, replay.largest.name, replay.largest.stored) == (3, "loss", 7.0)
    assert study.replay(0, objective=StubTrainer).verdict == "identical"


def test_rounding_is_told_from_a_difference(url: str) -> None:
    """A value that is off by a millionth of itself is the same but for rounding."""
    launch_stub(url, pruner="none")
    change(url, "UPDATE trial_intermediate_values SET intermediate_value = "
                "intermediate_value * 1.000001 WHERE trial_id = 1")  # fmt: skip
    replay = tuner.load("s", storage=url).replay(0, objective=StubTrainer)
    assert replay.verdict == "rounding"
    assert replay.largest is not None
    assert 0.5e-6 < replay.largest.relative < 2e-6


def test_what_differs_in_the_environment_is_named(url: str) -> None:
    """Another version of torch, processor and data are given as reasons, those first."""
    study = launch_stub(url, pruner="none")
    stored = dict(study.record().environment)
    stored["packages"] = {**stored["packages"], "torch": "1.0"}
    stored["machine"] = {**stored["machine"], "cpu": "Z80"}
    stored |= {"data_fingerprint": "abc", "python": "2.7"}
    text = json.dumps(stored).replace("'", "''").replace(":", r"\:")
    change(url, f"UPDATE tuner_studies SET environment_json = '{text}'")
    change(url, "UPDATE trial_intermediate_values SET intermediate_value = 7 WHERE step = 3")
    reasons = tuner.load("s", storage=url).replay(0, objective=StubTrainer).reasons
    assert {reason.split()[0] for reason in reasons[:3]} == {
        "data_fingerprint",
        "packages.torch",
        "machine.cpu",
    }
    assert any(reason.startswith("python 2.7, now ") for reason in reasons[3:])


def test_without_another_cause_the_code_is_suspected(url: str) -> None:
    """In the same environment a difference is put down to the code."""
    launch_stub(url, pruner="none")
    change(url, "UPDATE trial_intermediate_values SET intermediate_value = 7 WHERE step = 3")
    (reason,) = tuner.load("s", storage=url).replay(0, objective=StubTrainer).reasons
    assert "the code may not be" in reason


@pytest.mark.parametrize("kind", ["nan", "boom"])
def test_a_failed_trial_fails_again(url: str, kind: str) -> None:
    """A loss that was not finite is so again; an error is raised again and told."""
    study = launch_stub(url, trials=2, space=Space.from_plain({"kind": kind}), pruner="none")
    assert study.counts["FAIL"] == 2
    replay = study.replay(0)
    assert replay.verdict == "identical"
    assert (replay.error is not None) == (kind == "boom")


def test_a_function_is_called_again_with_its_parameters(url: str) -> None:
    """Values, steps, number and earlier trials are those of the first time."""

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -1.0, 1.0)
        for step in range(4):
            trial.report(x**2 + 1 / (step + 1), step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return x + trial.number + len(trial.study.trials)

    study = tuner.launch(
        objective, trials=12, storage=url, inline=True,
        pruner={"name": "median", "n_startup_trials": 2},
    )  # fmt: skip
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED"}
    for trial in study.trials:
        replay = study.replay(trial.number)
        assert (replay.verdict, replay.reasons) == ("identical", ())


def test_a_function_that_draws_by_itself_comes_out_otherwise(url: str) -> None:
    """The difference of what it returned is told, and that a function may draw."""
    calls: list[float] = []

    def train(params: dict[str, float], report: Any) -> float:
        calls.append(params["x"])
        return params["x"] + len(calls)

    study = tuner.launch(train, space=Space(x=Float(0, 1)), trials=2, storage=url, inline=True)
    replay = study.replay(0)
    assert calls[2] == calls[0]
    assert replay.verdict == "different"
    assert replay.largest is not None
    assert replay.largest.step is None
    assert "a function may draw" in replay.reasons[-1]


def test_a_trial_of_another_process_has_no_replay(url: str) -> None:
    """A trial that a plain Optuna process told was not run here, and neither is one unknown."""
    study = launch_stub(url)
    optuna.load_study(study_name="s", storage=url).add_trial(optuna.trial.create_trial(value=1.0))
    study = tuner.load("s", storage=url)
    with pytest.raises(InputError, match="was not run by this study"):
        study.replay(8, objective=StubTrainer)
    with pytest.raises(InputError, match="0 to 8"):
        study.replay(9, objective=StubTrainer)
    optuna.create_study(study_name="theirs", storage=url)
    with pytest.raises(InputError, match="not made by tuner"):
        tuner.load("theirs", storage=url).replay(0)


def test_the_largest_difference_is_relative() -> None:
    """Of 1 for 1000 and 0.1 for 0.2 the second is larger; a lost number is largest of all."""
    stored = {(1, "a"): 1000.0, (2, "a"): 0.2}
    found = largest_difference(stored, {(1, "a"): 999.0, (2, "a"): 0.1})
    assert found is not None
    assert found.step == 2
    found = largest_difference(stored, {(1, "a"): float("nan"), (2, "a"): 0.1})
    assert found is not None
    assert found.step == 1
    nan = {(1, "a"): float("nan")}
    assert largest_difference(nan, nan) is None
