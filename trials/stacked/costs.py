"""What a row costs by itself: its parameters, and times that a clock takes while it is alone.

A row's share of a cohort's time would depend on who trains beside it. So a throwaway row with
the same settings trains a few steps alone, once, and predicts: its times are those of the
hyperparameters on this machine, with the noise of a clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from trials.contract import Divisible, Objective, Progress, Row, RowState, Trainer
from trials.data import Dataset, Part

Clock = Callable[[], float]

COSTS = (
    Objective("n_parameters", "minimize"),
    Objective("training_time", "minimize", "s", is_timed=True),
    Objective("inference_latency", "minimize", "s", is_timed=True),
)

_N_STEPS = 8
"""Steps of the epoch that is timed; those of a whole epoch take in proportion."""

_FEWEST_POINTS = 64
"""Each part of what is timed has so many points at least, if there are so many."""

_N_ROUNDS, _N_CALLS = 3, 20
"""The quickest of so many rounds counts; predictions are timed so many at once."""


@dataclass(frozen=True)
class Cost:
    """What one row costs.

    Attributes:
        n_parameters: Numbers that are learnt: no padding, no running statistics.
        epoch_s: Of training alone, one epoch.
        latency_s: Of predicting one point alone.
    """

    n_parameters: int
    epoch_s: float = 0.0
    latency_s: float = 0.0

    def figures(self, epoch: int) -> dict[str, float]:
        """The objectives of `COSTS` after so many epochs."""
        return {
            "n_parameters": float(self.n_parameters),
            "training_time": epoch * self.epoch_s,
            "inference_latency": self.latency_s,
        }


class Batched(Protocol):
    """Settings of a row that learns from batches."""

    @property
    def batch_size(self) -> int:
        """Points of a step."""


class Costed(Protocol):
    """How rows are made whose costs are asked for."""

    @property
    def mode(self) -> Callable[[], AbstractContextManager[Any]]:
        """The context in which rows train."""

    @property
    def device(self) -> torch.device:
        """Where they train."""

    def settings(self, row: Row) -> Batched:
        """The row's settings."""

    def n_parameters(self, row: Row) -> int:
        """Numbers that the row learns: no padding, no running statistics."""

    def prediction(self, row: Row) -> Callable[[], object]:
        """What has the network of a new row answer to eight points, in its padded form."""


class Costing:
    """Measures rows of a trainer.

    Args:
        family: Of the rows.
        data: That they learn from.
        build: Makes their trainer on other data.
        wanted: Names of `COSTS`.
        clock: Seconds; None takes the processor time of this thread where it is the only one that
            computes, since that is the same whatever else the machine does, and else the time.
    """

    def __init__(
        self,
        family: Costed,
        data: Dataset,
        build: Callable[[Dataset], Trainer],
        wanted: Collection[str],
        clock: Clock | None = None,
    ) -> None:
        self._family, self._data, self._build = family, data, build
        is_alone = family.device.type == "cpu" and torch.get_num_threads() == 1
        self._clock = clock or (time.thread_time if is_alone else time.perf_counter)
        self.wanted = [cost.name for cost in COSTS if cost.name in wanted]
        self._few: dict[int, Trainer] = {}

    def cost(self, row: Row) -> Cost:
        """What the row costs; what is not wanted is not measured."""
        is_wanted = set(self.wanted).__contains__
        return Cost(
            self._family.n_parameters(row),
            self._epoch_s(row) if is_wanted("training_time") else 0.0,
            self._latency_s(row) if is_wanted("inference_latency") else 0.0,
        )

    def _epoch_s(self, row: Row) -> float:
        """Seconds of an epoch of the row alone, from that of a short one."""
        batch_size = self._family.settings(row).batch_size
        if batch_size not in self._few:
            self._few[batch_size] = self._on_few_points(batch_size)
        trainer = self._few[batch_size]
        cohort = trainer.cohort(trainer.structure(row.params))
        cohort.admit([row])
        n_points = len(self._data.train)
        n_timed = min(n_points, _n_few(batch_size))
        n_steps, n_steps_timed = (math.ceil(n / min(batch_size, n)) for n in (n_points, n_timed))
        return self._quickest(cohort.advance) * n_steps / n_steps_timed

    def _on_few_points(self, batch_size: int) -> Trainer:
        """A trainer with whole batches for a few steps, and hardly anything to validate."""
        data = self._data
        train = _first(data.train, _n_few(batch_size))
        return self._build(
            replace(data, train=train, validation=_first(data.validation, _FEWEST_POINTS))
        )

    def _latency_s(self, row: Row) -> float:
        """Seconds of one prediction by the row's network alone, in its padded form."""
        with self._family.mode():
            once = self._family.prediction(row)

            def predict() -> None:
                for _ in range(_N_CALLS):
                    once()

            return self._quickest(predict) / _N_CALLS

    def _quickest(self, run: Callable[[], object]) -> float:
        """Seconds of the quickest of some calls, after one that is not counted."""
        device = self._family.device
        run()
        seconds = []
        for _ in range(_N_ROUNDS):
            began = self._clock()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(self._clock() - began)
        return min(seconds)


def _n_few(batch_size: int) -> int:
    """Points of the training part that a few steps need."""
    return max(_N_STEPS * batch_size, _FEWEST_POINTS)


def _first(part: Part, n: int) -> Part:
    return Part(part.x[:n], None if part.y is None else part.y[:n])


class CostedCohort:
    """A cohort whose progress tells what its rows cost; a `contract.Cohort`.

    Args:
        cohort: That trains the rows.
        costing: That measures each, before its first epoch here.
    """

    def __init__(self, cohort: Divisible, costing: Costing) -> None:
        self._cohort, self._costing = cohort, costing
        self._rows: dict[int, Row] = {}
        self._costs: dict[int, Cost] = {}

    @property
    def keys(self) -> Collection[int]:
        """The rows now training."""
        return self._cohort.keys

    @property
    def blocks(self) -> Mapping[str, int]:
        """Rows that are stacked together, by what separates them from the others."""
        return self._cohort.blocks

    def admit(self, rows: Sequence[Row], states: Mapping[int, RowState] | None = None) -> None:
        """Adds rows; ValueError as in the contract."""
        self._cohort.admit(rows, states)
        self._rows |= {row.key: row for row in rows}

    def evict(self, keys: Collection[int]) -> None:
        """Removes rows; unknown keys raise KeyError and nothing is removed."""
        self._cohort.evict(keys)
        for key in keys:
            self._rows.pop(key, None)
            self._costs.pop(key, None)

    def save(self, key: int) -> RowState:
        """The row's state, without its costs: they are measured anew where it goes on."""
        return self._cohort.save(key)

    def block_of(self, key: int) -> str:
        """What separates the row's block from the others."""
        return self._cohort.block_of(key)

    def advance(self, blocks: Collection[str] | None = None) -> list[Progress]:
        """Trains every row, or those of some `blocks`; what each measured, with its costs."""
        for key in self._rows.keys() - self._costs.keys():
            self._costs[key] = self._costing.cost(self._rows[key])
        return [self._with_costs(progress) for progress in self._cohort.advance(blocks)]

    def _with_costs(self, progress: Progress) -> Progress:
        figures = self._costs[progress.key].figures(progress.epoch)
        told = {name: figures[name] for name in self._costing.wanted}
        return replace(progress, metrics={**progress.metrics, **told})
