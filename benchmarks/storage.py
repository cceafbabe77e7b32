"""What the study database costs where nothing is trained: 5 parameters, 10 reports a trial.

Run: python benchmarks/storage.py
     python benchmarks/storage.py --parts client ledger --trials 300

`client` sends the same trials by random search through `study.ask`, `trial.report` and
`study.tell` to every storage; `ledger` has a scripted lane of 64 rows report to a real ledger;
`growth` compares trials after the first 100 with trials after the first 10,000, in turn;
`opening` reads a study of 10,000 trials with 20 reports each. PostgreSQL is measured where the
wheel `pgserver` is installed.

Printed are milliseconds per trial by the clock and in CPU time of this process (a server's is not
in it), and how many commits a trial took. The aims: one client of ours on SQLite takes at most
1 ms more than Optuna's memory storage; at most two commits a trial on PostgreSQL; under 1 ms
through the ledger; growth within 20 %; a study opened in under 3 s.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from scripted_lane import FIVE_FLOATS, ScriptedLane, Work, scripted_study
from sqlalchemy import Engine, event

from tuner.spec import PrunerSpec
from tuner.storage import open_storage

N_REPEATS = 3
"""The best of so many counts, since other programs on the machine only add."""

N_COUNTED = 200
N_SHORT, N_LONG, N_PART = 100, 10_000, 50
EVERY_REPORT = PrunerSpec(name="none")

Urls = Sequence[tuple[str, str]]
"""Addresses of empty databases on servers, ours and Optuna's."""


class Meter:
    """What a piece of work takes, counted from `begin` on."""

    def __init__(self) -> None:
        self._n_commits = 0
        event.listen(Engine, "commit", self._commit)
        self.begin()

    def begin(self) -> None:
        """Counting starts anew."""
        self._began, self._used = time.perf_counter(), time.process_time()
        self._n_before = self._n_commits

    def per_trial(self, n_trials: int) -> Cost:
        """What each of `n_trials` took since `begin`."""
        clock_s, cpu_s = time.perf_counter() - self._began, time.process_time() - self._used
        n_commits = self._n_commits - self._n_before
        return Cost(1e3 * clock_s / n_trials, 1e3 * cpu_s / n_trials, n_commits / n_trials)

    def _commit(self, _connection: Any) -> None:
        self._n_commits += 1


@dataclass(frozen=True, order=True)
class Cost:
    """Milliseconds by the clock and of CPU time, and commits, of one trial."""

    clock_ms: float
    cpu_ms: float
    n_commits: float


METER = Meter()


def show(name: str, cost: Cost, note: str = "") -> None:
    """Prints a line of the table."""
    shown = f"{cost.clock_ms:8.2f} {cost.cpu_ms:8.2f} {cost.n_commits:8.2f}"
    print(f"{name:36s} {shown}  {note}", flush=True)


def run_trials(study: optuna.Study, n_trials: int) -> Cost:
    """What each of `n_trials` more trials of the study takes."""
    METER.begin()
    for _ in range(n_trials):
        trial = study.ask()
        value = sum(trial.suggest_float(f"x{axis}", 0.0, 1.0) for axis in range(5))
        for step in range(10):
            trial.report(value + step, step)
        study.tell(trial, value)
    return METER.per_trial(n_trials)


def new_study(storage: BaseStorage) -> optuna.Study:
    """An empty study by random search."""
    return optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))


