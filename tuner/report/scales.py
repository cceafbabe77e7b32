"""Hides how values and parameters become positions on axes, and which marks are left out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tuner.report import text
from tuner.report.facts import UndrawableError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from tuner.report.data import StudyRecord

LOG_SPAN = 100.0  # highest over lowest from which positive values are drawn on a log axis
CUT_SPAN = 8.0  # full span over the middle 90 % from which the worse end is cut off
LOG_CUT_SPAN = 2.5  # the same in powers of ten
_LARGEST = 1e300  # beyond, differences of floats overflow

Item = TypeVar("Item")


@dataclass(frozen=True)
class ValueAxis:
    """The range that shows values well.

    Attributes:
        is_log: The bounds are powers of ten.
        low: Lower bound, in axis units.
        high: Upper bound, in axis units, above `low`.
        n_beyond: Values that lie outside.
    """

    is_log: bool
    low: float
    high: float
    n_beyond: int = 0

    def position(self, value: float) -> float:
        """Where `value` lies, 0 at the lower bound and 1 at the upper, cut off beyond them."""
        if self.is_log:
            place = math.log10(value) if value > 0 else self.low
        else:
            place = min(max(value, -_LARGEST), _LARGEST)
        return min(1.0, max(0.0, (place - self.low) / (self.high - self.low)))


def value_axis(values: Iterable[float], direction: str) -> ValueAxis:
    """The axis for `values` (at least one finite): log for wide positive ones, outliers cut off.

    Only the worse end is ever cut, so the best values are always in view.

    Args:
        values: Non-finite ones are passed over.
        direction: `minimize` or `maximize`, which says what the worse end is.
    """
    ordered = sorted(min(max(v, -_LARGEST), _LARGEST) for v in values if math.isfinite(v))
    is_log = ordered[0] > 0 and ordered[-1] / ordered[0] >= LOG_SPAN
    places = [math.log10(value) for value in ordered] if is_log else ordered
    low, high = places[0], places[-1]
    inner_low, inner_high = _quantile(places, 0.05), _quantile(places, 0.95)
    inner = inner_high - inner_low
    if len(places) >= 10 and 0 < inner < (high - low) / (LOG_CUT_SPAN if is_log else CUT_SPAN):
        if direction == "maximize":
            low = max(low, inner_low - inner)
        else:
            high = min(high, inner_high + inner)
    beyond = sum(not low <= place <= high for place in places)
    span = high - low
    pad = max(0.05 * span, 1e-9 * max(abs(low), abs(high))) if span > 0 else abs(low) * 0.05 or 1.0
    return ValueAxis(is_log, low - pad, high + pad, beyond)


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[round(share * (len(ordered) - 1))]


@dataclass(frozen=True)
class ParameterAxis:
    """One parameter as an axis.

    Attributes:
        name: The parameter.
        kind: How its values are spread.
        low: Lower bound, in axis units: log10 of the value, or the index of the choice.
        high: Upper bound, in axis units.
        is_integer: Only whole numbers lie on it.
        labels: The choices of a category, in order.
        indices: `repr` of a choice -> its place.
    """

    name: str
    kind: Literal["linear", "log", "category"]
    low: float
    high: float
    is_integer: bool = False
    labels: tuple[str, ...] = ()
    indices: dict[str, int] = field(default_factory=dict)

    @property
    def varies(self) -> bool:
        """True when the parameter can take two values or more."""
        return self.high > self.low

    def position(self, value: Any) -> float | None:
        """Where `value` lies in axis units, or None when it has no place there."""
        if self.kind == "category":
            return _float(self.indices.get(repr(value)))
        plain = _float(value)
        if plain is None or self.kind == "linear":
            return plain
        return math.log10(plain) if plain > 0 else None

    def share(self, params: Mapping[str, Any]) -> float | None:
        """Where a trial with these parameters lies between 0 and 1, or None where it does not."""
        if self.name not in params:
            return None
        place = self.position(params[self.name])
        return None if place is None else (place - self.low) / (self.high - self.low)

    def words(self, place: float) -> str:
        """The value at a position in axis units, as a reader wants it."""
        if self.kind == "category":
            return self.labels[int(place)]
        value = 10.0**place if self.kind == "log" else place
        return text.number(float(round(value)) if self.is_integer else value)

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """Position in axis units and label of at most `count` marks (all choices up to 12)."""
        if self.kind == "category":
            return [(float(i), self.labels[i]) for i in even(range(len(self.labels)), 12)]
        if not self.varies:
            return [(self.low, self._tick_label(self.low))]
        steps = count
        if self.is_integer and self.kind == "linear":
            steps = int(min(count, self.high - self.low + 1))
        span = self.high - self.low
        places = [self.low + span * i / (steps - 1) for i in range(steps)]
        if self.kind == "log" and not self.is_integer and span >= 2 and steps > 2:
            step = math.ceil(span / (steps - 1) - 1e-9)
            first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
            places = [float(power) for power in range(first, last + 1, step)]
        if self.is_integer and self.kind == "linear":
            places = [float(round(place)) for place in places]
        return [(place, self._tick_label(place)) for place in places]

    def _tick_label(self, place: float) -> str:
        value = 10.0**place if self.kind == "log" else place
        return text.number(float(round(value)) if self.is_integer else value, digits=3)


def parameter_axes(study: StudyRecord) -> list[ParameterAxis]:
    """An axis for every parameter that varies, in the order of the study's distributions."""
    names = list(study.distributions)
    seen: dict[str, list[Any]] = {}
    for trial in study.trials:
        for name, value in trial.params.items():
            seen.setdefault(name, []).append(value)
    names += [name for name in seen if name not in study.distributions]
    axes = [_axis(name, study.distributions.get(name), seen.get(name, [])) for name in names]
    return [axis for axis in axes if axis.varies]


