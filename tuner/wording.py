"""How mistakes are put into words: the nearest known word, and values short enough for a line."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from search_spaces import errors

_LONGEST = 80


def unknown(where: str, kind: str, word: object, known: Collection[str]) -> str:
    """One line that says `word` is no `kind`, which word is nearest, and what there is."""
    return f"{where}: {errors.unknown(kind, word, sorted(known))}"


def shown(value: object) -> str:
    """`value` as YAML would have it, on one line of at most 80 characters."""
    if isinstance(value, str):
        text = repr(value)
    elif value is None or isinstance(value, bool):
        text = json.dumps(value)
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key}: {_inner(item)}" for key, item in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(_inner(item) for item in value) + "]"
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _inner(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else shown(value)
