"""The linear trainer: rows against plain torch, and the lines and odds that it finds."""

import numpy as np
import pytest
import torch
from plain_perceptron import plain_curve
from safetensors.torch import load_file
from sklearn.linear_model import Ridge

import tuner
from search_spaces import Space
from search_spaces.domains import outside
from trials.contract import Row
from trials.data import load
from trials.data.synthetic import INTERCEPT, SLOPE
from trials.networks.linear import DOMAIN, Linear

EPOCHS = 4
SMALL = {"batch_size": 16, "learning_rate": 0.05}
MIX = [
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "l2": 0.1},
    {"optimizer": "adagrad", "l1": 0.01},
    {"optimizer": "rmsprop", "learning_rate": 0.005},
    {"optimizer": "adam", "schedule": "cosine"},
    {"optimizer": "adamw", "l2": 0.1},
    {"optimizer": "adadelta", "learning_rate": 1.0},
    {"initializer": "orthogonal", "initial_scale": 0.5},
]


@pytest.mark.parametrize("name", ["classes_data", "numbers_data"])
def test_rows_of_a_mix_equal_plain_torch(request, name):
    """Side by side, every row follows torch.nn.Linear under its own optimizer to 1e-9."""
    data = request.getfixturevalue(name)
    trainer = Linear(data, dtype=torch.float64)
    rows = [Row(key, SMALL | changes, 50 + key, EPOCHS) for key, changes in enumerate(MIX)]
    cohort = trainer.cohort(trainer.structure(SMALL))
    cohort.admit(rows)
    starts = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    curves = {row.key: [] for row in rows}
    for _ in range(EPOCHS):
        for progress in cohort.advance():
            curves[progress.key].append(progress.metrics["validation_loss"])
    unit = trainer.task.scale**2
    for row, start in zip(rows, starts, strict=True):
        weights = {f"0.{part}": tensor for part, tensor in start.items()}
        params = {**row.params, "layers": 0, "units": 1}
        expected, network = plain_curve(data, params, weights, row)
        assert curves[row.key] == pytest.approx([loss * unit for loss in expected], rel=1e-9)
        found = trainer.weights(cohort.save(row.key), row.params)
        assert list(found) == ["weight", "bias"]
        for part, tensor in network[0].state_dict().items():
            torch.testing.assert_close(found[part], tensor, rtol=1e-7, atol=1e-9)


def test_a_study_finds_the_line(url, tmp_path):
    """The best of a few trials has the slope and the intercept of the noisy line within 2 %."""
    study = tuner.launch("linear", trials=12, storage=url, inline=True, study="line")
    (saved,) = study.save_best(tmp_path / "best")
    trainer = Linear(load("noisy_line", seed=study.spec.split_seed))
    weights = load_file(saved.folder / "weights.safetensors")
    slopes, intercepts = trainer.coefficients(weights, saved.params)
    assert float(slopes) == pytest.approx(SLOPE, rel=0.02)
    assert float(intercepts) == pytest.approx(INTERCEPT, rel=0.02)


@pytest.mark.parametrize("scaling", ["standardize", "minmax", "zca"])
def test_coefficients_predict_in_own_units(numbers_data, scaling):
    """Slopes and intercept on raw inputs have the mean squared error that the row measured."""
    trainer, params = Linear(numbers_data), SMALL | {"l2": 0.01, "input_scaling": scaling}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 3, 5)])
    measured = cohort.advance()[0].metrics["validation_loss"]
    slopes, intercepts = trainer.coefficients(trainer.weights(cohort.save(0), params), params)
    part = numbers_data.validation
    predicted = torch.as_tensor(part.x).double() @ slopes[0] + intercepts
    errors = predicted - torch.as_tensor(part.y)
    assert float(errors.square().mean()) == pytest.approx(measured, rel=1e-5)


def test_points_of_unit_norm_have_no_coefficients(numbers_data):
    """What divides each point by its own length is not linear, and the refusal says so."""
    trainer, params = Linear(numbers_data), SMALL | {"input_scaling": "unit_norm"}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 3, 1)])
    with pytest.raises(ValueError, match="must not be unit_norm for coefficients"):
        trainer.coefficients(trainer.weights(cohort.save(0), params), params)


def test_a_study_of_diabetes_is_as_good_as_ridge(url):
    """The best trial explains the test part as well as the best ridge of scikit-learn does."""
    study = tuner.launch("linear", data="diabetes", trials=30, storage=url, inline=True)
    data = load("diabetes", seed=study.spec.split_seed)
    ridges = [Ridge(alpha).fit(data.train.x, data.train.y) for alpha in np.logspace(-4, 1, 30)]
    best = max(ridges, key=lambda ridge: ridge.score(data.validation.x, data.validation.y))
    assert study.test["test_r2"] >= best.score(data.test.x, data.test.y) - 0.01


def test_a_study_of_breast_cancer_tells_tumours(url):
    """Logistic regression gets at least 95 of 100 tumours of the test part right."""
    study = tuner.launch("linear", data="breast_cancer", trials=12, storage=url, inline=True)
    assert study.test["test_accuracy"] >= 0.95


def test_the_l1_penalty_shrinks_useless_slopes(numbers_data):
    """Under L1 the slopes of the three columns that say nothing fall to a fifth at most."""
    sums = []
    for penalty in (0.0, 0.2):
        trainer, params = Linear(numbers_data), SMALL | {"l1": penalty, "schedule": "cosine"}
        cohort = trainer.cohort(trainer.structure(params))
        cohort.admit([Row(0, params, 3, 60)])
        for _ in range(60):
            cohort.advance()
        sums.append(float(trainer.weights(cohort.save(0), params)["weight"][0, 2:].abs().sum()))
    assert sums[1] < 0.2 * sums[0]


def test_there_is_nothing_to_drop():
    """Dropout of hidden units is no axis where there are none."""
    space = Space.from_plain({"dropout": 0.1})
    assert outside(space, DOMAIN, "space")
