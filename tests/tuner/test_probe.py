"""Slots by measurement, on a clock and a memory that do what the test says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from stubs import Clock, StubCohort, StubTrainer

from trials.contract import Progress
from trials.data import load
from trials.errors import is_out_of_memory
from tuner.probe import Memory, few, measure

DATA = load("digits", seed=0)
PARAMS = [{"x": 0.1, "kind": "a"}, {"x": 0.2, "kind": "b"}]
NO_LIMIT = Memory(lambda: 0, 1e18)


@dataclass
class Machine:
    """A trainer whose epoch of n rows takes `seconds(n)` and needs n bytes."""

    seconds: Callable[[int], float]
    most_rows: int = 10**9
    clock: Clock = field(default_factory=Clock)
    n_bytes: int = 0

    def trainer(self) -> StubTrainer:
        machine = self

        class Timed(StubCohort):
            def advance(self) -> list[Progress]:
                if len(self.rows) > machine.most_rows:
                    raise RuntimeError("CUDA out of memory")
                machine.clock.now += machine.seconds(len(self.rows))
                machine.n_bytes = max(machine.n_bytes, len(self.rows))
                return super().advance()

        class Trainer(StubTrainer):
            def structure(self, params: Any) -> str:
                return "one"

            def cohort(self, structure: object) -> StubCohort:
                return Timed()

        return Trainer(DATA)


def slots(machine: Machine, most: int = 256, limit: float = 1e18) -> int:
    """What is measured on the machine."""
    memory = Memory(lambda: machine.n_bytes, limit)
    return measure(machine.trainer(), PARAMS, most, memory, machine.clock).n_slots


def test_rows_grow_while_they_pay() -> None:
    """An epoch that costs the same for up to 64 rows is given 64 of them."""
    assert slots(Machine(lambda n: 1e-3 * max(n, 64))) == 64


def test_rows_that_pay_without_end_are_bounded() -> None:
    """No more than asked for, and doubled from the fewest."""
    assert slots(Machine(lambda n: 1e-3), most=100) == 64
    assert slots(Machine(lambda n: 1e-3), most=9) == 9


def test_more_rows_that_do_not_pay_are_not_taken() -> None:
    """An epoch whose time grows with its rows gets the fewest."""
    assert slots(Machine(lambda n: 1e-3 * n)) == 16


def test_rows_must_fit() -> None:
    """The number is not doubled beyond the memory that is allowed."""
    assert slots(Machine(lambda n: 1e-3), limit=70.0) == 64
    assert slots(Machine(lambda n: 1e-3), limit=60.0) == 32


def test_out_of_memory_ends_the_search() -> None:
    """The largest number that fitted is taken, and half of the first where none did."""
    assert slots(Machine(lambda n: 1e-3, most_rows=40)) == 32
    assert slots(Machine(lambda n: 1e-3, most_rows=3)) == 8


def test_the_search_takes_no_longer_than_it_is_worth() -> None:
    """Rows that train slowly are not tried in ever larger numbers."""
    assert slots(Machine(lambda n: 2.0)) == 16


def test_other_errors_are_not_hidden() -> None:
    """A trainer that cannot train is no matter of memory."""

    class Broken(StubTrainer):
        def cohort(self, structure: object) -> StubCohort:
            raise ValueError("no such network")

    with pytest.raises(ValueError, match="no such network"):
        measure(Broken(DATA), PARAMS, 64, NO_LIMIT, Clock())


def test_a_probe_trains_on_few_samples() -> None:
    """Both parts are cut, the rest of the data stays."""
    small = few(load("noisy_line", seed=0))
    assert len(small.train) <= 2000
    assert len(small.validation) <= 500
    assert small.train.x.dtype == DATA.train.x.dtype


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_all_ways_to_run_out_of_memory_are_known(error: Exception) -> None:
    """Python, CUDA and torch on the host say it differently."""
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
