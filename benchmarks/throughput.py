"""Trials per second of this project, of Optuna alone, and of Ray Tune with OptunaSearch.

All three tune the same network over the same space, epochs and split with asynchronous halving,
start-up included; a trial's value is that of its last epoch (of the GAN: of its best). Run on an
idle machine:

    python benchmarks/throughput.py --trials 1000
    python benchmarks/throughput.py --trials 5000 --ray-trials 0
    python benchmarks/throughput.py --task gan --trials 1000 --ray-trials 0
    python benchmarks/throughput.py --trials 300 --ray-trials 0 --seeds 5

Beside its own figure this project prints the bound that its own measurements set, and the share
of it that was reached: the start and end of a study of one trial, and between them, spread evenly
over two cores, the same rows trained again without a ledger, and the ledger's asks, decisions and
commits of the run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import multiprocessing
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
N_CORES = 2
MLP_SPACE = {
    "optimizer": "sgd",
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
    "momentum": {"type": "float", "low": 0.0, "high": 0.99},
    "nesterov": False,
    "dropout": {"type": "float", "low": 0.0, "high": 0.6},
    "l1": {"type": "float", "low": 1e-7, "high": 1e-2, "log": True},
    "l2": {"type": "float", "low": 1e-7, "high": 1e-1, "log": True},
    "label_smoothing": 0.0,
    "initial_scale": 1.0,
    "units": {"type": "int", "low": 8, "high": 128, "log": True},
    "layers": 2,
    "batch_size": {"type": "categorical", "choices": [16, 32, 64, 128]},
    "activation": "relu",
    "initializer": "he_uniform",
    "schedule": "constant",
    "input_scaling": "standardize",
}


@dataclass(frozen=True)
class Task:
    """What is tuned.

    Attributes:
        trainer: Of this project.
        data: Its name, split by seed 0 on all sides.
        n_epochs: Of every trial.
        plain: Module with the plain training: `suggest` and `train`.
        space: What this project searches; None for the ready space, which `plain` states too.
        is_best: A trial's value is that of its best epoch.
    """

    trainer: str
    data: str
    n_epochs: int
    plain: str
    space: dict[str, Any] | None
    is_best: bool = False

    @cached_property
    def module(self) -> ModuleType:
        """The plain training."""
        if str(HERE) not in sys.path:
            sys.path.insert(0, str(HERE))
        return importlib.import_module(self.plain)

    def load(self) -> Any:
        """The split data."""
        from trials.data import load

        return load(self.data, seed=0)


TASKS = {
    "mlp": Task("mlp", "breast_cancer", 20, "plain_mlp", MLP_SPACE),
    "digits": Task("mlp", "digits", 20, "plain_mlp", MLP_SPACE),
    "gan": Task("gan", "ring", 50, "plain_gan", None, is_best=True),
}


def run_tuner(task: Task, n_trials: int, seed: int, folder: Path) -> dict[str, Any]:
    """This project on Ray, lanes and slots chosen by itself."""
    import tuner

    study = _launch(task, n_trials, seed, f"sqlite:///{folder}/tuner.db")
    seconds = time.perf_counter() - _BEGAN
    storage = tuner.open_storage(study.storage)
    study_id = storage.get_study_id_from_name(study.name)
    stretches = storage.records.activity(study_id)
    slots = storage.get_study_system_attrs(study_id)["tuner:lanes"]
    return {
        "best": study.best_trial.value,
        "counts": {k: n for k, n in study.counts.items() if n},
        "seconds": seconds,
        "slots": slots,
        "lanes": [
            {key: lane.get(key) for key in ("occupancy", "mean_stack", "late", "waiting")}
            for lane in study.lanes()
        ],
        "ledger_s": sum(s.sampled_s + s.decided_s + s.stored_s for s in stretches),
        "sampled_s": sum(s.sampled_s for s in stretches),
        "trained_again_s": _train_again(task, study, slots["n_slots"]),
    }


def _launch(task: Task, n_trials: int, seed: int, storage: str) -> Any:
    import tuner
    from search_spaces import Space

    return tuner.launch(
        task.trainer,
        data={"name": task.data, "seed": 0},
        trials=n_trials,
        epochs=task.n_epochs,
        space=None if task.space is None else Space.from_plain(task.space),
        seed=seed,
        storage=storage,
    )


def _train_again(task: Task, study: Any, n_slots: int) -> float:
    """Seconds of one thread for the epochs that the study's trials trained, nothing else done."""
    import torch

    from trials import TRAINERS
    from trials.contract import Row

    torch.set_num_threads(1)
    module, _, name = TRAINERS[task.trainer].partition(":")
    trainer = getattr(importlib.import_module(module), name)(task.load())
    waiting = [
        (Row(t.number, t.params, t.number, task.n_epochs), len(t.intermediate_values))
        for t in reversed(study.trials)
    ]
    cohorts: dict[Any, Any] = {}
    left: dict[int, tuple[Any, int]] = {}
    began = time.thread_time()
    while waiting or left:
        while waiting and len(left) < n_slots:
            row, n_epochs = waiting.pop()
            home = trainer.structure(row.params)
            cohorts.setdefault(home, trainer.cohort(home)).admit([row])
            left[row.key] = home, n_epochs
        for home in list(cohorts):
            for progress in cohorts[home].advance():
                if progress.epoch >= left[progress.key][1]:
                    cohorts[home].evict([progress.key])
                    del left[progress.key]
            if not cohorts[home].keys:
                del cohorts[home]
    return time.thread_time() - began


