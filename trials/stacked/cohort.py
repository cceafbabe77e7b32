"""The bookkeeping of a cohort: which rows there are, in which order, and when tensors are rebuilt.

What a row is made of and how an epoch goes is the family's; here is only who sits where.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from trials.contract import Finding, Progress, Row, RowState
from trials.stacked.watching import Recent, Watch

Vectors = dict[str, Tensor]
"""What a row consists of, by name; every row of a cohort has the same names and lengths."""


class Training(Protocol):
    """Rows in a fixed order, ready to train."""

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch; returns the metrics of each.

        Args:
            epochs: Epochs that each row has completed.
        """


@runtime_checkable
class EarlyEnding(Protocol):
    """A training whose rows may end by themselves."""

    @property
    def ended(self) -> Sequence[bool]:
        """Whether each row trains no more, however many epochs follow."""


class Family(Protocol):
    """How rows are made, stored and trained."""

    @property
    def mode(self) -> Callable[[], AbstractContextManager[Any]]:
        """The context in which rows train: torch.inference_mode, or no_grad for autograd's sake."""

    def block(self, row: Row) -> Hashable:
        """Rows that agree in it have vectors of equal lengths and are stacked."""

    def label(self, row: Row) -> str:
        """What separates the row's block from others, for people."""

    def begin(self, row: Row) -> Vectors:
        """The padded vectors of a row that starts anew."""

    def restore(self, row: Row, state: RowState) -> Vectors:
        """The padded vectors of a saved row.

        Raises:
            ValueError: The state does not fit the row.
        """

    def store(self, row: Row, vectors: Vectors) -> RowState:
        """Unpadded contiguous copies on the CPU."""

    def rank(self, row: Row) -> tuple[Any, ...]:
        """Rows are ordered by it, so that rows that are treated alike are neighbours."""

    def training(self, rows: Sequence[Row], stack: Vectors) -> Training:
        """Training of `rows` of one block, in place on `stack`, whose tensors are (K, n)."""


@dataclass
class _Member:
    row: Row
    epoch: int
    place: int | None  # in the stack of its block
    vectors: Vectors  # while it is not in the stack
    block: Hashable
    rank: tuple[Any, ...]
    recent: Recent | None  # where failures are watched for


@dataclass
class _Block:
    """Rows whose tensors are stacked; `training` is None while they must be put together anew."""

    label: str
    members: list[_Member] = field(default_factory=list)
    stack: Vectors = field(default_factory=dict)
    training: Training | None = None