def drawn_axes(study: StudyRecord) -> list[ParameterAxis]:
    """The axes of the parameters that vary, at least one.

    Raises:
        UndrawableError: No parameter varies, or there is no trial.
    """
    axes = parameter_axes(study)
    if not axes:
        none = "No parameter of this study varies."
        raise UndrawableError(none if study.trials else "The study has no trials yet.")
    return axes


def _axis(name: str, distribution: BaseDistribution | None, seen: list[Any]) -> ParameterAxis:
    choices = getattr(distribution, "choices", None)
    numbers = [place for value in seen if (place := _float(value)) is not None]
    if choices is not None or len(numbers) < len(seen):
        return _category_axis(name, [*(choices or ()), *seen])
    is_log = bool(getattr(distribution, "log", False)) and all(n > 0 for n in numbers)
    bounds = [_float(getattr(distribution, key, None)) for key in ("low", "high")]
    places = [b for b in bounds if b is not None] + numbers
    places = [math.log10(place) for place in places] if is_log else places
    low, high = (min(places), max(places)) if places else (0.0, 0.0)
    is_integer = type(distribution).__name__ == "IntDistribution" or (
        distribution is None and all(isinstance(value, int) for value in seen)
    )
    return ParameterAxis(name, "log" if is_log else "linear", low, high, is_integer)


def _category_axis(name: str, choices: list[Any]) -> ParameterAxis:
    distinct: dict[str, Any] = {}
    for choice in choices:
        distinct.setdefault(repr(choice), choice)
    plain = [str(choice) for choice in distinct.values()]
    labels = [
        shown if plain.count(shown) == 1 else key
        for key, shown in zip(distinct, plain, strict=True)
    ]
    indices = {key: index for index, key in enumerate(distinct)}
    return ParameterAxis(
        name, "category", 0.0, float(len(labels) - 1), labels=tuple(labels), indices=indices
    )


def _float(value: Any) -> float | None:
    """`value` as a finite float within reach of an axis, or None; truth values are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    plain = text.float_of(value) if isinstance(value, int) else float(value)
    return plain if abs(plain) <= _LARGEST else None


def even(items: Sequence[Item], limit: int) -> list[Item]:
    """`items`, or `limit` of them spread evenly with both ends among them, in order."""
    if len(items) <= limit:
        return list(items)
    if limit == 1:
        return [items[-1]]
    last = len(items) - 1
    return [items[round(index * last / (limit - 1))] for index in range(limit)]


def thinned(items: Sequence[Item], limit: int, keep: Collection[int] = ()) -> list[Item]:
    """At most `limit` of `items` in order: those at the places `keep` first, others evenly.

    Args:
        items: What to thin.
        limit: Most that stay.
        keep: Places in `items` that stay, most important first; beyond `limit` they go too.
    """
    if len(items) <= limit:
        return list(items)
    kept = set(list(dict.fromkeys(keep))[:limit])
    others = [place for place in range(len(items)) if place not in kept]
    if limit > len(kept):
        kept.update(even(others, limit - len(kept)))
    return [items[place] for place in sorted(kept)]
