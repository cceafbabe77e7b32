"""The bookkeeping of a cohort: which rows there are, in which order, and when tensors are rebuilt.

What a row is made of and how an epoch goes is the family's; here is only who sits where.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from trials.contract import Progress, Row, RowState

Vectors = dict[str, Tensor]
"""What a row consists of, by name; every row of a cohort has the same names and lengths."""


class Training(Protocol):
    """Rows in a fixed order, ready to train."""

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch; returns the metrics of each.

        Args:
            epochs: Epochs that each row has completed.
        """


class Family(Protocol):
    """How the rows of one structure are made, stored and trained."""

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
        """Training of `rows`, in place on `stack`, whose tensors have shape (K, n)."""


@dataclass
class _Member:
    row: Row
    epoch: int
    place: int | None  # in the stack
    vectors: Vectors  # while it is not in the stack


class StackedCohort:
    """Rows of one structure that train as index 0 of the same tensors; a `contract.Cohort`.

    The tensors are rebuilt when rows were admitted or evicted, once, before the next epoch.
    """

    def __init__(self, family: Family) -> None:
        self._family = family
        self._members: dict[int, _Member] = {}
        self._stack: Vectors = {}
        self._training: Training | None = None

    @property
    def keys(self) -> Collection[int]:
        """The rows now training."""
        return tuple(self._members)

    def admit(self, rows: Sequence[Row], states: Mapping[int, RowState] | None = None) -> None:
        """Adds rows; those with an entry in `states` (by key) go on from it, others start anew.

        Raises:
            ValueError: A key is present already or given twice, a state belongs to none of the
                rows, or does not fit its row. Nothing is added then.
        """
        states = states or {}
        keys = [row.key for row in rows]
        problems = [f"row {key}: is in the cohort already" for key in keys if key in self._members]
        problems += [f"row {key}: is given twice" for key in set(keys) if keys.count(key) > 1]
        problems += [f"row {key}: has a state but is not given" for key in set(states) - set(keys)]
        if problems:
            raise ValueError("\n".join(problems))
        members = {}
        for row in rows:
            state = states.get(row.key)
            if state is None:
                members[row.key] = _Member(row, 0, None, self._family.begin(row))
                continue
            epoch = _epoch(row, state)
            members[row.key] = _Member(row, epoch, None, self._family.restore(row, state))
        self._members.update(members)
        self._training = None

    def evict(self, keys: Collection[int]) -> None:
        """Removes rows; unknown keys raise KeyError and nothing is removed."""
        unknown = sorted(set(keys) - self._members.keys())
        if unknown:
            raise KeyError(f"rows {unknown}: not in the cohort")
        for key in set(keys):
            del self._members[key]
        self._training = None

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
            vectors = {name: tensor[member.place] for name, tensor in self._stack.items()}
        return self._family.store(member.row, vectors) | {"epoch": torch.tensor(member.epoch)}

    @torch.inference_mode()
    def advance(self) -> list[Progress]:
        """Trains every row for one epoch and returns what each measured."""
        if not self._members:
            return []
        if self._training is None:
            self._training = self._rebuild()
        members = self._members.values()
        metrics = self._training.epoch([member.epoch for member in members])
        for member in members:
            member.epoch += 1
        return [
            Progress(member.row.key, member.epoch, figures)
            for member, figures in zip(members, metrics, strict=True)
        ]

    def _rebuild(self) -> Training:
        """Puts the members in order and their vectors into fresh tensors."""
        ranked = sorted(self._members.values(), key=lambda m: (self._family.rank(m.row), m.row.key))
        kept = [(k, m.place) for k, m in enumerate(ranked) if m.place is not None]
        to, source = [k for k, _ in kept], [place for _, place in kept]
        added = [(k, m.vectors) for k, m in enumerate(ranked) if m.place is None]
        like = self._stack or added[0][1]
        stack = {}
        for name, tensor in like.items():
            fresh = tensor.new_empty(len(ranked), tensor.shape[-1])
            if kept:
                fresh[to] = self._stack[name][source]
            for k, vectors in added:
                fresh[k] = vectors[name]
            stack[name] = fresh
        for k, member in enumerate(ranked):
            member.place, member.vectors = k, {}
        self._stack = stack
        self._members = {member.row.key: member for member in ranked}
        return self._family.training([member.row for member in ranked], stack)


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


def by_row(figures: Mapping[str, Tensor]) -> list[dict[str, float]]:
    """One mapping per row from figures of shape (K,) each, read from the device at once."""
    values = torch.stack(list(figures.values()), 1).tolist()
    return [dict(zip(figures, row, strict=True)) for row in values]
