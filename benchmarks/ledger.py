"""What the ledger costs per trial: ask, decide, record and commit on SQLite, without training.

Run: python benchmarks/ledger.py
     python benchmarks/ledger.py --trials 1000 10000      (the full protocol)

A scripted lane of 64 slots reports made-up losses, epoch by epoch up to 20, to a real ledger with
ASHA, over the ready space of the `mlp` trainer (14 parameters) and over 5 floats. Each study is
filled by random search but for its last 400 trials; every sampler then goes on with a copy of it,
200 trials to get under way and 200 that count, in a process of its own.

Printed are milliseconds per trial by the clock and in CPU time of the process, which is what to
compare on a machine with other work, and the memory of the process, libraries included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import psutil
from scripted_lane import FIVE_FLOATS, NO_END, Work, scripted_study

from search_spaces.deep_networks import MLP
from tuner.spec import SamplerSpec

N_UNDER_WAY, N_MEASURED = 200, 200
SPACES = {"mlp, 14 parameters": MLP, "5 floats": FIVE_FLOATS}
SAMPLERS = {
    "random": SamplerSpec(name="random"),
    "tpe": SamplerSpec(name="tpe"),
    "tpe-optuna": SamplerSpec(name="tpe", options={"engine": "optuna"}),
}


def fill(folder: Path, space: str, n_trials: int) -> None:
    """The folder has a study of `n_trials` by random search, all of them finished."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with scripted_study(_url(folder), folder, Work(SPACES[space]), n_trials) as lane:
        lane.run_until(NO_END)


def measure(folder: Path, space: str, sampler: str) -> tuple[float, float, float]:
    """Milliseconds per trial by the clock and of CPU time, and MiB of this process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    work = Work(SPACES[space], SAMPLERS[sampler])
    with scripted_study(_url(folder), folder, work) as lane:
        lane.run_until(N_UNDER_WAY)
        n_before = lane.n_started
        began, used = time.perf_counter(), time.process_time()
        lane.run_until(n_before + N_MEASURED)
        clock_s, cpu_s = time.perf_counter() - began, time.process_time() - used
        n_counted = lane.n_started - n_before
        memory = psutil.Process().memory_info().rss / 2**20
    return 1e3 * clock_s / n_counted, 1e3 * cpu_s / n_counted, memory


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


def apart(task: Callable[..., Any], *arguments: Any) -> Any:
    """What `task` returns, run in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(task, arguments)


def main() -> None:
    """Prints a line for each space, length and sampler."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, nargs="+", default=[1000], metavar="N")
    parser.add_argument("--spaces", nargs="+", default=list(SPACES), choices=list(SPACES))
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS), choices=list(SAMPLERS))
    options = parser.parse_args()
    print(f"{'space':20s} {'trials':>7s} {'sampler':12s} {'ms':>8s} {'CPU ms':>8s} {'MiB':>6s}")
    for space in options.spaces:
        for n_trials in options.trials:
            with tempfile.TemporaryDirectory() as name:
                filled = Path(name) / "filled"
                filled.mkdir()
                apart(fill, filled, space, n_trials - N_UNDER_WAY - N_MEASURED)
                for sampler in options.samplers:
                    copy = shutil.copytree(filled, Path(name) / sampler)
                    costs = apart(measure, copy, space, sampler)
                    shown = f"{costs[0]:8.2f} {costs[1]:8.2f} {costs[2]:6.0f}"
                    print(f"{space:20s} {n_trials:7d} {sampler:12s} {shown}", flush=True)


if __name__ == "__main__":
    main()
