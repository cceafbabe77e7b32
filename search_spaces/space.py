"""A whole search space: ordered named axes, their conditions, and its plain form."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from search_spaces.checks import Choice, is_among
from search_spaces.conditions import condition_problems, parents_first, without_impossible
from search_spaces.errors import SpaceError, shown, unknown
from search_spaces.parameters import Axis, Ordinal, SuggestingTrial
from search_spaces.plain import names_condition, read_axis, replacement
from search_spaces.plain_yaml import YamlError, dump_yaml, load_yaml

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MAX_NAME = 512
"""Characters of an axis name that every study database keeps."""


class Space(Mapping[str, Axis]):
    """Ordered, named axes; immutable. `Space(lr=Float(...))` and `Space({"lr": Float(...)})`.

    Raises:
        SpaceError: Names, axes or conditions cannot be used; every mistake is listed.
    """

    def __init__(self, axes: Mapping[str, Axis] | None = None, /, **named: Axis) -> None:
        self._axes = {**(axes or {}), **named}
        problems = _problems(self._axes, "space")
        if problems:
            raise SpaceError(problems)

    def __getitem__(self, name: str) -> Axis:
        return self._axes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._axes)

    def __len__(self) -> int:
        return len(self._axes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return list(self._axes.items()) == list(other._axes.items())

    def __hash__(self) -> int:
        return hash(tuple(self._axes.items()))

    def __repr__(self) -> str:
        return f"Space({', '.join(f'{name}={axis!r}' for name, axis in self._axes.items())})"

    @property
    def is_conditional(self) -> bool:
        """Whether some axis is present under conditions only."""
        return any(axis.conditions for axis in self._axes.values())

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distribution of every axis, conditions aside."""
        return {name: axis.distribution for name, axis in self._axes.items()}

    def suggest(self, trial: SuggestingTrial) -> dict[str, Choice]:
        """A value of every active axis, asked of `trial` in order."""
        params: dict[str, Choice] = {}
        for name, axis in self._axes.items():
            if _holds(axis, params):
                params[name] = axis.suggest(trial, name)
        return params

    def active(self, params: Mapping[str, object]) -> list[str]:
        """The axes that are present under `params`; values of absent axes count for nothing."""
        held: dict[str, object] = {}
        names = []
        for name, axis in self._axes.items():
            if _holds(axis, held):
                names.append(name)
                held |= {name: params[name]} if name in params else {}
        return names

    def validate(self, params: Mapping[str, object], where: str = "params") -> list[str]:
        """What keeps `params` from being a point of this space; empty when nothing does."""
        active = self.active(params)
        problems = [
            f"{where}.{name}: must be given ({_domain(self._axes[name])})"
            for name in active
            if name not in params
        ]
        for name, value in params.items():
            if name not in self._axes:
                problems.append(f"{where}: {unknown('axis', name, self._axes)}")
            elif name not in active:
                when = self._axes[name].to_plain()["when"]
                problems.append(f"{where}.{name}: must be absent unless {when}")
            elif not self._axes[name].contains(value):
                domain = _domain(self._axes[name])
                problems.append(f"{where}.{name}: must be {domain}, got {shown(value)}")
        return problems

    def ordinal_distances(self) -> dict[str, Callable[[Choice, Choice], float]]:
        """Ordinal axis -> how far apart two of its choices stand, for a sampler that asks."""
        return {n: axis.distance for n, axis in self._axes.items() if isinstance(axis, Ordinal)}

    def grid_size(self) -> int:
        """How many points `grid` has.

        Raises:
            SpaceError: An axis is continuous.
        """
        values = self._grid_values()
        parents = {parent for axis in self._axes.values() for parent in axis.conditions}
        rest = {name: axis for name, axis in self._axes.items() if name not in parents}
        branches = {name: axis for name, axis in self._axes.items() if name in parents}
        return sum(
            prod(len(values[name]) for name, axis in rest.items() if _holds(axis, point))
            for point in _points(list(branches.items()), values, {})
        )

    def grid(self) -> Iterator[dict[str, Choice]]:
        """Every combination of values once, the last axis changing fastest.

        Raises:
            SpaceError: An axis is continuous.
        """
        return _points(list(self._axes.items()), self._grid_values(), {})

    def override(
        self,
        changes: Mapping[str, object],
        where: str = "space",
        closed: bool = True,
        choices: Mapping[str, Sequence[Choice]] | None = None,
    ) -> Space:
        """This ready space with some axes replaced; the others stay.

        A replaced axis keeps its place and, unless the change says `when` itself (`when: null`
        removes it), its condition. An unnamed axis whose condition can no longer hold is left
        out. An axis is moved behind a parent that its new condition names.

        Args:
            changes: Axis -> a value that fixes it, a mapping with a type, or an axis. A number
                may leave the ready range, but not become negative where the range is not; other
                values must be among the ready choices.
            where: What the messages call this space.
            closed: Whether axes that the ready space lacks are refused.
            choices: Axis -> all values it may take, where these are not the ready ones.

        Raises:
            SpaceError: Every mistake in `changes`.
        """
        axes = dict(self._axes)
        problems, unread = _change(axes, changes, where, closed, choices or {})
        written = {name for name, plain in changes.items() if names_condition(plain)}
        axes = without_impossible(parents_first(axes), {*changes}, written, unread)
        problems += _problems(axes, where, unread)
        if problems:
            raise SpaceError(problems)
        return Space(axes)

    def _grid_values(self) -> dict[str, Sequence[Choice]]:
        values = {name: axis.values() for name, axis in self._axes.items()}
        problems = [
            f"space.{name}: must have a step to be on a grid, got a continuous float"
            for name, listed in values.items()
            if listed is None
        ]
        if problems:
            raise SpaceError(problems)
        return {name: listed for name, listed in values.items() if listed is not None}

    def to_plain(self) -> dict[str, Any]:
        """The space in scalars, lists and mappings; `from_plain` gives it back."""
        return {name: axis.to_plain() for name, axis in self._axes.items()}

    @classmethod
    def from_plain(cls, mapping: object, where: str = "space") -> Space:
        """The space that a mapping of axis to value or description stands for.

        Raises:
            SpaceError: Every mistake, as `where.axis: text`.
        """
        if not isinstance(mapping, Mapping):
            raise SpaceError([f"{where}: must be a mapping of axes, got {shown(mapping)}"])
        axes: dict[str, Axis] = {}
        problems: list[str] = []
        for name, plain in mapping.items():
            try:
                axes[name] = read_axis(plain)
            except SpaceError as error:
                problems += [f"{_at(where, name)}: {problem}" for problem in error.problems]
        problems += _problems(axes, where, [name for name in mapping if name not in axes])
        if problems:
            raise SpaceError(problems)
        return cls(axes)

    def to_yaml(self) -> str:
        """The plain form as YAML."""
        return dump_yaml(self.to_plain())

    @classmethod
    def from_yaml(cls, text: str, name: str = "space") -> Space:
        """The space written in `text`.

        Raises:
            SpaceError: The text is no YAML (then `name:line:column: ...`) or no space.
        """
        try:
            plain = load_yaml(text, name)
        except YamlError as error:
            raise SpaceError(error.problems) from error
        return cls.from_plain(plain, where=name)


