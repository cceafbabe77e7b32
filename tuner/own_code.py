"""When a study needs its users' own code, and that it comes from them and never from a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tuner.errors import InputError
from tuner.import_strings import import_objective
from tuner.resolve import load_trainer

if TYPE_CHECKING:
    from tuner.spec import Spec

UNKNOWN = "MODULE:NAME"
"""Stands for the import string of what was given as an object from Python."""


def code_of(spec: Spec) -> str | None:
    """Import string of the own function or trainer of `spec`; None for a trainer of the table."""
    if spec.trainer is not None:
        return spec.trainer if ":" in spec.trainer else None
    return spec.objective or UNKNOWN


def given_again(
    study: str, spec: Spec, given: str | Callable[..., Any] | None
) -> Callable[..., Any] | None:
    """What stands in for the trainer or import string of `spec`; None where it says all.

    Args:
        study: Name, for messages.
        spec: As stored. Its import string is used only when it is given again: others may write
            the database, and importing is executing.
        given: Function, trainer class or import string of whoever wants the study to run. An
            object that was launched from Python may come back by its import string.

    Raises:
        InputError: The study's code must be given again, or cannot be imported.
    """
    own = code_of(spec)
    if own == UNKNOWN and given is not None:
        return _imported(spec, given) if isinstance(given, str) else given
    if own is not None and given != own:
        text = f"its code must be given again: objective={own!r}, or --objective {own}"
        raise InputError(f"study {study!r}: {text}")
    return None


def _imported(spec: Spec, name: str) -> Callable[..., Any]:
    if spec.data is not None:  # which functions load themselves
        return load_trainer(name)
    return import_objective(name, takes_report=spec.space is not None)
