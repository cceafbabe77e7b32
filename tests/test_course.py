"""The page of the course names all that the tables have, and nothing that they have not."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from search_spaces import Categorical, Space
from trials import TRAINERS
from trials.data import DATASETS
from trials.gans.losses import LOSSES as GAN_LOSSES
from trials.stacked.losses import SLOPES
from tuner.algorithms import PRUNERS, SAMPLERS
from tuner.spec import Spec

PAGE = (Path(__file__).parents[1] / "docs" / "course.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([^`]+)`", PAGE))
WORDS = {word for name in NAMED for word in re.findall(r"\w+", name)}
MEASURES = ("precision", "recall", "coverage")
AXES_OF_WORDS = ("activation", "initializer", "optimizer", "schedule", "input_scaling")


def domain_of(trainer: str) -> Space:
    """Every axis of a trainer."""
    module, _, name = TRAINERS[trainer].partition(":")
    domain = getattr(importlib.import_module(module), name).domain
    assert isinstance(domain, Space)
    return domain


@pytest.mark.parametrize("name", TRAINERS)
def test_every_trainer_is_named(name: str) -> None:
    """A concept of the course leads to each trainer."""
    assert name in NAMED


@pytest.mark.parametrize("axis", AXES_OF_WORDS)
def test_every_value_of_an_axis_is_named(axis: str) -> None:
    """Each activation, initializer, optimizer, schedule and scaling of the perceptron is there."""
    values = domain_of("mlp")[axis].values()
    assert values is not None
    assert {str(value) for value in values} <= WORDS


def test_every_loss_is_named() -> None:
    """Each loss of a task, and each of a game, is there."""
    assert {loss for losses in SLOPES.values() for loss in losses} | set(GAN_LOSSES) <= WORDS


def test_what_is_named_exists() -> None:
    """A name without a value is a trainer, an axis, a value, data or an objective that there is."""
    known = {*TRAINERS, *DATASETS, *PRUNERS, *SAMPLERS, *GAN_LOSSES}
    known |= {loss for losses in SLOPES.values() for loss in losses}
    for trainer in TRAINERS:
        domain = domain_of(trainer)
        known |= set(domain)
        axes = [axis for axis in domain.values() if isinstance(axis, Categorical)]
        known |= {str(value) for axis in axes for value in axis.values() or ()}
    names = {name for name in NAMED if re.fullmatch(r"[a-z_0-9]+", name)}
    sources = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("trials", "tuner")
        for path in (Path(__file__).parents[1] / folder).rglob("*.py")
    )
    unknown = {name for name in names - known if f'"{name}"' not in sources}
    assert unknown <= {*Spec.model_fields, *MEASURES}
