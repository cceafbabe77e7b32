"""One axis of a search space each: what values it has, and how Optuna is asked for one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from search_spaces.checks import (
    MAX_WHOLE,
    Choice,
    When,
    as_float,
    as_tuple,
    choice_problems,
    is_among,
    is_number,
    is_same,
    is_whole,
    log_problems,
    plain_choice,
    range_problems,
    read_when,
    repeat_problems,
)
from search_spaces.errors import SpaceError, shown

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class SuggestingTrial(Protocol):
    """The part of `optuna.Trial` that an axis needs."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number between `low` and `high`."""

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """A whole number between `low` and `high`."""

    def suggest_categorical(self, name: str, choices: Sequence[Choice], /) -> Any:
        """One of `choices`."""


@dataclass(frozen=True)
class Axis(ABC):
    """One named dimension of a space; it does not know its name.

    Attributes:
        when: Axis -> its values under which this axis is present; all must hold. None: always.
            Kept as a mapping to tuples, whatever form was given.
    """

    type_name: ClassVar[str]
    when: When | None = field(default=None, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        when, problems = read_when(self.when)
        object.__setattr__(self, "when", when)
        problems = [*self._normalise(), *problems]
        if problems:
            raise SpaceError(problems)

    @property
    def conditions(self) -> dict[str, tuple[Choice, ...]]:
        """Axis -> its values under which this axis is present; empty when it always is."""
        return {name: as_tuple(values) for name, values in (self.when or {}).items()}

    @property
    @abstractmethod
    def distribution(self) -> BaseDistribution:
        """What Optuna's samplers and storages see."""

    @abstractmethod
    def suggest(self, trial: SuggestingTrial, name: str) -> Choice:
        """A value for `trial`, chosen by its study's sampler."""

    @abstractmethod
    def contains(self, value: object) -> bool:
        """Whether the axis can take `value`."""

    @abstractmethod
    def values(self) -> Sequence[Choice] | None:
        """All values in order, or None when there is a continuum of them."""

    @abstractmethod
    def to_plain(self) -> Any:
        """The axis in scalars, lists and mappings, as a spec writes it."""

    @abstractmethod
    def _normalise(self) -> list[str]:
        """Gives the fields their exact types; returns what is wrong with them."""

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _plain_when(self) -> dict[str, Any]:
        plain = {
            name: values[0] if len(values) == 1 else list(values)
            for name, values in self.conditions.items()
        }
        return {"when": plain} if plain else {}


@dataclass(frozen=True)
class Float(Axis):
    """A number in [low, high], uniform in its logarithm with `log`, on a grid with `step`."""

    type_name: ClassVar[str] = "float"
    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)

    @property
    def distribution(self) -> BaseDistribution:
        """Optuna's FloatDistribution."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest(self, trial: SuggestingTrial, name: str) -> float:
        """A number for `trial`."""
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def contains(self, value: object) -> bool:
        """Whether `value` is a number within the bounds and on the grid."""
        if not is_number(value):
            return False
        number = float(value)  # type: ignore[arg-type]
        if not self.low <= number <= self.high:
            return False
        steps = 0.0 if self.step is None else (number - self.low) / self.step
        return abs(steps - round(steps)) < 1e-8  # the tolerance of Optuna's distribution

    def values(self) -> Sequence[float] | None:
        """The points of the grid, or None without a step."""
        if self.step is None:
            return None
        return _Grid(Decimal(str(self.low)), Decimal(str(self.high)), Decimal(str(self.step)))

    def to_plain(self) -> dict[str, Any]:
        """The keys type, low, high, and those of log, step, when that are set."""
        plain: dict[str, Any] = {"type": self.type_name, "low": self.low, "high": self.high}
        if self.log:
            plain["log"] = True
        if self.step is not None:
            plain["step"] = self.step
        return plain | self._plain_when()

    def _normalise(self) -> list[str]:
        fields = ("low", "high") if self.step is None else ("low", "high", "step")
        problems = log_problems(self.log)
        read: dict[str, float] = {}
        for name in fields:
            value = getattr(self, name)
            number = as_float(value)
            if number is None:
                problems.append(f"{name} must be a finite number, got {shown(value)}")
            else:
                read[name] = number
                self._set(name, number)
        ends = read.get("low"), read.get("high")
        return problems + range_problems(*ends, self.log is True, read.get("step"))


@dataclass(frozen=True)
class Int(Axis):
    """A whole number in [low, high], uniform in its logarithm with `log`, every `step`-th."""

    type_name: ClassVar[str] = "int"
    low: int
    high: int
    log: bool = field(default=False, kw_only=True)
    step: int | None = field(default=1, kw_only=True)

    @property
    def distribution(self) -> BaseDistribution:
        """Optuna's IntDistribution."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log, step=self.step or 1)

    def suggest(self, trial: SuggestingTrial, name: str) -> int:
        """A whole number for `trial`."""
        return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)

    def contains(self, value: object) -> bool:
        """Whether `value` is a whole number within the bounds and on the grid."""
        if not is_whole(value):
            return False
        return int(value) in range(self.low, self.high + 1, self.step or 1)  # type: ignore[call-overload]

    def values(self) -> Sequence[int]:
        """Every whole number of the axis, upwards."""
        return range(self.low, self.high + 1, self.step or 1)

    def to_plain(self) -> dict[str, Any]:
        """The keys type, low, high, and those of log, step, when that are set."""
        plain: dict[str, Any] = {"type": self.type_name, "low": self.low, "high": self.high}
        if self.log:
            plain["log"] = True
        if self.step != 1:
            plain["step"] = self.step
        return plain | self._plain_when()

    def _normalise(self) -> list[str]:
        if self.step is None:
            self._set("step", 1)
        problems = log_problems(self.log)
        read: dict[str, int] = {}
        for name in ("low", "high", "step"):
            value = getattr(self, name)
            if is_whole(value) and abs(value) <= MAX_WHOLE:
                read[name] = int(value)
                self._set(name, read[name])
            else:
                must = "a whole number within 2**53"
                problems.append(f"{name} must be {must}, got {shown(value)}")
        step = None if self.step == 1 else read.get("step")
        return problems + range_problems(read.get("low"), read.get("high"), self.log is True, step)