def _change(
    axes: dict[str, Axis],
    changes: Mapping[str, object],
    where: str,
    closed: bool,
    choices: Mapping[str, Sequence[Choice]],
) -> tuple[list[str], list[str]]:
    """Replaces axes as `Space.override` says; returns what is wrong, and which were not read.

    An axis whose change cannot be read is taken out of `axes`.
    """
    ready = dict(axes)
    problems: list[str] = []
    unread = []
    for name, plain in changes.items():
        if name not in ready and closed:
            problems.append(f"{where}: {unknown('axis', name, ready)}")
            continue
        try:
            is_new = name not in ready
            axes[name] = (
                read_axis(plain) if is_new else replacement(plain, ready[name], choices.get(name))
            )
        except SpaceError as error:
            problems += [f"{_at(where, name)}: {problem}" for problem in error.problems]
            unread.append(name)
            axes.pop(name, None)
    return problems, unread


def _holds(axis: Axis, held: Mapping[str, object]) -> bool:
    """Whether the axis is present, given the values of all present axes before it."""
    return all(
        parent in held and is_among(held[parent], values)
        for parent, values in axis.conditions.items()
    )


def _points(
    axes: Sequence[tuple[str, Axis]],
    values: Mapping[str, Sequence[Choice]],
    held: dict[str, Choice],
) -> Iterator[dict[str, Choice]]:
    """Every way to go on from `held` through `axes`, the last changing fastest."""
    if not axes:
        yield held
        return
    (name, axis), rest = axes[0], axes[1:]
    if not _holds(axis, held):
        yield from _points(rest, values, held)
        return
    for value in values[name]:
        yield from _points(rest, values, {**held, name: value})


def _domain(axis: Axis) -> str:
    """What `axis` can take, in words."""
    plain = axis.to_plain()
    if not isinstance(plain, dict):
        return repr(plain)
    if "low" in plain:
        step = f" in steps of {plain['step']}" if "step" in plain else ""
        return f"{plain['type']} from {plain['low']} to {plain['high']}{step}"
    return ", ".join(repr(value) for value in axis.values() or ())


def _at(where: str, name: object) -> str:
    """The path of one axis, on one line and not too long."""
    is_plain = isinstance(name, str) and name.isprintable() and 0 < len(name) <= MAX_NAME
    return f"{where}.{name}" if is_plain else f"{where}[{shown(name)}]"


def _name_problems(name: object, where: str) -> list[str]:
    """What is wrong with the name of an axis."""
    if not isinstance(name, str) or not name or not name.isprintable():
        must = "an axis name must be printable text of at least one character"
        return [f"{where}: {must}, got {shown(name)}"]
    if len(name) > MAX_NAME:
        must = f"an axis name must have at most {MAX_NAME} characters"
        return [f"{where}: {must}, got {len(name)} in {shown(name)}"]
    return []


def _problems(axes: Mapping[str, Axis], where: str, unread: Collection[object] = ()) -> list[str]:
    """Everything wrong with the names, types and conditions of `axes`.

    Args:
        axes: The axes that could be read.
        where: What the messages call the space.
        unread: Further axes, which could not be read and are complained of elsewhere.
    """
    if not axes and not unread:
        return [f"{where}: must have at least one axis, got none"]
    problems = [problem for name in [*axes, *unread] for problem in _name_problems(name, where)]
    wrong = {name: axis for name, axis in axes.items() if not isinstance(axis, Axis)}
    problems += [
        f"{_at(where, name)}: must be an axis such as Float or Constant, got {shown(axis)}"
        for name, axis in wrong.items()
    ]
    sound = {name: axis for name, axis in axes.items() if name not in wrong}
    ignored = {*wrong, *unread}
    return problems + [
        f"{_at(where, name)}: {problem}" for name, problem in condition_problems(sound, ignored)
    ]
