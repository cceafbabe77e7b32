"""How a trial's parameters become a trainer's settings: names are checked, defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)


def settings_of(kind: type[Settings], params: Mapping[str, Any]) -> Settings:
    """A `kind`, a dataclass whose fields are axes with defaults, with the values of `params`.

    Raises:
        ValueError: An axis that `kind` does not have.
    """
    names = [field.name for field in fields(kind)]
    unknown = sorted(set(params) - set(names))
    if unknown:
        raise ValueError(f"params: unknown axes {unknown}; there are {', '.join(names)}")
    return kind(**params)
