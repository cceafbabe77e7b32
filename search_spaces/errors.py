"""How mistakes of a search space are worded: all at once, each with the nearest valid word."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MAX_SHOWN = 60
"""Characters of a wrong value that a message shows."""


class SpaceError(ValueError):
    """A search space that cannot be used.

    Attributes:
        problems: One line per mistake.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type[SpaceError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


def shown(value: object) -> str:
    """`value` as a message shows it: on one line, escaped, and not too long."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def unknown(kind: str, word: object, known: Iterable[str]) -> str:
    """The sentence for a word that is not among `known`, with the nearest one if one is near."""
    words = [str(one) for one in known]
    near = get_close_matches(str(word), words, n=1)
    hint = f"did you mean {near[0]!r}? ({', '.join(words)})" if near else ", ".join(words)
    return f"unknown {kind} {shown(word)}; {hint}"
