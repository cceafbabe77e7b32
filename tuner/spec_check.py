"""Hides how all mistakes of a spec are found at once: in its keys, its data and around it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from tuner.errors import InputError
from tuner.launching import check_place
from tuner.resolve import Resolved, algorithm_problems, resolve
from tuner.spec import Spec, SpecError
from tuner.surroundings import check_surroundings

Found = TypeVar("Found")

_SOURCES = frozenset({"trainer", "objective", "data", "target", "task"})
"""Keys that say what is trained; with a wrong one nothing can be said of what fits it."""


def check_spec(spec: Spec, wrong: frozenset[str] = frozenset()) -> Resolved | None:
    """What `spec` stands for, if a study can be launched with it.

    Args:
        spec: As read.
        wrong: Keys that are left out of it since their values cannot be used; what follows from
            that is no mistake, and with one of them there may be nothing that it stands for.

    Raises:
        InputError: Names every mistake.
    """
    problems: list[str] = []
    resolved = None
    # How a function is called depends on whether there is a space.
    if wrong & _SOURCES or (spec.objective and "space" in wrong):
        problems += algorithm_problems(spec, None)
    else:
        resolved = _gathered(problems, resolve, spec)
    _gathered(problems, check_surroundings, spec)
    _gathered(problems, partial(check_place, inline=True), spec)
    problems = [line for line in dict.fromkeys(problems) if _key(line) not in wrong]
    if problems:
        raise InputError(problems)
    return resolved


def other_problems(error: SpecError) -> tuple[str, ...]:
    """What is wrong with a spec beside the keys that `error` names."""
    try:
        check_spec(error.rest, error.wrong)
    except InputError as more:
        return more.problems
    return ()


def _gathered(problems: list[str], check: Callable[[Spec], Found], spec: Spec) -> Found | None:
    """What `check` returns, or None if it has added to `problems`."""
    try:
        return check(spec)
    except InputError as error:
        problems += error.problems
        return None


def _key(problem: str) -> str:
    return re.split(r"[.\[:' ]", problem, maxsplit=1)[0]
