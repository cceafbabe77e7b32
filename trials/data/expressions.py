"""Boolean expressions as trees, drawn at random, with their values as classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trials.data.assemble import Content, assemble
from trials.data.targets import Target

if TYPE_CHECKING:
    from trials.data.dataset import Dataset, Floats

SYMBOLS = ("", "false", "true", "not", "and", "or", "xor")
"""What a node may be; 0 stands for no node."""

NOTHING, FALSE, TRUE, NOT, AND, OR, XOR = range(len(SYMBOLS))

DEPTH = 3
"""Most steps from the root to a leaf."""

N_NODES = 2 ** (DEPTH + 1) - 1
"""Places of a tree: the children of place i are at 2i + 1 and 2i + 2."""

N_EXPRESSIONS = 2000
_SEED = 20251101
_LEAF_CHANCE = 0.1
"""That a place below the root and above the deepest level ends its branch."""


def expressions(seed: int) -> Dataset:
    """2,000 different boolean expressions as trees of depth 3 at most: false or true.

    A point has the symbol of each of 15 places, level by level from the root; 0 where the tree
    has no node. Half of the expressions are true.
    """
    rng = np.random.default_rng(_SEED)
    wanted = {False: N_EXPRESSIONS // 2, True: N_EXPRESSIONS // 2}
    found: dict[tuple[int, ...], bool] = {}
    while any(wanted.values()):
        tree = draw_tree(rng)
        answer = value(tree)
        if tree not in found and wanted[answer]:
            found[tree] = answer
            wanted[answer] -= 1
    x: Floats = np.array(list(found), dtype=np.float32)
    y = np.array(list(found.values()), dtype=np.int64)
    note = "target 'value': 2 classes false, true"
    target = Target("value", "classification", y, ("false", "true"), note)
    names = tuple(f"place {place}" for place in range(N_NODES))
    return assemble(Content("expressions", "trees", x, target, names), seed)


def draw_tree(rng: np.random.Generator) -> tuple[int, ...]:
    """The symbols of a random tree by place; its root is an operator."""
    tree = [NOTHING] * N_NODES
    open_places = [0]
    while open_places:
        place = open_places.pop()
        is_lowest = 2 * place + 1 >= N_NODES
        if is_lowest or (place and rng.random() < _LEAF_CHANCE):
            tree[place] = int(rng.integers(FALSE, TRUE + 1))
            continue
        tree[place] = int(rng.integers(NOT, XOR + 1))
        open_places.append(2 * place + 1)
        if tree[place] != NOT:
            open_places.append(2 * place + 2)
    return tuple(tree)


def value(tree: Sequence[int], place: int = 0) -> bool:
    """What the expression at `place` comes to.

    Raises:
        ValueError: There is no node.
    """
    symbol = int(tree[place])
    if symbol in (FALSE, TRUE):
        return symbol == TRUE
    if symbol == NOTHING:
        raise ValueError(f"tree: must have a node at place {place}")
    left = value(tree, 2 * place + 1)
    if symbol == NOT:
        return not left
    right = value(tree, 2 * place + 2)
    if symbol == XOR:
        return left != right
    return (left and right) if symbol == AND else (left or right)


def text(tree: Sequence[int], place: int = 0) -> str:
    """The expression at `place` as people write it."""
    symbol = int(tree[place])
    if symbol in (FALSE, TRUE):
        return SYMBOLS[symbol]
    left = text(tree, 2 * place + 1)
    if symbol == NOT:
        return f"(not {left})"
    return f"({left} {SYMBOLS[symbol]} {text(tree, 2 * place + 2)})"
