"""Hides the plain form of axes: scalars, lists and mappings, as a spec writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, replace
from typing import Any

from search_spaces.checks import Choice, is_among, is_number, is_whole
from search_spaces.errors import SpaceError, shown, unknown
from search_spaces.parameters import Axis, Categorical, Constant, Float, Int, Ordinal

TYPES: dict[str, type[Axis]] = {
    axis.type_name: axis for axis in (Float, Int, Categorical, Ordinal, Constant)
}
"""Word after `type:` -> the axis it makes."""

MAX_LISTED = 1000
"""Values of a numeric axis that are compared one by one with the legal ones."""


def read_axis(plain: object) -> Axis:
    """The axis that `plain` describes: a value, a mapping with a type, or an axis itself.

    Raises:
        SpaceError: With every mistake, not yet prefixed by the axis.
    """
    if isinstance(plain, Axis):
        return plain
    if not isinstance(plain, Mapping):
        if isinstance(plain, (list, tuple, set)):
            hint = "for a choice write {type: categorical, choices: [...]}"
            raise SpaceError([f"must be a value or a mapping, got {shown(plain)}; {hint}"])
        return Constant(plain)  # type: ignore[arg-type]
    if "type" not in plain:
        raise SpaceError([f"must have a type ({', '.join(TYPES)}), got {shown(dict(plain))}"])
    word = plain["type"]
    if not isinstance(word, str) or word not in TYPES:
        raise SpaceError([f"type: {unknown('type', word, TYPES)}"])
    return _make(TYPES[word], {key: value for key, value in plain.items() if key != "type"})


def names_condition(plain: object) -> bool:
    """Whether `plain` says itself when the axis is present."""
    if isinstance(plain, Axis):
        return bool(plain.conditions)
    return isinstance(plain, Mapping) and "when" in plain


def replacement(plain: object, ready: Axis, legal: Sequence[Choice] | None) -> Axis:
    """The axis that takes the place of `ready`, with its condition unless `plain` names one.

    Args:
        plain: A value that fixes the axis, or a mapping with a type.
        ready: The axis replaced; the new one must take values of its kind.
        legal: All values that the axis may take, if not those of `ready`.

    Raises:
        SpaceError: With every mistake, not yet prefixed by the axis.
    """
    axis = _same_kind(read_axis(plain), ready)
    problems = _kind_problems(axis, ready, legal)
    if problems:
        raise SpaceError(problems)
    return axis if names_condition(plain) else replace(axis, when=ready.when)


def _make(kind: type[Axis], given: dict[Any, Any]) -> Axis:
    known = {one.name: one for one in fields(kind)}
    required = [name for name, one in known.items() if one.default is MISSING]
    problems = [
        f"{unknown('key', key, ['type', *_in_order(known)])}" for key in given if key not in known
    ]
    absent = [name for name in required if name not in given]
    problems += [f"{name} must be given for type {kind.type_name}" for name in absent]
    if not absent:
        arguments = {key: value for key, value in given.items() if key in known}
        if arguments.get("log", False) is None:
            del arguments["log"]
        try:
            axis = kind(**arguments)
        except SpaceError as error:
            problems += error.problems
    if problems:
        raise SpaceError(problems)
    return axis


def _in_order(names: Mapping[str, object]) -> list[str]:
    """Field names with the inherited `when` last, as it is written."""
    return sorted(names, key=lambda name: name == "when")


def _same_kind(axis: Axis, ready: Axis) -> Axis:
    """`axis` with a fixed 1 as 1.0 on an axis of floats, and a fixed 2.0 as 2 on one of ints."""
    if not isinstance(axis, Constant) or not is_number(axis.value):
        return axis
    number: Any = axis.value
    if isinstance(ready, Float):
        return replace(axis, value=float(number))
    if _is_whole_axis(ready) and number == int(number):
        return replace(axis, value=int(number))
    return axis


def _is_whole_axis(axis: Axis) -> bool:
    values = axis.values()
    return isinstance(axis, Int) or (values is not None and all(is_whole(v) for v in values))


def _kind_problems(axis: Axis, ready: Axis, legal: Sequence[Choice] | None) -> list[str]:
    """Why `axis` cannot stand where `ready` stood."""
    if legal is None and _is_numeric(ready):
        ends = (axis.low, axis.high) if isinstance(axis, (Float, Int)) else axis.values() or ()
        return [problem for value in ends for problem in _number_problems(value, ready)]
    allowed = [_word(value) for value in legal or ready.values() or ()]
    values = axis.values()
    if values is None or len(values) > MAX_LISTED:
        return [f"must be among {', '.join(allowed)}, got an axis of type {axis.type_name}"]
    return [
        unknown("value", value, allowed)
        for value in values
        if not is_among(value, legal or ready.values() or ())
    ]


def _is_numeric(axis: Axis) -> bool:
    values = axis.values()
    return isinstance(axis, (Float, Int)) or (
        values is not None and all(is_number(value) for value in values)
    )


def _number_problems(value: Choice, ready: Axis) -> list[str]:
    """Why `value` is no number for the place of `ready`, whose range it may leave."""
    if _is_whole_axis(ready) and not is_whole(value):
        return [f"must be a whole number, got {shown(value)}"]
    if not is_number(value):
        return [f"must be a number, got {shown(value)}"]
    if _least(ready) >= 0 and value < 0:  # type: ignore[operator]
        return [f"must not be negative, got {shown(value)}"]
    return []


def _least(axis: Axis) -> float:
    if isinstance(axis, (Float, Int)):
        return axis.low
    return min(value for value in axis.values() or () if is_number(value))  # type: ignore[type-var, return-value]


def _word(value: Choice) -> str:
    return value if isinstance(value, str) else repr(value)
