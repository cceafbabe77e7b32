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
import contextlib
import gc
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
import psutil

from search_spaces import Float, Space
from search_spaces.deep_networks import MLP
from tuner.launching import create
from tuner.ledger import Ledger
from tuner.messages import Assignment, LaneInfo, Report, Slots, Turn
from tuner.plan import Plan
from tuner.resolve import resolve
from tuner.seeds import derive
from tuner.spec import SamplerSpec, spec_from_mapping
from tuner.storage import open_storage, this_process

N_SLOTS, N_EPOCHS = 64, 20
N_UNDER_WAY, N_MEASURED = 200, 200
NO_END = 10**9
SPACES = {
    "mlp, 14 parameters": MLP,
    "5 floats": Space({f"x{index}": Float(0.0, 1.0) for index in range(5)}),
}
SAMPLERS = {
    "random": SamplerSpec(name="random"),
    "tpe": SamplerSpec(name="tpe"),
    "tpe-optuna": SamplerSpec(name="tpe", options={"engine": "optuna"}),
}


def loss(params: Mapping[str, Any], number: int, epoch: int) -> float:
    """A made-up curve: falls towards a level that the floats decide, with some noise."""
    floats = [value for value in params.values() if isinstance(value, float)]
    level = sum((value - 0.3) ** 2 for value in floats) / len(floats)
    return level + 1 / epoch + derive(number, "noise", epoch, bits=16) / 2**17


class ScriptedLane:
    """Rows that need no training: every turn each of them reports one more epoch."""

    def __init__(self, ledger: Ledger, session: str) -> None:
        self._ledger = ledger
        self._session = session
        welcome = ledger.join(LaneInfo(0, session, "here", 1, "cpu", Slots(N_SLOTS)))
        self._rows = {row.trial_id: row for row in welcome.answer.trials}
        self._epochs = dict.fromkeys(self._rows, 0)
        self._index = 0
        self.n_started = len(self._rows)

    def turn(self) -> bool:
        """One exchange; returns whether there is anything left to do."""
        self._index += 1
        for key in self._epochs:
            self._epochs[key] += 1
        ended = {key for key, epoch in self._epochs.items() if epoch == N_EPOCHS}
        answer = self._ledger.exchange(
            Turn(
                lane=0,
                session=self._session,
                index=self._index,
                reports=tuple(self._report(self._rows[key]) for key in sorted(self._rows)),
                n_free=N_SLOTS - len(self._rows) + len(ended),
                n_slots=N_SLOTS,
            )
        )
        for key in ended | {verdict.trial_id for verdict in answer.verdicts}:
            del self._rows[key], self._epochs[key]
        self._rows |= {row.trial_id: row for row in answer.trials}
        self._epochs |= dict.fromkeys((row.trial_id for row in answer.trials), 0)
        self.n_started += len(answer.trials)
        return answer.state == "go"

    def _report(self, row: Assignment) -> Report:
        epoch = self._epochs[row.trial_id]
        value = loss(row.params, row.number, epoch)
        return Report(row.trial_id, row.token, epoch, {"validation_loss": value})


@contextlib.contextmanager
def study(
    folder: Path, space: Space, sampler: SamplerSpec, n_trials: int
) -> Iterator[ScriptedLane]:
    """A lane of the folder's study, which is created if it is not there.

    Args:
        folder: Where the database is.
        space: What is sampled.
        sampler: Which one.
        n_trials: The study's budget.
    """
    url = f"sqlite:///{folder / 'ledger.db'}"
    keys = {"study": "s", "trainer": "mlp", "data": "iris", "epochs": N_EPOCHS, "storage": url}
    resolved = resolve(spec_from_mapping(keys | {"trials": n_trials}))
    storage = open_storage(url)
    create(storage, resolved, "s")
    study_id = storage.get_study_id_from_name("s")
    spec = resolved.spec.model_copy(update={"sampler": sampler})
    plan = Plan("s", study_id, spec, space, resolved.objectives, folder, True, 1, N_SLOTS)
    owner = this_process()
    storage.records.claim(study_id, owner, lease_s=30.0)
    ledger = Ledger(storage, plan, owner)
    # What is there now lives on; a collection that looks at all of it takes half a second.
    gc.freeze()
    yield ScriptedLane(ledger, session=f"scripted-{n_trials}")
    ledger.close()
    storage.close()


def fill(folder: Path, space: str, n_trials: int) -> None:
    """The folder has a study of `n_trials` by random search, all of them finished."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with study(folder, SPACES[space], SAMPLERS["random"], n_trials) as lane:
        while lane.turn():
            pass


def measure(folder: Path, space: str, sampler: str) -> tuple[float, float, float]:
    """Milliseconds per trial by the clock and of CPU time, and MiB of this process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with study(folder, SPACES[space], SAMPLERS[sampler], NO_END) as lane:
        while lane.n_started < N_UNDER_WAY:
            lane.turn()
        n_before = lane.n_started
        began, used = time.perf_counter(), time.process_time()
        while lane.n_started < n_before + N_MEASURED:
            lane.turn()
        clock_s, cpu_s = time.perf_counter() - began, time.process_time() - used
        n_counted = lane.n_started - n_before
        memory = psutil.Process().memory_info().rss / 2**20
    return 1e3 * clock_s / n_counted, 1e3 * cpu_s / n_counted, memory


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
