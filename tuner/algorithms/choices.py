"""Hides how the Optuna dashboard keeps what a person chose: as attributes of the study.

It has no public names for them that can be read without the dashboard and its server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFERENTIAL = "preference:is_preferential"
"""Study attribute: true where the dashboard asks a person which of the trials shown is worst."""

N_SHOWN = "preference:n_generate"
"""Study attribute: how many candidates are to be shown."""

COMPONENT = "preference:component"
"""Study attribute: what of a trial is shown."""

PAIRS = "preference:values"
"""What begins the names of attributes that hold choices: numbers of a better and a worse trial."""

SKIPPED = "preference:skip_trial:"
"""What begins the name of the attribute of a trial that is not to be shown, before its id."""


def is_preferential(attributes: Mapping[str, Any]) -> bool:
    """Whether a person judges the trials of the study that has these system attributes."""
    return bool(attributes.get(PREFERENTIAL))


def chosen_pairs(attributes: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Numbers of a better and a worse trial, for every choice that was not taken back.

    Args:
        attributes: The study's system attributes; what can be no pair is passed over.
    """
    entries = [pair for key in sorted(attributes) for pair in _entries(key, attributes[key])]
    return [(pair[0], pair[1]) for pair in entries if _is_pair(pair)]


def skipped_ids(attributes: Mapping[str, Any]) -> frozenset[int]:
    """Keys of the trials that the person wants not to see."""
    ends = [key.removeprefix(SKIPPED) for key in attributes if key.startswith(SKIPPED)]
    return frozenset(int(end) for end in ends if end.isdecimal())


def _entries(key: str, value: Any) -> list[Any]:
    return value if key.startswith(PAIRS) and isinstance(value, list) else []


def _is_pair(entry: Any) -> bool:
    is_two = isinstance(entry, list | tuple) and len(entry) == 2
    return is_two and all(type(number) is int and number >= 0 for number in entry)
