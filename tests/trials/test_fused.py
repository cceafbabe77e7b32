"""Ordinary torch modules as rows: equal to plain training, and to themselves in any company."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from fused_models import (
    ALONE,
    EPOCHS,
    PARAMS,
    STACKED,
    Params,
    attending,
    company,
    convolutional,
    dropping,
    normalised,
    perceptron,
    recurrent,
    trainer_of,
)
from torch import Tensor, nn
from torch.nn import functional

from trials.contract import Cohort, Row
from trials.data import Dataset
from trials.data.scaling import fit_scaling
from trials.fused import FusedTrainer
from trials.stacked.batches import padded_batch
from trials.stacked.noise import data_order, generator, keep_tape, keep_threshold


class Replayed(nn.Module):
    """Stands for a dropout module and multiplies by the masks put into it, one per call."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.masks: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """`x` times the next mask."""
        return x * self.masks.pop(0) if self.training else x


def replayed(module: nn.Module) -> nn.Module:
    """`module` with its dropout replaced."""
    stands: dict[int, Replayed] = {}
    for index, child in list(module.named_modules(remove_duplicate=False)):
        if isinstance(child, nn.Dropout | nn.Dropout2d):
            setattr(module, index, stands.setdefault(id(child), Replayed(child.p)))
    return module


def put_masks(module: nn.Module, shapes: Sequence[tuple[int, ...]], tape: torch.Generator) -> None:
    """Each call of a dropout module in `module` finds its mask, drawn from the row's tape."""
    calls = [child for _, child in module.named_modules(remove_duplicate=False)]
    drops = [child for child in calls if isinstance(child, Replayed)]
    if not drops or not drops[0].rate:
        return
    n_points = shapes[0][0]
    per_point = [int(np.prod(shape[1:])) for shape in shapes]
    lengths = [padded_batch(n_points) * n for n in per_point]
    kept = torch.split(keep_tape(tape, 1, (sum(lengths),))[0], lengths)
    for drop, tape_of_call, n, shape in zip(drops, kept, per_point, shapes, strict=True):
        is_kept = tape_of_call[: n_points * n] < keep_threshold(drop.rate)
        drop.masks.append(is_kept.view(shape).double() / (1 - drop.rate))


def mask_shapes(build: object, n_points: int) -> list[tuple[int, ...]]:
    """Of each call of a dropout module."""
    if build is dropping:
        return [(n_points, PARAMS["units"]), (n_points, 6), (n_points, 6)]
    return [(n_points, 3, 1, 1)] if build is convolutional else []


def plain_optimizer(module: nn.Module, params: Params) -> torch.optim.Optimizer:
    """torch's, with decay of tensors of two dimensions alone."""
    tensors = list(module.parameters())
    groups = [
        {"params": [p for p in tensors if p.dim() > 1], "weight_decay": params["l2"]},
        {"params": [p for p in tensors if p.dim() < 2]},
    ]
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}
    more = {"alpha": 0.9} if params["optimizer"] == "rmsprop" else {}
    kind: Any = kinds[params["optimizer"]]
    return kind(groups, lr=params["learning_rate"], **more)  # type: ignore[no-any-return]


