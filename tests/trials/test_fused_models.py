"""What makes modules alike, why some are not stacked, and what a wrong model is told."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from fused_models import (
    EPOCHS,
    N_CLASSES,
    PARAMS,
    SPACE,
    Layer,
    Params,
    drawing,
    perceptron,
    recurrent,
    trainer_of,
)
from torch import Tensor, nn
from torch.nn import functional

from search_spaces import Categorical, Float, Int, Space
from trials.contract import Row
from trials.data import DataError, Dataset
from trials.fused import ModelError, fused
from trials.fused.recipe import TargetScaling


def test_rows_that_are_built_alike_share_a_cohort(classes_data: Dataset) -> None:
    """Rates of training and of dropout are no structure; widths, functions and classes are."""

    def build(params: Params) -> nn.Module:
        activation = nn.LeakyReLU(params.get("slope", 0.1)) if params["units"] > 4 else nn.ReLU()
        return nn.Sequential(
            nn.Linear(5, 6), activation, nn.Dropout(params["dropout"]), nn.Linear(6, N_CLASSES)
        )

    space = Space(
        units=Int(4, 64),
        dropout=Float(0.0, 0.5),
        slope=Float(0.0, 1.0),
        learning_rate=Float(1e-4, 1.0, log=True),
    )
    trainer = fused(build, functional.cross_entropy, space)(classes_data)
    of = trainer.structure
    assert of(PARAMS) == of(PARAMS | {"dropout": 0.1, "learning_rate": 0.1, "batch_size": 7})
    assert of(PARAMS) == of(PARAMS | {"units": 14})
    assert of(PARAMS) != of(PARAMS | {"slope": 0.2})
    assert of(PARAMS) != of(PARAMS | {"units": 4})
    assert hash(of(PARAMS)) == hash(of(dict(PARAMS)))


def test_what_a_module_closes_over_separates_it(classes_data: Dataset) -> None:
    """Modules that look alike but may compute by hidden values are never taken for alike."""

    def build(params: Params) -> nn.Module:
        factor = params["units"]
        return nn.Sequential(nn.Linear(5, N_CLASSES), Layer(lambda x: x * factor))

    trainer = trainer_of(build, classes_data)
    assert trainer.structure(PARAMS) == trainer.structure(dict(PARAMS))
    assert trainer.structure(PARAMS) != trainer.structure(PARAMS | {"units": 14})


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (recurrent, "LSTM has no rule for stacking (torch.func.vmap)"),
        (drawing, "Layer draws random numbers other than by torch.nn.Dropout"),
    ],
)
def test_what_cannot_be_stacked_says_why(
    build: Callable[..., nn.Module],
    sentence: str,
    classes_data: Dataset,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The reason is one sentence, logged once, kept as a note, and shown by the blocks."""
    caplog.set_level(logging.INFO)
    trainer = trainer_of(build, classes_data)
    cohort = trainer.cohort(trainer.structure(PARAMS))
    cohort.admit([Row(0, PARAMS, 1, EPOCHS)])
    assert trainer.notes == (f"{sentence}; trials train one at a time",)
    assert [record.message for record in caplog.records] == list(trainer.notes)
    assert dict(cohort.blocks) == {"batch_size=16 one at a time": 1}


def test_stacked_modules_have_no_note(classes_data: Dataset) -> None:
    """Where rows are stacked there is nothing to say."""
    assert trainer_of(perceptron, classes_data).notes == ()


def test_a_module_that_stacking_would_change_is_trained_alone(classes_data: Dataset) -> None:
    """A module whose stacked results differ from its own is found out before it trains."""

    class Counting(nn.Module):
        """Computes by how often it was called."""

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(5, N_CLASSES)
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            """Outputs that grow."""
            self.calls += 1
            out: Tensor = self.linear(x) * self.calls
            return out

    (note,) = trainer_of(lambda _params: Counting(), classes_data).notes
    assert note == "Counting computes something else when stacked; trials train one at a time"


class Noting(nn.Module):
    """Notes a random number of each training step."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, N_CLASSES)
        self.register_buffer("drawn", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """The linear layer's outputs."""
        if self.training:
            self.get_buffer("drawn").copy_(torch.rand(1))
        out: Tensor = self.linear(x)
        return out


