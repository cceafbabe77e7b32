"""Which stacks of a lane train next, so that the ledger judges some while others train."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def next_due(stacks: Mapping[str, int], trained: Collection[str]) -> tuple[str, ...]:
    """The stacks that did not train in this turn; where these are all or none, half of the rows.

    What the ledger makes of a turn is known after the turn behind it. If other stacks train in
    that one, no row trains on though it is to be stopped. A single stack trains in every turn.

    Args:
        stacks: Rows of each stack of the lane.
        trained: Stacks that trained in this turn.

    Returns:
        Names of stacks, sorted; empty without rows.
    """
    rested = sorted(stacks.keys() - set(trained))
    if rested and len(rested) < len(stacks):
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
