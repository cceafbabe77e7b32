"""Training steps on a GPU: one plain model after another, stacked rows, and torch.func.vmap.

Run `python benchmarks/gpu.py`; without a GPU it says so and ends. Data are random and made on the
spot. Before anything is timed, an epoch in float64 must give the weights of plain torch to 1e-9.
A stacked figure is a whole epoch of a cohort divided by its steps and rows: data order, gathering,
tapes and validation on 16 points are included. The plain and the vmap step are forward, backward
and optimizer alone, on batches that are at hand. Where memory is short the figure is nan.
`--device cpu --quick` tries the script out.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # the project need not be installed

from gpu_work import Work, works

ROWS = (8, 32, 64, 128, 256)
TOLERANCE = 1e-9


def seconds(run: Callable[[], object], device: torch.device, n_rounds: int = 3) -> float:
    """Seconds of the fastest of `n_rounds` calls, after one that is not counted."""
    run()
    times = []
    for _ in range(n_rounds):
        if device.type != "cuda":
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
            continue
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        start.record()
        run()
        end.record()
        torch.cuda.synchronize(device)
        times.append(start.elapsed_time(end) / 1e3)
    return min(times)


def difference(work: Work, device: torch.device) -> float:
    """Largest distance of any weight of two rows from plain torch, float64, one short epoch."""
    size = work.params["batch_size"]
    data = work.data(2 * size + size // 2)
    trainer = work.kind(data, device=device, dtype=torch.float64)
    cohort = trainer.cohort(trainer.structure(work.params))
    rows = work.rows(2)
    cohort.admit(rows)

    def weights(key: int) -> dict[str, torch.Tensor]:
        own = trainer.weights(cohort.save(key), rows[key].params)
        return {name: tensor.to(device) for name, tensor in own.items()}

    before = {row.key: weights(row.key) for row in rows}
    cohort.advance()
    found = []
    for row in rows:
        plain = work.plain_epoch(row, before[row.key], data)
        trained = weights(row.key)
        found += [float((trained[name] - plain[name]).abs().max()) for name in plain]
    return max(found)


def stacked_seconds(work: Work, n_rows: int, n_steps: int, device: torch.device) -> float:
    """Seconds per row and step of a cohort's epoch."""
    data = work.data(n_steps * work.params["batch_size"])
    trainer = work.kind(data, device=device, dtype=torch.float32)
    cohort = trainer.cohort(trainer.structure(work.params))
    cohort.admit(work.rows(n_rows))
    return seconds(cohort.advance, device) / n_steps / n_rows


def steps_seconds(step: Callable[[], None], n_steps: int, device: torch.device) -> float:
    """Seconds of one of `n_steps` steps in a row."""

    def run() -> None:
        for _ in range(n_steps):
            step()

    return seconds(run, device) / n_steps


def vmap_seconds(work: Work, n_rows: int, n_steps: int, device: torch.device) -> float:
    """Seconds per row and step of `torch.func.vmap`."""
    return steps_seconds(work.vmap_step(n_rows, device), n_steps, device) / n_rows


def fitting(measured: Callable[[], float]) -> float:
    """What is `measured`, or nan where the device has not the memory for it."""
    try:
        return measured()
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return math.nan


def measure(work: Work, rows: Sequence[int], n_steps: int, device: torch.device) -> bool:
    """Prints the table of one work, and returns whether its rows equal plain torch."""
    distance = difference(work, device)
    is_equal = distance <= TOLERANCE
    print(f"\n{work.name}")
    print(f"float64 against plain torch: {distance:.1e}, {'equal' if is_equal else 'NOT EQUAL'}")
    print(f"{'rows':>6}{'stacked ms':>12}{'ratio':>8}{'vmap ms':>10}{'ratio':>8}")
    serial = steps_seconds(work.plain_step(device), n_steps, device)
    print(f"serial{serial * 1e3:12.4f}{1.0:8.1f}")
    for n_rows in rows:
        ours = fitting(partial(stacked_seconds, work, n_rows, n_steps, device))
        theirs = fitting(partial(vmap_seconds, work, n_rows, n_steps, device))
        print(
            f"{n_rows:6}{ours * 1e3:12.4f}{serial / ours:8.1f}"
            f"{theirs * 1e3:10.4f}{serial / theirs:8.1f}",
            flush=True,
        )
    return is_equal


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 0 when all rows equal plain torch or there is no such device."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:1, cpu")
    parser.add_argument("--quick", action="store_true", help="tiny: tries out the script")
    parser.add_argument("--rows", type=int, nargs="+", help=f"row counts; {ROWS} by default")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no GPU here: nothing is measured; --device cpu --quick tries out the script")
        return 0
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "one CPU thread"
    torch.set_num_threads(1)
    print(f"{name}, torch {torch.__version__}; ms per row and step, ratio to serial")
    rows = options.rows or ((2,) if options.quick else ROWS)
    n_steps = 1 if options.quick else 50
    equal = [measure(work, rows, n_steps, device) for work in works(0.1 if options.quick else 1.0)]
    return 0 if all(equal) else 1


if __name__ == "__main__":
    sys.exit(main())
