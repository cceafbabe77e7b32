"""How long a trial takes where only the study is written: 5 parameters, 10 reports, no training.

Run: python benchmarks/storage.py [--trials 200]

Each storage gets the same trials by random search through `study.ask`, `trial.report` and
`study.tell`. PostgreSQL is measured when the wheel `pgserver` is installed.

Recorded on 2 cores with `--trials 300` (ms per trial, times Optuna's memory storage):
Optuna, memory 0.21 (1.0); ours, SQLite 1.01 (4.8); Optuna, SQLite 47 (223);
ours, PostgreSQL 3.2 (15); Optuna, PostgreSQL 43 (203).
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import psutil
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage

from tuner.storage import open_storage

N_REPEATS = 3
"""The best of so many counts, since other programs on the machine only add."""


def ms_per_trial(storage: BaseStorage, n_trials: int) -> float:
    """Milliseconds that one trial takes, averaged over a study."""
    return min(_one_study(storage, n_trials) for _ in range(N_REPEATS))


def _one_study(storage: BaseStorage, n_trials: int) -> float:
    study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))
    began = time.perf_counter()
    for _ in range(n_trials):
        trial = study.ask()
        value = sum(trial.suggest_float(f"x{axis}", 0.0, 1.0) for axis in range(5))
        for step in range(10):
            trial.report(value + step, step)
        study.tell(trial, value)
    return 1e3 * (time.perf_counter() - began) / n_trials


@contextlib.contextmanager
def postgresql() -> Iterator[list[str]]:
    """Addresses of two empty PostgreSQL databases, or none without `pgserver`."""
    try:
        import pgserver
    except ImportError:
        yield []
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode=None)
        server.psql("CREATE DATABASE ours;")
        server.psql("CREATE DATABASE theirs;")
        yield [server.get_uri(name) for name in ("ours", "theirs")]
        psutil.Process(server.get_pid()).send_signal(signal.SIGINT)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    n_trials = parser.parse_args().trials
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    results: dict[str, float] = {}

    def measure(name: str, storage: BaseStorage, n: int = n_trials) -> None:
        results[name] = ms_per_trial(storage, n)
        ratio = results[name] / results["Optuna, memory"]
        print(f"{name:28s} {results[name]:8.2f} ms  x {ratio:.1f}", flush=True)

    measure("Optuna, memory", InMemoryStorage())
    with tempfile.TemporaryDirectory() as folder, postgresql() as urls:
        ours = open_storage(f"sqlite:///{folder}/ours.db")
        measure("ours, SQLite", ours)
        ours.close()
        n_few = max(20, n_trials // 10)
        measure("Optuna, SQLite", RDBStorage(f"sqlite:///{folder}/theirs.db"), n_few)
        if urls:
            ours = open_storage(urls[0])
            measure("ours, PostgreSQL", ours)
            ours.close()
            address = urls[1].replace("postgresql://", "postgresql+psycopg://")
            measure("Optuna, PostgreSQL", RDBStorage(address), n_few)
    extra = results["ours, SQLite"] - results["Optuna, memory"]
    print(f"ours on SQLite adds {extra:.2f} ms to a trial in memory")


if __name__ == "__main__":
    main()
