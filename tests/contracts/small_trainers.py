"""Trainers of the table on a little of their data."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

from trials import TRAINERS, data
from trials.data import Part


def first(part: Part, n: int) -> Part:
    """The first `n` points of the part."""
    return Part(part.x[:n], None if part.y is None else part.y[:n])


def small_trainer(name: str, n_points: int, data_name: str = "", **where: Any) -> Any:
    """The trainer of that name, on the first points of each part of its default data, or others.

    Args:
        name: As in `TRAINERS`.
        n_points: Of each part, at most.
        data_name: As in `DATASETS`; empty for the trainer's default.
        where: `device` and `dtype`, as trainers have them.
    """
    module, kind_name = TRAINERS[name].split(":")
    kind = getattr(importlib.import_module(module), kind_name)
    whole = data.load(data_name or kind.default_data, seed=0)
    parts = {
        part: first(getattr(whole, part), n_points) for part in ("train", "validation", "test")
    }
    return kind(replace(whole, **parts), **where)
