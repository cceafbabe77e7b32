"""Which values a trainer can train on, and where a space goes beyond them."""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces.errors import shown, unknown
from search_spaces.parameters import Axis, Float, Int


def outside(axes: Mapping[str, Axis], domain: Mapping[str, Axis], where: str) -> list[str]:
    """One line for each axis that has values beyond those of the same axis of `domain`.

    Args:
        axes: What is to be searched.
        domain: Every axis a trainer has, each with all the values it may take.
        where: What the lines call `axes`.
    """
    problems = []
    for name, axis in axes.items():
        if name not in domain:
            problems.append(f"{where}: {unknown('axis', name, domain)}")
        elif (stray := _stray(axis, domain[name])) is not None:
            text = f"{where}.{name}: must {_described(domain[name])}, got {shown(stray)}"
            problems.append(text)
    return problems


def _stray(axis: Axis, domain: Axis) -> object | None:
    """A value of `axis` that `domain` does not have, or None."""
    if isinstance(axis, Float | Int) and isinstance(domain, Float | Int):
        if isinstance(axis, Float) and isinstance(domain, Int):
            return axis.low
        strays: list[float] = [
            end for end in (axis.low, axis.high) if not domain.low <= end <= domain.high
        ]
        return next(iter(strays), None)
    values = axis.values()
    if values is None:
        return repr(axis)
    others = [value for value in values if not domain.contains(value)]
    return next(iter(others), None)


def _described(domain: Axis) -> str:
    if isinstance(domain, Int):
        return f"be a whole number from {domain.low} to {domain.high}"
    if isinstance(domain, Float):
        return f"be from {domain.low:g} to {domain.high:g}"
    return f"be among {', '.join(shown(value) for value in domain.values() or ())}"
