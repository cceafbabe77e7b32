"""What must hold of the single values of a spec, each rule with its words.

Every function here is a pydantic validator that runs before pydantic's own: it returns the value
in its final type or raises `ValueError(what must hold)`, or `ValueError(what must hold, what to
do)`; the spec adds where and what it got.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

NAME_END = 512
_DATABASES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb")
_SERIES = ("window", "horizon")
_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


def whole(
    low: int, end: int | None = None, *, null: bool = False, auto: bool = False
) -> Callable[[Any], Any]:
    """Checks for a whole number in [low, end), or `null`, or `auto` where those are allowed."""

    def check(value: Any) -> Any:
        if (null and value is None) or (auto and value == "auto"):
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("must be auto or a whole number" if auto else "must be a whole number")
        if value < low:
            raise ValueError(f"must be at least {low}")
        if end is not None and value >= end:
            raise ValueError(f"must be below {end}")
        return value

    return check


def number(*, above: float | None = None, null: bool = False) -> Callable[[Any], Any]:
    """Checks for a finite number, greater than `above` if that is given."""

    def check(value: Any) -> Any:
        if null and value is None:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("must be a number")
        if not math.isfinite(value):
            raise ValueError("must be finite")
        if above is not None and value <= above:
            raise ValueError(f"must be greater than {above:g}")
        return float(value)

    return check


def text(*, null: bool = False) -> Callable[[Any], Any]:
    """Checks for text that is not empty."""

    def check(value: Any) -> Any:
        if null and value is None:
            return value
        if not isinstance(value, str):
            raise ValueError("must be text", *(["put it in quotes"] if value is not None else []))
        if not value.strip():
            raise ValueError("must not be empty")
        return value

    return check


def choice(*words: str, null: bool = False) -> Callable[[Any], Any]:
    """Checks for one of `words`."""

    def check(value: Any) -> Any:
        if (null and value is None) or (isinstance(value, str) and value in words):
            return value
        raise ValueError(f"must be {' or '.join(words)}")

    return check


def flag(value: Any) -> Any:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def probability(value: Any) -> Any:
    """A number in [0, 1]."""
    wanted = "must be a number from 0 to 1"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(wanted)
    return float(value)


def share(value: Any) -> Any:
    """A share of one GPU, or a whole number of them, or `auto`."""
    if value == "auto":
        return value
    wanted = "must be auto, a fraction below 1 or a whole number"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(wanted)
    if value < 0 or (value > 1 and value != int(value)):
        raise ValueError(wanted)
    return float(value)


def database_url(value: Any) -> Any:
    """The address of a database that studies can be in, so far as its text tells."""
    text()(value)
    kind, _, rest = value.partition("://")
    if kind.partition("+")[0] not in _DATABASES:
        raise ValueError(
            "must be a database URL such as sqlite:///tuner.db or postgresql://user@host/database"
        )
    if kind.startswith("sqlite"):
        if rest[:1] not in ("", "/"):
            raise ValueError("must have three slashes before a file, and four before a full path")
    elif rest.partition("?")[0].count("@") > 1:
        raise ValueError("must have one @, before the host", "write %40 for one in a password")
    return value


def study_name(value: Any) -> Any:
    """Any text of 1 to 512 characters without control characters or line breaks."""
    if value is None:
        return value
    if not isinstance(value, str):
        raise ValueError("must be text", "put it in quotes")
    if not 1 <= len(value) <= NAME_END or not value.strip():
        raise ValueError(f"must have 1 to {NAME_END} characters", f"it has {len(value)}")
    if any(unicodedata.category(character) in _HIDDEN for character in value):
        raise ValueError("must not hold control characters or line breaks")
    return value


def data_source(value: Any) -> Any:
    """A mapping with exactly one of name, file and idx; text is taken as a name, `idx:DIR` or file.

    Text is a file if it has a slash or a suffix: no name of data has.
    """
    if isinstance(value, BaseModel):
        return value
    if isinstance(value, str | PurePath):
        return _from_shorthand(str(value))
    if not isinstance(value, Mapping):
        return _or_null(value, "must be a name, a file, or keys with values")
    if sum(value.get(key) is not None for key in ("name", "file", "idx")) != 1:
        raise ValueError("must have exactly one of name, file, idx")
    if value.get("time") is not None and value.get("file") is None:
        raise ValueError("must have a file, whose column time is")
    if value.get("time") is None and any(value.get(key) is not None for key in _SERIES):
        raise ValueError("must have time, the column of times, with window or horizon")
    if value.get("drop") and value.get("file") is None:
        raise ValueError("must have a file, whose columns drop names")
    return dict(value)


def columns(value: Any) -> Any:
    """A list of names of columns, none twice; null and none at all are the same."""
    if not value:
        return _or_null(value or None, "must be a list of columns")
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of columns")
    if not all(isinstance(name, str) for name in value):
        raise ValueError("must hold names", "put those that look like numbers in quotes")
    if len(set(value)) < len(value):
        raise ValueError("must not name one twice")
    return tuple(value)


def listed(value: Any) -> Any:
    """A list of mappings with a name, each given so or by its name alone; one name may stand alone.

    The names must differ.
    """
    entries = value.split(",") if isinstance(value, str) else value
    if not isinstance(entries, list | tuple):
        raise ValueError("must be a list of names")
    full = tuple({"name": e.strip()} if isinstance(e, str) else e for e in entries)
    names = [dict(entry).get("name") for entry in full if isinstance(entry, Mapping | BaseModel)]
    if any(names.count(name) > 1 for name in names):
        raise ValueError("must not name one twice")
    return full


def named(*keys: str, null: bool = False) -> Callable[[Any], Any]:
    """Takes a name, or a mapping of `name`, `keys` and options, which are gathered."""

    def check(value: Any) -> Any:
        if (null and value is None) or isinstance(value, BaseModel):
            return value
        if isinstance(value, str):
            return {"name": value}
        if not isinstance(value, Mapping):
            raise ValueError("must be a name, or a name with options")
        own = {key: item for key, item in value.items() if key in ("name", *keys)}
        options = {key: item for key, item in value.items() if key not in own}
        nested = options.pop("options", {})
        if not isinstance(nested, Mapping):
            raise ValueError("options must hold keys with values")
        return {**own, "options": _plain({**options, **nested})}

    return check


def axes(value: Any) -> Any:
    """A mapping of axes, as deep as it goes what JSON can hold."""
    if not isinstance(value, Mapping):
        return _or_null(value, "must hold axes by name")
    return _plain(value)


def _from_shorthand(value: str) -> dict[str, str]:
    if value.startswith("idx:"):
        return {"idx": value.removeprefix("idx:")}
    path = PurePath(value)
    return {"file": value} if path.suffix or len(path.parts) > 1 else {"name": value}


def _or_null(value: Any, wanted: str) -> Any:
    if value is not None:
        raise ValueError(wanted)
    return value


def _plain(value: Any) -> Any:
    """`value` of dict, list, text, finite numbers, booleans and None alone."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("must hold finite numbers")
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) for key in value):
            raise ValueError("must have text for keys", "put them in quotes")
        return {key: _plain(item) for key, item in value.items()}
    raise ValueError(f"must hold text, numbers, true, false and null, not {type(value).__name__}")
