"""How many rows a lane should train at once: measured on throwaway rows before it joins."""

from __future__ import annotations

import os
import resource
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trials.contract import Row
from trials.data import Dataset, Part
from trials.errors import TRAINING_ERRORS, is_out_of_memory
from tuner.messages import Slots

if TYPE_CHECKING:
    from trials.contract import Cohort, Trainer

FEWEST = 16
"""Rows from which on it is measured whether more of them pay."""

LEAST_GAIN = 1.15
"""Twice the rows must train so many times the rows per second: they cost the sampler insight."""

TIME_S = 1.0
"""After it no larger number is tried."""

MEMORY_SHARE = 0.5
"""Of the memory that is free (of a GPU: of the lane's share), for all rows of the lanes here."""

_N_TRAIN, _N_VALIDATION = 2000, 500
"""Most samples: an epoch then shows what a step costs, however large the data are."""

_ROUNDS = 2


@dataclass(frozen=True)
class Memory:
    """How memory is measured.

    Attributes:
        peak: Most bytes that were in use until now.
        limit: Bytes that all rows together may take.
    """

    peak: Callable[[], int]
    limit: float


def measure(
    trainer: Trainer,
    params: Sequence[Mapping[str, Any]],
    most: int,
    memory: Memory,
    clock: Callable[[], float],
) -> Slots:
    """The fewest rows that train about as many rows per second as any number tried.

    Args:
        trainer: Trains on `few` of the study's data.
        params: Of trials as the space has them; used over and over.
        most: Never more rows than this.
        memory: The numbers tried grow while twice the rows are expected to fit.
        clock: Seconds of training.
    """
    began, before = clock(), memory.peak()
    n = min(FEWEST, most)
    rates: dict[int, float] = {}
    while True:
        try:
            rates[n] = _rate(trainer, params, n, clock)
        except TRAINING_ERRORS as error:
            if not is_out_of_memory(error):
                raise
            return Slots(max(rates, default=max(1, n // 2)), rates)
        if rates[n] < LEAST_GAIN * rates.get(n // 2, 0.0):
            return Slots(n // 2, rates)
        fits = 2 * (memory.peak() - before) <= memory.limit
        if 2 * n > most or not fits or clock() - began > TIME_S:
            return Slots(n, rates)
        n *= 2


def few(data: Dataset) -> Dataset:
    """The data with no more samples than a probe needs."""

    def first(part: Part, n: int) -> Part:
        return Part(part.x[:n], None if part.y is None else part.y[:n])

    train, validation = first(data.train, _N_TRAIN), first(data.validation, _N_VALIDATION)
    return replace(data, train=train, validation=validation)


def host_memory(n_lanes: int) -> Memory:
    """Of this process, among `n_lanes` that share the host."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    kibibytes = 1024  # the unit of Linux
    return Memory(
        lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kibibytes,
        MEMORY_SHARE * free / n_lanes,
    )


def gpu_memory(share: float) -> Memory:
    """Of the current CUDA device, of which the lane has a `share`."""
    import torch

    _, total = torch.cuda.mem_get_info()
    return Memory(torch.cuda.max_memory_allocated, MEMORY_SHARE * total * min(share, 1.0))


def _rate(
    trainer: Trainer,
    params: Sequence[Mapping[str, Any]],
    n_rows: int,
    clock: Callable[[], float],
) -> float:
    """Row-epochs per second of `n_rows` rows; the first epoch is not counted."""
    rows: dict[Hashable, list[Row]] = defaultdict(list)
    for key in range(n_rows):
        chosen = params[key % len(params)]
        rows[trainer.structure(chosen)].append(Row(key, chosen, key, _ROUNDS + 1))
    cohorts: list[Cohort] = []
    for structure, members in rows.items():
        cohorts.append(trainer.cohort(structure))
        cohorts[-1].admit(members)
    seconds = []
    for _ in range(_ROUNDS + 1):
        began = clock()
        for cohort in cohorts:
            cohort.advance()
        seconds.append(clock() - began)
    return n_rows / max(min(seconds[1:]), 1e-9)