class StackedCohort:
    """Rows of one structure that train as index 0 of the same tensors; a `contract.Cohort`.

    Rows that cannot be stacked are in blocks of their own. The tensors of a block are rebuilt when
    its rows were admitted or evicted, once, before the next epoch; other blocks stay as they are.

    Args:
        family: How the rows are made and trained.
        watch: What is looked for in each row's figures after an epoch; None for nothing.
    """

    def __init__(self, family: Family, watch: Watch | None = None) -> None:
        self._family = family
        self._watch = watch
        self._members: dict[int, _Member] = {}
        self._blocks: dict[Hashable, _Block] = {}

    @property
    def keys(self) -> Collection[int]:
        """The rows now training."""
        return tuple(self._members)

    @property
    def blocks(self) -> Mapping[str, int]:
        """Rows that are stacked together, by what separates them from the others."""
        return {block.label: len(block.members) for block in self._blocks.values()}

    def admit(self, rows: Sequence[Row], states: Mapping[int, RowState] | None = None) -> None:
        """Adds rows; those with an entry in `states` (by key) go on from it, others start anew.

        Raises:
            ValueError: A key is present already or given twice, a state belongs to none of the
                rows, or does not fit its row. Nothing is added then.
        """
        family, states = self._family, states or {}
        keys = [row.key for row in rows]
        problems = [f"row {key}: is in the cohort already" for key in keys if key in self._members]
        problems += [f"row {key}: is given twice" for key in set(keys) if keys.count(key) > 1]
        problems += [f"row {key}: has a state but is not given" for key in set(states) - set(keys)]
        if problems:
            raise ValueError("\n".join(problems))
        members = {}
        for row in rows:
            state = states.get(row.key)
            epoch = 0 if state is None else _epoch(row, state)
            vectors = family.begin(row) if state is None else family.restore(row, state)
            place, rank = family.block(row), family.rank(row)
            recent = self._recent(row, epoch, state)
            members[row.key] = _Member(row, epoch, None, vectors, place, rank, recent)
        self._members.update(members)
        for member in members.values():
            if member.block not in self._blocks:
                self._blocks[member.block] = _Block(family.label(member.row))
            block = self._blocks[member.block]
            block.members.append(member)
            block.training = None

    def evict(self, keys: Collection[int]) -> None:
        """Removes rows; unknown keys raise KeyError and nothing is removed."""
        unknown = sorted(set(keys) - self._members.keys())
        if unknown:
            raise KeyError(f"rows {unknown}: not in the cohort")
        leaving = [self._members.pop(key) for key in set(keys)]
        for place in {member.block for member in leaving}:
            block = self._blocks[place]
            block.members = [m for m in block.members if m.row.key in self._members]
            block.training = None
            if not block.members:
                del self._blocks[place]

    def save(self, key: int) -> RowState:
        """The row's weights, optimizer state and epoch, enough to go on bitwise alike.

        Raises:
            KeyError: No such row.
        """
        if key not in self._members:
            raise KeyError(f"row {key}: not in the cohort")
        member = self._members[key]
        vectors = member.vectors
        if member.place is not None:
            stack = self._blocks[member.block].stack
            vectors = {name: tensor[member.place] for name, tensor in stack.items()}
        state = self._family.store(member.row, vectors) | {"epoch": torch.tensor(member.epoch)}
        return state if member.recent is None else state | {"recent": member.recent.tensor}

    def block_of(self, key: int) -> str:
        """What separates the row's block from the others."""
        return self._blocks[self._members[key].block].label

    def advance(self, blocks: Collection[str] | None = None) -> list[Progress]:
        """Trains every row, or those of some `blocks`, for one epoch; what each measured."""
        with self._family.mode():
            return [
                progress
                for block in self._blocks.values()
                if blocks is None or block.label in blocks
                for progress in self._advance(block)
            ]

    def _advance(self, block: _Block) -> list[Progress]:
        if block.training is None:
            block.training = self._rebuild(block)
        metrics = block.training.epoch([member.epoch for member in block.members])
        for member in block.members:
            member.epoch += 1
        training, n_rows = block.training, len(block.members)
        ended = training.ended if isinstance(training, EarlyEnding) else [False] * n_rows
        return [
            Progress(member.row.key, member.epoch, figures, _found(member, figures), is_final)
            for member, figures, is_final in zip(block.members, metrics, ended, strict=True)
        ]

    def _recent(self, row: Row, epoch: int, state: RowState | None) -> Recent | None:
        """What is remembered of the row's last epochs; ValueError if the state does not say."""
        if self._watch is None:
            return None
        try:
            return Recent(self._watch, epoch, None if state is None else state.get("recent"))
        except ValueError as error:
            raise ValueError(f"row {row.key}: {error}") from error

    def _rebuild(self, block: _Block) -> Training:
        """Puts the members in order and their vectors into fresh tensors."""
        ranked = sorted(block.members, key=lambda member: (member.rank, member.row.key))
        added = [(k, m.vectors) for k, m in enumerate(ranked) if m.place is None]
        if block.stack:
            # One pass over what is there; where a row is new, row 0 is a stopgap.
            places = [0 if m.place is None else m.place for m in ranked]
            device = next(iter(block.stack.values())).device
            index = torch.tensor(places, device=device)
            stack = {name: tensor.index_select(0, index) for name, tensor in block.stack.items()}
            for k, vectors in added:
                for name, tensor in stack.items():
                    tensor[k] = vectors[name]
        else:
            names = added[0][1]
            stack = {name: torch.stack([vectors[name] for _, vectors in added]) for name in names}
        for k, member in enumerate(ranked):
            member.place, member.vectors = k, {}
        block.stack, block.members = stack, ranked
        return self._family.training([member.row for member in ranked], stack)


def _found(member: _Member, figures: dict[str, float]) -> tuple[Finding, ...]:
    return () if member.recent is None else member.recent.after(member.epoch, figures)


def _epoch(row: Row, state: RowState) -> int:
    """Epochs that a saved row has completed.

    Raises:
        ValueError: The state does not say.
    """
    epoch = state.get("epoch")
    if epoch is None or epoch.numel() != 1 or epoch.is_floating_point() or int(epoch) < 0:
        raise ValueError(f"row {row.key}: the state must hold its epoch, got {epoch}")
    return int(epoch)


def fitted(
    row: Row, state: RowState, prefix: str, shapes: Mapping[str, tuple[int, ...]], like: Tensor
) -> dict[str, Tensor]:
    """The tensors of `state` under `prefix`, on the device of `like`.

    Raises:
        ValueError: A tensor is missing or of another shape or precision; all are named.
    """
    tensors, problems = {}, []
    for name, shape in shapes.items():
        tensor = state.get(f"{prefix}.{name}")
        if tensor is None:
            problems.append(f"row {row.key}: the state must hold {prefix}.{name}")
        elif tuple(tensor.shape) != shape or tensor.dtype != like.dtype:
            problems.append(
                f"row {row.key}: {prefix}.{name} must be {like.dtype} of shape {shape}, "
                f"got {tensor.dtype} of shape {tuple(tensor.shape)}"
            )
        else:
            tensors[name] = tensor.to(like.device)
    if problems:
        raise ValueError("\n".join(problems))
    return tensors


def alone(family: Family, row: Row, state: RowState) -> Vectors:
    """A saved row as a stack of itself, (1, n) each.

    Raises:
        ValueError: The state does not fit the row.
    """
    return {name: vector.unsqueeze(0) for name, vector in family.restore(row, state).items()}


def on_test(figures: Mapping[str, Tensor]) -> dict[str, float]:
    """Figures of one row, shape (1,) each, by the names that they have on the test part."""
    return {name.replace("validation", "test"): float(value) for name, value in figures.items()}


def by_row(figures: Mapping[str, Tensor]) -> list[dict[str, float]]:
    """One mapping per row from figures of shape (K,) each, read from the device at once."""
    values = torch.stack(list(figures.values()), 1).tolist()
    return [dict(zip(figures, row, strict=True)) for row in values]
