"""How mistakes in data are reported: all at once, naming column and row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MAX_ROWS_NAMED = 5


class DataError(ValueError):
    """Data that cannot be used. Rows count from 1, headers left out.

    Attributes:
        problems: One line per mistake.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type[DataError], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


def rows_named(rows: Sequence[int]) -> str:
    """`rows` (counted from 0) as words, counted from 1: `row 3`, `rows 1, 2, 3`, ..."""
    named = ", ".join(str(row + 1) for row in rows[:MAX_ROWS_NAMED])
    more = len(rows) - MAX_ROWS_NAMED
    return f"row{'s' * (len(rows) > 1)} {named}" + (f" and {more} more" if more > 0 else "")


def nearest(word: object, known: Iterable[object]) -> str:
    """What exists in place of `word`, with the nearest one if one is near."""
    words = [str(one) for one in known]
    near = get_close_matches(str(word), words, n=1)
    shown = ", ".join(words[:20]) + (", ..." if len(words) > 20 else "")
    return f"did you mean {near[0]!r}? ({shown})" if near else shown