def run_start(task: Task, _n_trials: int, seed: int, folder: Path) -> dict[str, Any]:
    """This project with one trial: what every study pays for its start and end."""
    study = _launch(task, 1, seed, f"sqlite:///{folder}/tuner.db")
    return {"best": study.best_trial.value, "counts": {}}


def run_optuna(task: Task, n_trials: int, seed: int, folder: Path) -> dict[str, Any]:
    """Optuna alone: two processes on one SQLite database, one thread each."""
    import optuna

    url = f"sqlite:///{folder}/optuna.db"
    optuna.create_study(study_name="peer", storage=url, direction="minimize")
    context = multiprocessing.get_context("spawn")
    name = next(name for name, candidate in TASKS.items() if candidate == task)
    workers = [
        context.Process(target=_optuna_worker, args=(name, url, n_trials // 2, 2 * seed + n))
        for n in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a worker of Optuna failed")
    study = optuna.load_study(study_name="peer", storage=url)
    return {"best": study.best_value, "counts": {"trials": len(study.trials)}}


def _optuna_worker(name: str, url: str, n_trials: int, seed: int) -> None:
    import optuna
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = TASKS[name]
    plain, data = task.module, task.load()

    def objective(trial: optuna.Trial) -> float:
        losses = []
        epochs = plain.train(plain.suggest(trial), data, task.n_epochs, trial.number)
        for epoch, loss in enumerate(epochs, start=1):
            losses.append(loss)
            trial.report(loss, epoch)
            if epoch < task.n_epochs and trial.should_prune():
                raise optuna.TrialPruned
        finite = [loss for loss in losses if math.isfinite(loss)]
        return min(finite, default=math.nan) if task.is_best else losses[-1]

    study = optuna.load_study(
        study_name="peer",
        storage=url,
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
    )
    study.optimize(objective, n_trials=n_trials)


def run_ray(task: Task, n_trials: int, seed: int, folder: Path) -> dict[str, Any]:
    """Ray Tune with OptunaSearch and ASHAScheduler, as its documentation shows."""
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    name = next(name for name, candidate in TASKS.items() if candidate == task)
    n_epochs = task.n_epochs
    space = partial(_ask, task.module.suggest)
    here = str(HERE)
    goal: dict[str, Any] = {"metric": "loss", "mode": "min"}

    def trainable(config: dict[str, Any]) -> None:
        sys.path.insert(0, here)
        import torch
        from throughput import TASKS

        torch.set_num_threads(1)
        own = TASKS[name]
        for epoch, loss in enumerate(own.module.train(config, own.load(), n_epochs, 0), start=1):
            tune.report({"loss": loss, "epoch": epoch})

    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            num_samples=n_trials,
            search_alg=OptunaSearch(space=space, seed=seed, **goal),
            scheduler=ASHAScheduler(
                time_attr="epoch", max_t=n_epochs, grace_period=1, reduction_factor=4, **goal
            ),
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "ray"), verbose=0),
    ).fit()
    reports = [results[n].metrics or {} for n in range(len(results))]
    ended = [report["loss"] for report in reports if report.get("epoch") == n_epochs]
    ray.shutdown()
    return {"best": min(ended, default=math.nan), "counts": {"trials": len(results)}}


