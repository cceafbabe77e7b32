"""When a study needs its users' own code, and that it comes from them and never from a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tuner.errors import InputError

if TYPE_CHECKING:
    from tuner.spec import Spec


def code_of(spec: Spec) -> str | None:
    """Import string of the function or trainer that `spec` was launched with, or None."""
    is_own_trainer = spec.trainer is not None and ":" in spec.trainer
    return spec.trainer if is_own_trainer else spec.objective


def given_again(
    study: str, spec: Spec, given: str | Callable[..., Any] | None
) -> Callable[..., Any] | None:
    """What stands in for the trainer or import string of `spec`; None where it says all.

    Args:
        study: Name, for messages.
        spec: As stored. Its import string is used only when it is given again: others may write
            the database, and importing is executing.
        given: Function, trainer class or import string of whoever wants the study to run.

    Raises:
        InputError: The study's code must be given again.
    """
    own = code_of(spec)
    if own is not None and given != own:
        text = f"its code must be given again: objective={own!r}, or --objective {own}"
        raise InputError(f"study {study!r}: {text}")
    if own is not None or spec.trainer is not None:
        return None
    if not callable(given):
        raise InputError(f"study {study!r}: give its function again (objective=)")
    return given
