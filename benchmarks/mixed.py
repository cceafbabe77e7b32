"""Rows per second when trials differ in everything: batch size, width, depth, optimizer and so on.

Run `python benchmarks/mixed.py` on an idle machine. Trials of the ready space of `mlp` train on
the breast cancer data in as many slots as a lane would have, each finished row is replaced at
once, and nothing but training is timed: no sampler, no database. With halving, three of four rows
end at epochs 1, 4 and 16, drawn at random.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from trials.contract import Row
from trials.data import load
from trials.networks.mlp import MLP

EPOCHS = 20
RUNGS = (1, 4, 16)


class Suggestions:
    """Random suggestions with the methods of an Optuna trial."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number of the range."""
        del name, step
        if log:
            return float(low * (high / low) ** self._rng.random())
        return self._rng.uniform(low, high)

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """A whole number of the range."""
        if not log:
            return self._rng.randrange(low, high + 1, step)
        return min(high, int(self.suggest_float(name, low, high + 1, log=True)))

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        """One of the choices."""
        del name
        return self._rng.choice(list(choices))


class Lane:
    """Slots that are always full.

    Args:
        n_slots: Rows that train at a time.
        is_halving: Three of four rows end at each rung.
        seed: Of everything that is drawn.
    """

    def __init__(self, trainer: MLP, n_slots: int, is_halving: bool, seed: int = 0) -> None:
        self._trainer, self._n_slots, self._is_halving = trainer, n_slots, is_halving
        self._rng = random.Random(seed)
        self._cohorts: dict[Any, Any] = {}
        self._homes: dict[int, Any] = {}
        self._n_started = 0
        self.n_ended = self.n_epochs = self.n_blocks = 0

    def turn(self) -> None:
        """Fills the slots, trains every row for an epoch, and ends those that are done."""
        new: dict[Any, list[Row]] = {}
        while len(self._homes) < self._n_slots:
            params = self._trainer.space.suggest(Suggestions(self._rng))
            row = Row(self._n_started, params, self._rng.randrange(2**63), EPOCHS)
            self._n_started += 1
            self._homes[row.key] = self._trainer.structure(params)
            new.setdefault(self._homes[row.key], []).append(row)
        for home, rows in new.items():
            self._cohorts.setdefault(home, self._trainer.cohort(home)).admit(rows)
        for cohort in self._cohorts.values():
            self.n_blocks += len(cohort.blocks)
            progress = cohort.advance()
            self.n_epochs += len(progress)
            ended = [found.key for found in progress if self._is_over(found.epoch)]
            cohort.evict(ended)
            self.n_ended += len(ended)
            for key in ended:
                del self._homes[key]

    def _is_over(self, epoch: int) -> bool:
        is_dropped = self._is_halving and epoch in RUNGS and self._rng.random() < 0.75
        return is_dropped or epoch == EPOCHS


class Products:
    """Adds up the seconds that matrix products take while it is entered."""

    NAMES = ("bmm", "baddbmm")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._plain = {name: getattr(torch, name) for name in self.NAMES}

    def _timed(self, product: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def run(*arguments: Any, **options: Any) -> torch.Tensor:
            start = time.perf_counter()
            result = product(*arguments, **options)
            self.seconds += time.perf_counter() - start
            return result

        return run

    def __enter__(self) -> Products:
        for name, product in self._plain.items():
            setattr(torch, name, self._timed(product))
        return self

    def __exit__(self, *_: object) -> None:
        for name, product in self._plain.items():
            setattr(torch, name, product)


def measure(trainer: MLP, n_slots: int, is_halving: bool, n_turns: int) -> str:
    """A line of the table; the seconds are processor time of this thread."""
    lane = Lane(trainer, n_slots, is_halving)
    for _ in range(EPOCHS if is_halving else 3):
        lane.turn()
    lane.n_ended = lane.n_epochs = lane.n_blocks = 0
    start = time.thread_time()
    for _ in range(n_turns):
        lane.turn()
    seconds = time.thread_time() - start
    figures = f"{lane.n_epochs / seconds:10.0f}{lane.n_ended / seconds:8.1f}"
    rows_per_block = lane.n_epochs / lane.n_blocks
    start = time.perf_counter()
    with Products() as products:
        for _ in range(max(2, n_turns // 4)):
            lane.turn()
    share = products.seconds / (time.perf_counter() - start)
    return f"{figures}{rows_per_block:12.1f}{share:10.0%}"


def main() -> None:
    """Prints a table: rows and epochs of rows per second, rows per block, share of products."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--turns", type=int, default=40, help="epochs of all slots that are timed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    trainer = MLP(load("breast_cancer", seed=0))
    print(f"ready space of mlp, breast cancer, {EPOCHS} epochs, one thread")
    print(f"{'':10}{'slots':>6}{'epochs/s':>10}{'rows/s':>8}{'rows/block':>12}{'products':>10}")
    for is_halving, name in ((False, ""), (True, "halving")):
        for n_slots in options.slots:
            print(f"{name:10}{n_slots:6}", end="", flush=True)
            print(measure(trainer, n_slots, is_halving, options.turns))


if __name__ == "__main__":
    main()