def client(urls: Urls, folder: Path, n_trials: int) -> None:
    """One client of each storage."""

    def measure(name: str, storage: BaseStorage, n: int = n_trials) -> Cost:
        cost = min(run_trials(new_study(storage), n) for _ in range(N_REPEATS))
        show(name, cost)
        return cost

    memory = measure("Optuna, memory", InMemoryStorage())
    n_few = max(20, n_trials // 10)
    for url, theirs in [(f"sqlite:///{folder}/client.db", f"sqlite:///{folder}/theirs.db"), *urls]:
        kind = url.split(":")[0]
        ours = open_storage(url)
        cost = measure(f"ours, {kind}", ours)
        ours.close()
        print(f"  adds {cost.clock_ms - memory.clock_ms:.2f} ms to a trial in memory")
        measure(f"Optuna, {kind}", RDBStorage(theirs), n_few)


def ledger(urls: Urls, folder: Path, n_trials: int) -> None:
    """A lane of 64 rows, whose trials report ten times through a ledger."""
    work = Work(FIVE_FLOATS, pruner=EVERY_REPORT, n_epochs=10)
    for url, _ in [(f"sqlite:///{folder}/ledger.db", ""), *urls]:
        with scripted_study(url, folder, work) as lane:
            lane.run_until(N_COUNTED)
            n_before = lane.n_started
            METER.begin()
            lane.run_until(n_before + 3 * n_trials)
            cost = METER.per_trial(lane.n_started - n_before)
            show(f"ledger, 64 rows, {url.split(':')[0]}", cost)


def growth(_urls: Urls, folder: Path, _n_trials: int) -> None:
    """A trial of a short study and one of a long one in turn, on SQLite."""
    storage = open_storage(f"sqlite:///{folder}/growth.db")
    compare("client", *(partial(run_trials, new_study(storage)) for _ in range(2)))
    storage.close()
    work = Work(FIVE_FLOATS, pruner=EVERY_REPORT, n_epochs=10)
    with (
        scripted_study(f"sqlite:///{folder}/young.db", folder, work) as young,
        scripted_study(f"sqlite:///{folder}/grown.db", folder, work) as grown,
    ):
        compare("ledger", partial(turn_more, young), partial(turn_more, grown))


def turn_more(lane: ScriptedLane, n_trials: int) -> Cost:
    """What each of at least `n_trials` more trials of the lane takes."""
    n_before = lane.n_started
    METER.begin()
    lane.run_until(n_before + n_trials)
    return METER.per_trial(lane.n_started - n_before)


def compare(name: str, short: Callable[[int], Cost], long: Callable[[int], Cost]) -> None:
    """Prints what a trial takes after a hundred and after ten thousand, the best of some rounds.

    In turn, since a machine that others share changes its speed from minute to minute.
    """
    short(N_SHORT)
    long(N_LONG)
    costs = [(short(N_PART), long(N_PART)) for _ in range(N_COUNTED // N_PART)]
    early, late = (min(own, key=lambda cost: cost.cpu_ms) for own in zip(*costs, strict=True))
    show(f"{name}, after {N_SHORT}", early)
    show(f"{name}, after {N_LONG}", late, f"x {late.cpu_ms / early.cpu_ms:.2f} of CPU time")


def opening(_urls: Urls, folder: Path, _n_trials: int) -> None:
    """How long it takes to read a long study, and what that adds to the process."""
    url = f"sqlite:///{folder}/opening.db"
    with scripted_study(url, folder, Work(FIVE_FLOATS, pruner=EVERY_REPORT), N_LONG) as lane:
        lane.run_until(2 * N_LONG)
    before = psutil.Process().memory_info().rss
    METER.begin()
    storage = open_storage(url)
    trials = optuna.load_study(study_name="s", storage=storage).get_trials(deepcopy=False)
    cost = METER.per_trial(1)
    mib = (psutil.Process().memory_info().rss - before) / 2**20
    n_values = sum(len(trial.intermediate_values) for trial in trials)
    show(f"opening {len(trials)} trials", cost, f"ms in all; {n_values} reports, {mib:.0f} MiB")
    storage.close()


PARTS = {part.__name__: part for part in (client, ledger, growth, opening)}


@contextlib.contextmanager
def postgresql() -> Iterator[Urls]:
    """Two databases of a PostgreSQL server; none without `pgserver`."""
    try:
        import pgserver
    except ImportError:
        yield []
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = pgserver.postgres_server.get_server(Path(folder) / "data", cleanup_mode=None)
        server.psql("CREATE DATABASE ours;")
        server.psql("CREATE DATABASE theirs;")
        ours, theirs = (server.get_uri(name) for name in ("ours", "theirs"))
        yield [(ours, theirs.replace("postgresql://", "postgresql+psycopg://"))]
        psutil.Process(server.get_pid()).send_signal(signal.SIGINT)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print(f"{'':36s} {'ms':>8s} {'CPU ms':>8s} {'commits':>8s}")
    for name in options.parts:
        with tempfile.TemporaryDirectory() as folder, postgresql() as urls:
            PARTS[name](urls, Path(folder), options.trials)


if __name__ == "__main__":
    main()