@dataclass(frozen=True)
class Categorical(Axis):
    """One of `choices`, which have no order."""

    type_name: ClassVar[str] = "categorical"
    choices: Sequence[Choice]

    @property
    def distribution(self) -> BaseDistribution:
        """Optuna's CategoricalDistribution."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(tuple(self.choices))

    def suggest(self, trial: SuggestingTrial, name: str) -> Choice:
        """One of the choices for `trial`."""
        choice: Choice = trial.suggest_categorical(name, tuple(self.choices))
        return choice

    def contains(self, value: object) -> bool:
        """Whether `value` is one of the choices."""
        return is_among(value, self.choices)

    def values(self) -> Sequence[Choice]:
        """The choices in their order."""
        return self.choices

    def to_plain(self) -> dict[str, Any]:
        """The keys type, choices, and when if set."""
        return {"type": self.type_name, "choices": list(self.choices)} | self._plain_when()

    def _normalise(self) -> list[str]:
        choices = self.choices
        if isinstance(choices, (str, bytes)) or not isinstance(choices, Sequence):
            return [f"choices must be a list, got {shown(choices)}"]
        self._set("choices", tuple(plain_choice(choice) for choice in choices))
        if not choices:
            return ["choices must have at least one entry, got none"]
        return choice_problems("choices", choices) or repeat_problems(choices)


@dataclass(frozen=True)
class Ordinal(Categorical):
    """One of `choices`, which stand in their natural order."""

    type_name: ClassVar[str] = "ordinal"

    def distance(self, one: Choice, other: Choice) -> float:
        """How many places apart two choices stand.

        Raises:
            ValueError: One of them is not among the choices.
        """
        return float(abs(self.choices.index(one) - self.choices.index(other)))


@dataclass(frozen=True)
class Constant(Axis):
    """One fixed value; a categorical of a single choice, so that it shows."""

    type_name: ClassVar[str] = "constant"
    value: Choice

    @property
    def distribution(self) -> BaseDistribution:
        """Optuna's CategoricalDistribution with one choice."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution((self.value,))

    def suggest(self, trial: SuggestingTrial, name: str) -> Choice:
        """The value, recorded in `trial`."""
        choice: Choice = trial.suggest_categorical(name, (self.value,))
        return choice

    def contains(self, value: object) -> bool:
        """Whether `value` is the fixed one."""
        return is_same(value, self.value)

    def values(self) -> Sequence[Choice]:
        """The one value."""
        return (self.value,)

    def to_plain(self) -> Any:
        """The value alone, or a mapping when the axis has a condition."""
        when = self._plain_when()
        return {"type": self.type_name, "value": self.value} | when if when else self.value

    def _normalise(self) -> list[str]:
        self._set("value", plain_choice(self.value))
        return choice_problems("value", (self.value,))


class _Grid(Sequence[float]):
    """The points low, low + step, ... up to high, in decimal so that 0.1 + 2·0.1 is 0.3."""

    def __init__(self, low: Decimal, high: Decimal, step: Decimal) -> None:
        self._low, self._step = low, step
        self._n = int((high - low) / step) + 1

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[float]:
        return (float(self._low + index * self._step) for index in range(self._n))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [float(self._low + i * self._step) for i in range(self._n)[index]]
        return float(self._low + range(self._n)[index] * self._step)
