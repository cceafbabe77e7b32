"""Studies of a perceptron by loss, class weights and objective, from the call to the figures."""

from __future__ import annotations

from typing import Any

import pytest

import tuner
from tuner.errors import InputError


def launch(url: str, data: str, space: dict[str, Any], **keys: Any) -> tuner.Study:
    """A study of few short trials, inline."""
    given = {"trials": 6, "epochs": 3, "sampler": "random", "pruner": "none", "study": "s"} | keys
    return tuner.launch("mlp", data=data, space=space, storage=url, inline=True, **given)


CHOICES = {
    "breast_cancer": ["cross_entropy", "logistic", "hinge", "mse", "kl"],
    "iris": ["cross_entropy", "logistic", "hinge", "mse", "kl"],
    "diabetes": ["mse", "mae", "msle", "mape"],
}


@pytest.mark.parametrize("data", CHOICES)
def test_losses_are_tuned(url: str, data: str) -> None:
    """Binary, multiclass and regression: every loss is tried, each trial ends with a value."""
    loss = {"type": "categorical", "choices": CHOICES[data]}
    space = {"loss": loss, "optimizer": "adam", "learning_rate": 0.01}
    study = launch(url, data, space, trials=len(CHOICES[data]))
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
    assert {trial.params["loss"] for trial in study.trials} <= set(CHOICES[data])


def test_a_loss_that_does_not_fit_is_named_with_those_that_do(url: str) -> None:
    """Nothing is started; every mistake is told at once."""
    with pytest.raises(InputError) as refused:
        launch(url, "diabetes", {"loss": "hinge", "class_weights": "balanced"})
    assert refused.value.problems == (
        "space.loss: must be among 'mse', 'mae', 'msle', 'mape', got 'hinge'",
        "space.class_weights: must be among 'none', got 'balanced'",
    )


OBJECTIVES = {
    "breast_cancer": ["validation_accuracy", "validation_macro_f1", "validation_auroc"],
    "diabetes": ["validation_rmse", "validation_mae", "validation_r2"],
}


@pytest.mark.parametrize("data", OBJECTIVES)
def test_every_objective_can_be_tuned(url: str, data: str) -> None:
    """The figures of a task are values of its trials, beside what a trial costs."""
    costs = ["n_parameters", "training_time", "inference_latency"]
    study = launch(
        url, data, {"learning_rate": 1e-3}, objectives=OBJECTIVES[data] + costs, trials=3, epochs=2
    )
    assert all(len(trial.values) == 6 for trial in study.trials)
    table = study.frame()
    assert (table[costs] > 0).all().all()
    assert study.best_trials


def test_a_replay_leaves_out_what_a_clock_measured(url: str) -> None:
    """Times differ from run to run; all else of the trial comes out bit for bit."""
    objectives = ["validation_loss", "training_time", "inference_latency", "n_parameters"]
    study = launch(url, "iris", {}, objectives=objectives, trials=2)
    found = study.replay(1)
    assert found.verdict == "identical"
    assert found.n_figures >= 3 * 2


def test_an_unknown_objective_is_named_with_those_of_the_task(url: str) -> None:
    """A figure of classes is none of numbers."""
    with pytest.raises(InputError, match=r"unknown objective 'validation_auroc'.*validation_mae"):
        launch(url, "diabetes", {}, objectives=["validation_auroc"])
