"""How `module:function` becomes a function, and what is wrong when it does not."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner.errors import InputError
from tuner.wording import shown, unknown


def import_objective(name: str, takes_report: bool = False) -> Callable[..., Any]:
    """The function that `name` (`module:function`) stands for.

    The current directory is put on the import path, where it stays: lanes import from it too.

    Args:
        name: What to import.
        takes_report: The function is called as `function(params, report)`, because a space is
            given, and not as `function(trial)`.

    Raises:
        InputError: There is no such module or function, it cannot be imported, or it takes
            other arguments.
    """
    module_name, colon, attribute = name.partition(":")
    if not (colon and module_name and attribute):
        raise InputError(f"objective: must be module:function, got {shown(name)}")
    target: Any = import_user_module("objective", module_name)
    for step in attribute.split("."):
        if not hasattr(target, step):
            known = [word for word in dir(target) if not word.startswith("_")]
            raise InputError(unknown("objective", f"name in {module_name}", step, known))
        target = getattr(target, step)
    if problem := signature_problem(target, name, takes_report):
        raise InputError(problem)
    return target  # type: ignore[no-any-return]


def signature_problem(function: object, name: str, takes_report: bool) -> str | None:
    """One line that says why `function` cannot be called as an objective, or None."""
    if not callable(function):
        return f"objective: {name} must be a function, got {type(function).__name__}"
    wanted = ("params", "report") if takes_report else ("trial",)
    try:
        signature = inspect.signature(function)
    except ValueError:
        return None
    try:
        signature.bind(*wanted)
    except TypeError:
        reason = "with a space" if takes_report else "without a space"
        return (
            f"objective: {name} must accept ({', '.join(wanted)}), as functions {reason} do, "
            f"got {signature}"
        )
    return None


def import_user_module(where: str, module_name: str) -> object:
    """A module of the user's, from the current directory or installed.

    Args:
        where: What names it, for messages: `objective` or `trainer`.
        module_name: With dots.

    Raises:
        InputError: There is none, or it raises.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise InputError(
                f"{where}: no module {module_name!r} is in {here} or installed"
            ) from error
        raise InputError(f"{where}: importing {module_name} failed: {error}") from error
    except (Exception, SystemExit) as error:
        lines = str(error).strip().splitlines() or [""]
        raise InputError(
            f"{where}: importing {module_name} failed: {type(error).__name__}: {lines[-1]}"
        ) from error
