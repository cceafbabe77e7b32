"""A trainer without a network, whose curves are known, and ways to run it step by step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from search_spaces import Categorical, Float, Space
from trials.contract import Finding, Objective, Progress, Row, RowState
from trials.data import DataError, Dataset
from tuner.messages import Answer, LaneInfo, Slots, Turn, Welcome

SPACE = Space(x=Float(-1.0, 1.0), kind=Categorical(["a", "b"]))


EARLY_EPOCH = 3
"""The epoch after which rows of the kind "early" have stopped by themselves."""


def curve(params: Mapping[str, Any], seed: int, epoch: int) -> float:
    """The stub's loss: falls with the epochs towards a value that depends on x and the seed."""
    noise = (seed % 1000) / 1e6
    return float(params["x"] ** 2 + 1.0 / epoch + noise)


def findings(params: Mapping[str, Any], epoch: int) -> tuple[Finding, ...]:
    """Trials of some kinds are odd from epoch 2 on, or hopeless from epoch 3 on."""
    seen = {"odd": params["kind"] in {"odd", "ill"} and epoch >= 2}
    seen["ill"] = params["kind"] == "ill" and epoch >= 3
    kinds = [kind for kind, is_seen in seen.items() if is_seen]
    return tuple(Finding(kind, f"{kind} at {epoch}", kind == "ill") for kind in kinds)


class BoomError(Exception):
    """A kind of error of a trainer's own."""


class StubCohort:
    """Rows whose loss is `curve`; some kinds misbehave."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.epochs: dict[int, int] = {}

    @property
    def keys(self) -> Collection[int]:
        return tuple(self.rows)

    @property
    def blocks(self) -> Mapping[str, int]:
        return {"stub": len(self.rows)} if self.rows else {}

    def admit(self, rows: Sequence[Row], states: Mapping[int, RowState] | None = None) -> None:
        for row in rows:
            if row.key in self.rows:
                raise ValueError(f"row {row.key} is here already")
        for row in rows:
            self.rows[row.key] = row
            state = (states or {}).get(row.key)
            self.epochs[row.key] = 0 if state is None else int(state["epoch"])

    def advance(self) -> list[Progress]:
        if any(row.params.get("kind") == "boom" for row in self.rows.values()):
            raise BoomError("boom")
        progress = []
        for key, row in self.rows.items():
            self.epochs[key] += 1
            loss = curve(row.params, row.seed, self.epochs[key])
            if row.params.get("kind") == "nan" and self.epochs[key] == 2:
                loss = float("nan")
            found = findings(row.params, self.epochs[key])
            metrics = {"loss": loss, "gain": -loss}
            is_final = row.params.get("kind") == "early" and self.epochs[key] >= EARLY_EPOCH
            progress.append(Progress(key, self.epochs[key], metrics, found, is_final))
        return progress

    def evict(self, keys: Collection[int]) -> None:
        for key in keys:
            if key not in self.rows:
                raise KeyError(key)
        for key in keys:
            del self.rows[key], self.epochs[key]

    def save(self, key: int) -> RowState:
        return {"epoch": torch.tensor(self.epochs[key])}


class StubTrainer:
    """A trainer for tests of what runs trainers."""

    name = "stub"
    default_epochs = 9
    default_value = "last"
    default_data = "iris"

    def __init__(self, data: Dataset, device: str = "cpu") -> None:
        if data.task == "regression":
            raise DataError("data: stub needs classes")

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return (Objective("loss", "minimize"), Objective("gain", "maximize"))

    @property
    def space(self) -> Space:
        return SPACE

    @property
    def domain(self) -> Space:
        return Space(
            x=Float(-10.0, 10.0), kind=Categorical(["a", "b", "nan", "boom", "odd", "ill", "early"])
        )

    def structure(self, params: Mapping[str, Any]) -> str:
        return str(params.get("kind"))

    def cohort(self, structure: object) -> StubCohort:
        return StubCohort()

    def weights(self, state: RowState, params: Mapping[str, Any]) -> RowState:
        return state

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        return {"loss": float(params["x"] ** 2), "epoch": float(state["epoch"])}


@dataclass
class Direct:
    """A lane's connection to a ledger in the same process, which remembers every turn."""

    ledger: Any

    def __post_init__(self) -> None:
        self.turns: list[Turn] = []
        self.answers: list[Answer] = []

    def join(self, info: LaneInfo) -> Welcome:
        return self.ledger.join(info)

    def exchange(self, turn: Turn) -> Given:
        self.turns.append(turn)
        self.answers.append(self.ledger.exchange(turn))
        return Given(self.answers[-1])

    def call(self, method: str, *arguments: Any) -> Any:
        return getattr(self.ledger.functions, method)(*arguments)


@dataclass(frozen=True)
class Given:
    """An answer that is there."""

    answer: Answer

    def result(self) -> Answer:
        return self.answer


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def lane_info(n_slots: int = 4, lane: int = 0, session: str = "s0") -> LaneInfo:
    """A lane for tests."""
    return LaneInfo(lane, session, "here", 1, "cpu", Slots(n_slots))


def folder_files(folder: Path) -> list[str]:
    """Names of all files below a folder, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
