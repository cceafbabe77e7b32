"""Whether the conditions between the axes of a space can hold, and in which order axes stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from search_spaces.checks import Choice, is_among
from search_spaces.errors import shown, unknown
from search_spaces.parameters import Axis, Float

Required = dict[str, tuple[Choice, ...]]


def condition_problems(
    axes: Mapping[str, Axis], ignored: Collection[object] = ()
) -> list[tuple[str, str]]:
    """(axis, mistake) for every condition that names a wrong axis or can never hold.

    Conditions on `ignored` axes, which could not be read, are taken to be sound.
    """
    order = {name: place for place, name in enumerate(axes)}
    problems = []
    for name, axis in axes.items():
        own = []
        for parent, values in axis.conditions.items():
            if parent in ignored:
                continue
            if parent not in axes:
                own.append(f"when: {unknown('axis', parent, [n for n in axes if n != name])}")
            elif parent == name:
                own.append("when must name another axis, got itself")
            elif cycle := _cycle(axes, name, parent):
                own.append(f"when must not form a cycle, got {' -> '.join(cycle)}")
            elif order[parent] > order[name]:
                own.append(f"when must name an earlier axis; put {parent!r} before {name!r}")
            else:
                own += _value_problems(parent, axes[parent], values)
        if not own and (contradiction := _contradiction(axes, axis)):
            own.append(contradiction)
        problems += [(name, problem) for problem in own]
    return problems


def parents_first(axes: Mapping[str, Axis]) -> dict[str, Axis]:
    """The axes with each moved behind the axes that its condition names; else the order stays."""
    placed: dict[str, Axis] = {}
    waiting = dict(axes)
    while waiting:
        ready = (
            name
            for name, axis in waiting.items()
            if not any(parent in waiting and parent != name for parent in axis.conditions)
        )
        name = next(ready, None)
        if name is None:  # a cycle, which condition_problems names
            return placed | waiting
        placed[name] = waiting.pop(name)
    return placed


def without_impossible(
    axes: Mapping[str, Axis],
    named: Collection[str],
    written: Collection[str],
    unread: Collection[str] = (),
) -> dict[str, Axis]:
    """The axes less those that a fixed or narrowed parent has put out of reach.

    Values that a parent can no longer take leave the conditions of the rest.

    Args:
        axes: Parents first.
        named: Axes that stay even if out of reach, so that this is reported.
        written: Axes whose condition stays as it is.
        unread: Axes that are missing in `axes`; conditions on them are taken to hold.
    """
    left: dict[str, Axis] = {}
    for name, axis in axes.items():
        reachable = axis if name in written else _narrowed(axis, left, unread)
        if reachable is not None and (name in written or not _contradiction(left, reachable)):
            left[name] = reachable
        elif name in named:
            left[name] = axis
    return left


def _narrowed(axis: Axis, parents: Mapping[str, Axis], unread: Collection[str]) -> Axis | None:
    """The axis with the values that its parents can take in its condition; None if none is left."""
    possible: Required = {}
    for parent, values in axis.conditions.items():
        taken = parents.get(parent)
        possible[parent] = tuple(
            value
            for value in values
            if parent in unread or (taken is not None and taken.contains(value))
        )
        if not possible[parent]:
            return None
    return axis if possible == axis.conditions else replace(axis, when=possible)


def _value_problems(parent: str, axis: Axis, values: tuple[Choice, ...]) -> list[str]:
    if isinstance(axis, Float):  # Optuna rounds its steps: 0.1 + 2·0.1 need not be 0.3
        return [f"when.{parent} must be an axis of exact values, got a float"]
    all_values = axis.values() or ()
    listed = len(all_values) <= 10
    domain = ", ".join(map(repr, all_values)) if listed else f"{all_values[0]} to {all_values[-1]}"
    return [
        f"when.{parent} must be a value that {parent!r} can take, got {shown(value)} ({domain})"
        for value in values
        if not axis.contains(value)
    ]


def _contradiction(axes: Mapping[str, Axis], axis: Axis) -> str | None:
    """Why the condition of `axis`, with those of its ancestors, can never hold.

    Exact: axes are otherwise independent, so the conditions of all ancestors can hold together
    if and only if for each axis some value satisfies all that is asked of it.
    """
    required: Required = {}
    waiting = [axis]
    while waiting:
        for parent, values in waiting.pop().conditions.items():
            before = required.get(parent, values)
            required[parent] = tuple(value for value in values if is_among(value, before))
            if not required[parent]:
                wanted = " and ".join(sorted({repr(before), repr(values)}))
                return f"when can never hold: it asks {parent!r} to be in {wanted} at once"
            waiting += [axes[parent]] if parent in axes else []
    return None


def _cycle(axes: Mapping[str, Axis], name: str, parent: str) -> list[str] | None:
    """The way from `name` through `parent` back to `name`, if there is one."""
    ways = [[name, parent]]
    seen = {name}
    while ways:
        way = ways.pop()
        if way[-1] == name:
            return way
        if way[-1] in seen or way[-1] not in axes:
            continue
        seen.add(way[-1])
        ways += [[*way, further] for further in axes[way[-1]].conditions]
    return None