def _ask(suggest: Callable[[Any], object], trial: Any) -> None:
    """The space as OptunaSearch wants it: without a result, and picklable."""
    suggest(trial)


RUNS = {"tuner": run_tuner, "start": run_start, "optuna": run_optuna, "ray": run_ray}


def measure(name: str, task: str, n_trials: int, seed: int) -> dict[str, Any]:
    """Runs one of the contestants in a fresh process; seconds include the interpreter's start."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        given = ["--only", name, "--task", task, "--trials", str(n_trials), "--seed", str(seed)]
        done = subprocess.run(
            [sys.executable, __file__, *given, folder],
            env=_environment(name),
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-4000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    # What this project does after its study, for the bound, is not part of its time.
    seconds = seconds - result["whole_s"] + result.get("seconds", result["whole_s"])
    return result | {"trials": n_trials, "seconds": seconds, "per_s": n_trials / seconds}


def _environment(name: str) -> dict[str, str]:
    """This process' variables; a token for plain Ray, which has none by itself."""
    extra = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return dict(os.environ) | (extra if name == "ray" else {})


def bound(figures: dict[str, Any], start_s: float) -> float:
    """Seconds that the run could not have beaten: two cores evenly busy, one ledger."""
    ledger_s: float = figures["ledger_s"]
    rows_s: float = figures["trained_again_s"]
    return start_s + max(ledger_s, (rows_s + ledger_s) / N_CORES)


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """One line for a contestant: medians over the seeds."""
    seconds = statistics.median(row["seconds"] for row in rows)
    best = statistics.median(row["best"] for row in rows)
    n_trials = rows[0]["trials"]
    print(
        f"{name:8} {n_trials:6} trials {seconds:8.1f} s {n_trials / seconds:8.2f} trials/s"
        f"   best value {best:.4f} (median of {len(rows)})   {rows[-1]['counts']}",
        flush=True,
    )


def show_bound(task: str, rows: list[dict[str, Any]]) -> None:
    """Where this project's time went, and how near its bound it came."""
    start_s = measure("start", task, 1, 0)["seconds"]
    row = rows[-1]
    least = bound(row, start_s)
    print(
        f"         start and end {start_s:.1f} s, rows alone {row['trained_again_s']:.1f} s, asks "
        f"{row['sampled_s']:.1f} s, decisions and commits {row['ledger_s'] - row['sampled_s']:.1f} "
        f"s; bound {least:.1f} s, {least / row['seconds']:.0%} of it reached\n"
        f"         lanes and slots {row['slots']}; {row['lanes']}",
        flush=True,
    )


def main() -> None:
    """Prints a line for each contestant, and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=TASKS, default="mlp")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--optuna-trials", type=int, default=300)
    parser.add_argument("--ray-trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=1, help="runs of each contestant")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--only", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("folder", nargs="?", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        result = RUNS[options.only](
            TASKS[options.task], options.trials, options.seed, options.folder
        )
        print(json.dumps(result | {"whole_s": time.perf_counter() - _BEGAN}))
        return
    plan = {"tuner": options.trials, "optuna": options.optuna_trials, "ray": options.ray_trials}
    figures = {}
    for name, n_trials in plan.items():
        if not n_trials:
            continue
        seeds = range(options.seed, options.seed + options.seeds)
        figures[name] = [measure(name, options.task, n_trials, seed) for seed in seeds]
        show(name, figures[name])
        if name == "tuner":
            show_bound(options.task, figures[name])
    ours = statistics.median(row["per_s"] for row in figures["tuner"])
    for peer in ("optuna", "ray"):
        if peer in figures:
            ratio = ours / statistics.median(row["per_s"] for row in figures[peer])
            print(f"tuner is {ratio:.1f} times {peer}")


_BEGAN = time.perf_counter()

if __name__ == "__main__":
    main()