def test_modules_draw_from_the_seed_the_epoch_and_the_step(classes_data: Dataset) -> None:
    """What a module draws by itself differs between rows of other seeds and between epochs."""
    trainer = trainer_of(lambda _params: Noting(), classes_data)
    params = PARAMS | {"batch_size": 64}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(key, params, seed, EPOCHS) for key, seed in enumerate((1, 1, 2))])
    drawn = []
    for _ in range(2):
        cohort.advance()
        drawn.append([float(cohort.save(key)["buffers.drawn"]) for key in range(3)])
    assert [row[0] == row[1] for row in drawn] == [True, True]
    assert len({number for row in drawn for number in row}) == 4


def test_dropout_of_weights_is_left_to_the_module(classes_data: Dataset) -> None:
    """nn.Dropout on something that does not grow with the batch is not handed in."""

    class Thinned(nn.Module):
        """Drops weights."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(N_CLASSES, 5))
            self.drop = nn.Dropout(0.5)

        def forward(self, x: Tensor) -> Tensor:
            """Outputs by some of the weights."""
            out: Tensor = x @ self.drop(self.weight).t()
            return out

    (note,) = trainer_of(lambda _params: Thinned(), classes_data).notes
    assert note.startswith("Dropout drops something else than units of points")


def test_a_regression_learns_numbers_as_they_are(numbers_data: Dataset) -> None:
    """Targets have the shape of the outputs and their own unit, or are standardised."""
    space = Space(learning_rate=Float(1e-4, 1.0, log=True))
    builds = (
        lambda _params, data: nn.Linear(data.n_inputs, data.n_outputs),
        lambda _params, data: nn.Sequential(nn.Linear(data.n_inputs, 1), nn.Flatten(0)),
    )
    variance = float(np.var(np.asarray(numbers_data.train.y, np.float64)))
    cases: list[tuple[TargetScaling, float, float]] = [
        ("none", 1.0, variance),
        ("standardize", 0.03, 1.0),
    ]
    for scaling, learning_rate, unit in cases:
        params = {"learning_rate": learning_rate, "batch_size": 8}
        found = []
        for build in builds:
            trainer = fused(build, functional.mse_loss, space, target_scaling=scaling)(numbers_data)
            cohort = trainer.cohort(trainer.structure(params))
            cohort.admit([Row(0, params, 1, 20)])
            curve = [cohort.advance()[0].metrics["validation_loss"] for _ in range(20)]
            found.append(curve[-1])
            assert trainer.test(cohort.save(0), params)["test_loss"] > 0
        assert found[0] == pytest.approx(found[1], rel=1e-3)
        assert 0.01 * unit < found[0] < 0.7 * unit


def test_two_classes_may_be_told_by_one_output(classes_data: Dataset) -> None:
    """Targets are then floats of the outputs' shape, and a positive output means class 1."""
    from dataclasses import replace

    two = replace(
        classes_data,
        classes=("a", "b"),
        **{
            part: replace(getattr(classes_data, part), y=getattr(classes_data, part).y.clip(max=1))
            for part in ("train", "validation", "test")
        },
    )
    space = Space(learning_rate=Float(1e-4, 1.0, log=True))
    loss = functional.binary_cross_entropy_with_logits
    trainer = fused(lambda _params: nn.Linear(5, 1), loss, space)(two)
    params = {"learning_rate": 0.1}
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(0, params, 1, 30)])
    figures = [cohort.advance()[0].metrics for _ in range(30)]
    assert figures[-1]["validation_loss"] < figures[0]["validation_loss"]
    assert figures[-1]["validation_accuracy"] > 0.7
    assert set(trainer.test(cohort.save(0), params)) == {"test_loss", "test_accuracy"}


def test_mistakes_of_the_call_are_told_at_once() -> None:
    """What is no function, no space, or no value of a training axis is named in one error."""
    space = Space(optimizer=Categorical(["adam", "lion"]), units=Int(1, 2))
    with pytest.raises(ModelError) as caught:
        fused(lambda: nn.Linear(1, 1), 3, space)  # type: ignore[arg-type]
    assert caught.value.problems == (
        "build_model: must accept (params) or (params, data), got ()",
        "loss: must be a function, got 3",
        "space.optimizer: must be among 'sgd', 'adagrad', 'rmsprop', 'adam', 'adamw', "
        "'adadelta', got 'lion'",
    )
    with pytest.raises(ModelError, match="space: must be a Space, got None"):
        fused(perceptron, functional.cross_entropy, None)  # type: ignore[arg-type]


