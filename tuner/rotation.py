"""Which stacks of a lane train next, so that the ledger judges some while others train.

A unit is what may train in a turn of its own: a block of a cohort that can be divided, else a
whole cohort. Its name says of which structure it is, so that the lane's next life finds it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from trials.contract import Cohort, Divisible, Progress

Cohorts = Mapping[Hashable, "Cohort"]
"""A lane's cohorts by their structures."""


def is_divisible(cohort: Cohort) -> TypeGuard[Divisible]:
    """Whether its blocks may train at different times; asked often, so nothing is computed."""
    return hasattr(type(cohort), "block_of")


def units(cohorts: Cohorts) -> dict[str, int]:
    """Rows of each unit, by its name."""
    found = {}
    for home, cohort in cohorts.items():
        blocks = cohort.blocks if is_divisible(cohort) else {"": len(cohort.keys)}
        found.update({_name(home, block): n_rows for block, n_rows in blocks.items()})
    return found


def unit_of(home: Hashable, cohort: Cohort, key: int) -> str:
    """The name of the unit that the row is in."""
    return _name(home, cohort.block_of(key) if is_divisible(cohort) else "")


def stacks(cohorts: Cohorts, due: Collection[str]) -> dict[str, int]:
    """Rows of each stack of the units that are `due`, by what they have in common."""
    found: Counter[str] = Counter()
    for home, cohort in cohorts.items():
        if is_divisible(cohort):
            found.update({b: n for b, n in cohort.blocks.items() if _name(home, b) in due})
        elif _name(home) in due:
            found.update(cohort.blocks)
    return dict(found)


def advance(home: Hashable, cohort: Cohort, due: Collection[str]) -> list[Progress]:
    """One epoch of those of the cohort's units that are `due`."""
    if is_divisible(cohort):
        return cohort.advance([block for block in cohort.blocks if _name(home, block) in due])
    return cohort.advance() if _name(home) in due else []


def next_due(stacks: Mapping[str, int], trained: Collection[str]) -> tuple[str, ...]:
    """The stacks that did not train in this turn; half of the rows where none or all of them did.

    What the ledger makes of a turn is known after the turn behind it. If other stacks train in
    that one, no row trains on though it is to be stopped. A single stack trains in every turn.

    Args:
        stacks: Rows of each stack of the lane.
        trained: Stacks that trained in this turn, also those whose rows have ended.

    Returns:
        Names of stacks, sorted; empty without rows.
    """
    rested = sorted(stacks.keys() - set(trained))
    if rested and trained:
        return tuple(rested)
    by_size = sorted(stacks, key=lambda name: (-stacks[name], name))
    due: list[str] = []
    n_rows = 0
    for name in by_size:
        if 2 * n_rows >= sum(stacks.values()):
            break
        due.append(name)
        n_rows += stacks[name]
    return tuple(sorted(due))


def _name(home: Hashable, block: str = "") -> str:
    return f"{home!r} {block}"