def plain_training(
    build: Callable[..., nn.Module], data: Dataset, row: Row, weights: dict[str, Tensor]
) -> tuple[list[float], nn.Module]:
    """Validation losses and the module after ordinary training in float64."""
    params = dict(row.params)
    module = replayed(build(params)).double()
    module.load_state_dict(weights)
    optimizer = plain_optimizer(module, params)
    scaling = fit_scaling("standardize", data.train.x)
    x, measured = (torch.tensor(scaling.apply(p.x)).double() for p in (data.train, data.validation))
    y, answers = (torch.tensor(part.y) for part in (data.train, data.validation))
    curve = []
    for epoch in range(EPOCHS):
        tape = generator(row.seed, "dropout", epoch)
        module.train()
        for points in torch.split(data_order(row.seed, epoch, len(x)), params["batch_size"]):
            put_masks(module, mask_shapes(build, len(points)), tape)
            optimizer.zero_grad()
            functional.cross_entropy(module(x[points]), y[points]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        module.eval()
        with torch.no_grad():
            curve.append(float(functional.cross_entropy(module(measured), answers)))
    return curve, module


def advanced(cohort: Cohort) -> dict[int, list[float]]:
    """Validation losses of each row of a cohort, which has trained for all its epochs."""
    found: dict[int, list[float]] = {key: [] for key in cohort.keys}
    for _ in range(EPOCHS):
        for progress in cohort.advance():
            found[progress.key].append(progress.metrics["validation_loss"])
    return found


@pytest.mark.parametrize("build", [*STACKED, recurrent])
def test_a_row_equals_its_module_trained_alone(
    build: Callable[..., nn.Module], classes_data: Dataset
) -> None:
    """Each of three rows in company has the curve and weights of plain torch, to 1e-9."""
    trainer = trainer_of(build, classes_data, torch.float64)
    rows = company(3, dropout=0.3)
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    starts = [trainer.weights(cohort.save(row.key), row.params) for row in rows]
    curves = advanced(cohort)
    for row, start in zip(rows, starts, strict=True):
        expected, module = plain_training(build, classes_data, row, start)
        assert curves[row.key] == pytest.approx(expected, rel=1e-9)
        weights = trainer.weights(cohort.save(row.key), row.params)
        assert weights.keys() == module.state_dict().keys()
        for name, tensor in module.state_dict().items():
            torch.testing.assert_close(weights[name], tensor, rtol=1e-9, atol=1e-9)


def losses(trainer: FusedTrainer, rows: Sequence[Row]) -> dict[int, list[float]]:
    """Validation losses of each row."""
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    return advanced(cohort)


Outcome = dict[int, tuple[list[str], dict[str, Tensor]]]


def outcome(trainer: FusedTrainer, rows: Sequence[Row], late: Sequence[Row] = ()) -> Outcome:
    """Curve, with every bit, and last state of each row; `late` rows come after an epoch."""
    torch.rand(1)  # moves torch's own generator, which no row may depend on
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows)
    curves: dict[int, list[str]] = {}
    for epoch in range(EPOCHS + bool(late)):
        if late and epoch == 1:
            cohort.admit(late)
        if late and epoch == EPOCHS:
            cohort.evict([row.key for row in rows])
        for progress in cohort.advance():
            figures = sorted(progress.metrics.items())
            curves.setdefault(progress.key, []).append(str([v.hex() for _, v in figures]))
    return {key: (curves[key], cohort.save(key)) for key in cohort.keys}


def moved(trainer: FusedTrainer, row: Row, mates: Sequence[Row]) -> Outcome:
    """The row, which goes on from a checkpoint in another cohort after an epoch."""
    first, second = (trainer.cohort(trainer.structure(row.params)) for _ in range(2))
    first.admit([row])
    curve = [p.metrics for p in first.advance()]
    second.admit(mates)
    second.admit([row], {row.key: first.save(row.key)})
    for _ in range(EPOCHS - 1):
        curve += [p.metrics for p in second.advance() if p.key == row.key]
    texts = [str([v.hex() for _, v in sorted(figures.items())]) for figures in curve]
    return {row.key: (texts, second.save(row.key))}


def same_bits(one: Outcome, other: Outcome, key: int) -> bool:
    """Whether the row has the same curve and the same state in both."""
    (curve, state), (other_curve, other_state) = one[key], other[key]
    return (
        curve == other_curve
        and state.keys() == other_state.keys()
        and all(torch.equal(state[name], other_state[name]) for name in state)
    )


@pytest.mark.parametrize("build", [perceptron, dropping, convolutional, attending, *ALONE])
def test_company_changes_no_bit(build: Callable[..., nn.Module], classes_data: Dataset) -> None:
    """Alone, among 8, admitted late or from a checkpoint: a row's bits in float32 are its own."""
    trainer = trainer_of(build, classes_data)
    rows = company(8, batch_size=64 if build in ALONE else 16)
    together = outcome(trainer, rows)
    for row in (rows[0], rows[7]):
        assert same_bits(together, outcome(trainer, [row]), row.key)
    late = outcome(trainer, rows[1:4], late=rows[4:])
    assert same_bits(together, late, 6)
    assert same_bits(together, moved(trainer, rows[2], rows[3:]), 2)


def test_company_changes_batch_norm_by_rounding_alone(classes_data: Dataset) -> None:
    """Batch norm sums gradients in an order that company changes: equal to 1e-9 in float64."""
    trainer = trainer_of(normalised, classes_data, torch.float64)
    rows = company(8)
    together = losses(trainer, rows)
    for row in rows[:3]:
        assert losses(trainer, [row])[row.key] == pytest.approx(together[row.key], rel=1e-9)


def test_the_start_is_a_function_of_the_seed(classes_data: Dataset) -> None:
    """Equal seeds give equal weights, others give others, and torch's own generator stays."""
    trainer = trainer_of(perceptron, classes_data)
    before = torch.get_rng_state()
    cohort = trainer.cohort(trainer.structure(PARAMS))
    cohort.admit([Row(key, PARAMS, seed, EPOCHS) for key, seed in enumerate((5, 5, 6))])
    weights = [trainer.weights(cohort.save(key), PARAMS)["0.weight"] for key in range(3)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    cohort.advance()
    assert torch.equal(before, torch.get_rng_state())