def test_copies_of_the_model_error_keep_its_lines() -> None:
    """It comes back whole from another process."""
    error = pickle.loads(pickle.dumps(ModelError(["a", "b"])))
    assert (type(error), error.problems) == (ModelError, ("a", "b"))


class InPlace(nn.Linear):
    """Writes into the points that it is given."""

    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points.mul_(2))


def plain_loss(outputs: Tensor, _targets: Tensor) -> Tensor:
    """A sum of no meaning."""
    return outputs.sum()


@pytest.mark.parametrize(
    ("build", "loss", "line"),
    [
        (lambda _params: 3, plain_loss, "build_model: must return a torch.nn.Module, got 3"),
        (lambda _params: nn.ReLU(), plain_loss, "a module with parameters to train, got one w"),
        (lambda _params: nn.LazyLinear(3), plain_loss, "whose shapes are known, got a lazy one"),
        (lambda params: params["width"], plain_loss, "build_model: failed with params .*'width'"),
        (lambda _params: nn.Linear(4, 3), plain_loss, "build_model: its module failed: Runtime"),
        (lambda _params: InPlace(5, 3), plain_loss, "module failed: .* modified by an inplace"),
        (lambda _params: nn.Linear(5, 2), plain_loss, r"return outputs of shape \(4, 3\), got \(4"),
        (perceptron, lambda outputs, _: outputs, r"loss: must return one number .* shape \(4, 3\)"),
        (perceptron, lambda _o, _t: torch.zeros(()), "loss: must depend on the outputs"),
        (perceptron, lambda o, t: o @ t, r"loss: failed on outputs float32 of shape \(4, 3\)"),
        (
            lambda _params: nn.Sequential(nn.Linear(5, 3), nn.Dropout(1.0)),
            plain_loss,
            "rates of dropout must be below 1, got 1.0",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature:UserWarning")
def test_a_model_that_cannot_be_trained_is_refused_before_it_is(
    build: Any, loss: Any, line: str, classes_data: Dataset
) -> None:
    """What the functions return is tried on a few points when the trainer meets the data."""
    with pytest.raises(DataError, match=line):
        fused(build, loss, SPACE)(classes_data)


def test_a_model_that_fails_later_fails_its_rows_alone(classes_data: Dataset) -> None:
    """Parameters whose module cannot be built have a structure that no cohort takes."""

    def build(params: Params) -> nn.Module:
        if params["units"] == 7:
            raise TypeError("no sevens")
        return perceptron(params)

    trainer = trainer_of(build, classes_data)
    structure = trainer.structure(PARAMS | {"units": 7})
    assert structure != trainer.structure(PARAMS)
    with pytest.raises(ModelError, match="no sevens"):
        trainer.cohort(structure)


def test_a_state_of_another_module_is_refused(classes_data: Dataset) -> None:
    """The tensors that do not fit are named, and nothing is admitted."""
    trainer = trainer_of(perceptron, classes_data)
    cohort = trainer.cohort(trainer.structure(PARAMS))
    cohort.admit([Row(0, PARAMS, 1, EPOCHS)])
    wide = PARAMS | {"units": 14}
    other = trainer.cohort(trainer.structure(wide))
    with pytest.raises(ValueError, match=r"row 1: parameters.0.weight must be .* \(14, 5\)"):
        other.admit([Row(1, wide, 1, EPOCHS)], {1: cohort.save(0)})
    assert not other.keys


def test_data_without_answers_are_refused(ring_data: Dataset) -> None:
    """A density has no targets for a loss."""
    with pytest.raises(DataError, match="must have classes or numbers to predict"):
        trainer_of(perceptron, ring_data)


def test_the_domain_has_every_training_axis(classes_data: Dataset) -> None:
    """A spec may fix training axes that the space leaves out, and the model's own."""
    domain = trainer_of(perceptron, classes_data).domain
    assert {"units", "dropout", "learning_rate", "optimizer", "l1", "schedule"} <= set(domain)
    assert "label_smoothing" not in domain
