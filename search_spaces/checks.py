"""When bounds, choices and conditions of one axis are sound, and how to say that they are not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import TypeAlias

from search_spaces.errors import shown

Choice: TypeAlias = bool | int | float | str | None
When: TypeAlias = Mapping[str, Choice | Sequence[Choice]]

MAX_WHOLE = 2**53
"""Optuna keeps whole numbers as floats, which are exact up to here."""


def is_number(value: object) -> bool:
    """Whether `value` is a real number and not a truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Whether `value` is a whole number by type and not a truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_same(one: object, other: object) -> bool:
    """Whether two choices are equal, with True and 1 told apart."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def is_among(value: object, choices: Sequence[object]) -> bool:
    """Whether `value` is one of `choices`, with True and 1 told apart."""
    return any(is_same(value, choice) for choice in choices)


def as_float(value: object) -> float | None:
    """`value` as a finite float, or None if it is none."""
    if not is_number(value):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def log_problems(log: object) -> list[str]:
    """What is wrong with the flag `log`."""
    return [] if isinstance(log, bool) else [f"log must be true or false, got {shown(log)}"]


def range_problems(
    low: float | None, high: float | None, log: bool, step: float | None
) -> list[str]:
    """What is wrong with bounds and step; None stands for one that is missing or no number."""
    problems = []
    if low is not None and high is not None and low >= high:
        problems.append(f"low must be below high, got low={low} high={high}")
    elif low is not None and high is not None and not math.isfinite(high - low):
        problems.append(f"high - low must be finite, got low={low} high={high}")
    if log and low is not None and low <= 0:
        problems.append(f"low must be above 0 with log, got low={low}")
    if log and step is not None:
        problems.append(f"step must be absent with log, got step={step}")
    if step is not None and step <= 0:
        problems.append(f"step must be above 0, got step={step}")
    elif step is not None and low is not None and high is not None and not problems:
        problems += _step_problems(low, high, step)
    return problems


def _step_problems(low: float, high: float, step: float) -> list[str]:
    """What is wrong with a positive step in sound bounds."""
    if step > high - low:
        return [f"step must be at most high - low, got step={step} low={low} high={high}"]
    if (high - low) / step > MAX_WHOLE:
        return [f"step must make at most 2**53 steps, got step={step} low={low} high={high}"]
    # Optuna's own rule, in decimal, but without its silent rounding of `high`.
    d_low, d_high, d_step = (Decimal(str(number)) for number in (low, high, step))
    if (d_high - d_low) % d_step == 0:
        return []
    nearest = d_low + round((d_high - d_low) / d_step) * d_step
    valid = type(high)(nearest)
    return [
        "high must be low plus a whole number of steps, "
        f"got low={low} high={high} step={step}; nearest is high={valid}"
    ]


def choice_problems(name: str, choices: Sequence[object]) -> list[str]:
    """What is wrong with each choice by itself."""
    problems = []
    for choice in choices:
        if choice is not None and not isinstance(choice, (bool, int, float, str)):
            must = "null, a truth value, a number or text"
            problems.append(f"{name} must be {must}, got {shown(choice)}")
        elif isinstance(choice, float) and not math.isfinite(choice):
            problems.append(f"{name} must be finite, got {shown(choice)}")
        elif isinstance(choice, int) and abs(choice) >= 2**63:
            problems.append(f"{name} must be within 2**63, got {shown(choice)}")
        elif isinstance(choice, str) and not _is_unicode(choice):
            problems.append(f"{name} must be valid Unicode text, got {shown(choice)}")
    return problems


def repeat_problems(choices: Sequence[object]) -> list[str]:
    """Names each choice that equals an earlier one; Optuna cannot tell True from 1."""
    first: dict[object, object] = {}
    problems = []
    for choice in choices:
        if choice in first:
            other = first[choice]
            pair = shown(choice) if is_same(choice, other) else f"{other!r} and {choice!r}"
            problems.append(f"choices must differ, got {pair} twice")
        first.setdefault(choice, choice)
    return problems


def _is_unicode(text: str) -> bool:
    """Whether `text` has no lone surrogate, which no database stores."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def plain_choice(choice: Choice) -> Choice:
    """`choice` as a built-in type, whatever subclass it was (a NumPy float, an enumeration)."""
    for kind in (bool, int, float, str):
        if isinstance(choice, kind):
            return kind(choice)
    return choice


def as_tuple(values: object) -> tuple[Choice, ...]:
    """The values of one condition, given as one value or as a list."""
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes)):
        return tuple(plain_choice(value) for value in values)
    return (plain_choice(values),)  # type: ignore[arg-type]


def read_when(when: object) -> tuple[dict[str, tuple[Choice, ...]] | None, list[str]]:
    """A condition in its normal form, and what is wrong with it."""
    if when is None:
        return None, []
    if not isinstance(when, Mapping):
        return None, [f"when must be a mapping of axis to value, got {shown(when)}"]
    problems = []
    for name, given in when.items():
        values = as_tuple(given)
        if not isinstance(name, str):
            problems.append(f"when must name axes by text, got {shown(name)}")
        elif not values:
            problems.append(f"when.{name} must have at least one value, got none")
        else:
            problems += choice_problems(f"when.{name}", values)
    read = {name: as_tuple(given) for name, given in when.items()}
    return (None if problems else read or None), problems
