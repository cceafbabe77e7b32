"""How options of a spec become arguments of a factory: the signature is the list of them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args

from tuner.wording import shown, unknown


def factory(entry: str) -> Callable[..., Any]:
    """The function that a table's `module:function` stands for."""
    module, _, name = entry.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def build(entry: str, task: object, options: Mapping[str, Any]) -> Any:
    """What the factory makes for `task`; the options have been checked."""
    return factory(entry)(task, **options)


def description(entry: str) -> str:
    """One line that says what the factory makes, for a list of them."""
    return (inspect.getdoc(factory(entry)) or "").partition("\n")[0]


def defaults(entry: str) -> dict[str, Any]:
    """Every option of the factory with its default."""
    return {name: parameter.default for name, parameter in _options(entry).items()}


def option_problems(where: str, entry: str, options: Mapping[str, Any]) -> list[str]:
    """A line for every option that the factory does not have or whose value it refuses."""
    legal = _options(entry)
    problems = []
    for name, value in options.items():
        if name not in legal:
            known = tuple(legal) or ("it has none",)
            problems.append(unknown(f"{where}.{name}", "option", name, known))
            continue
        _, check = get_args(legal[name].annotation)
        try:
            check(value)
        except ValueError as error:
            problems.append(f"{where}.{name}: {error.args[0]}, got {shown(value)}")
    return problems


def _options(entry: str) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(factory(entry)).parameters.values()
    return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
