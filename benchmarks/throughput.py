"""Trials per second of this project, of Optuna alone, and of Ray Tune with OptunaSearch.

All three tune the breast-cancer MLP over the same space, epochs and split with asynchronous
halving, start-up included. Run on an idle machine:

    python benchmarks/throughput.py --trials 300 --ray-trials 60
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SPACE = {
    "optimizer": "sgd",
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
    "momentum": {"type": "float", "low": 0.0, "high": 0.99},
    "nesterov": False,
    "dropout": {"type": "float", "low": 0.0, "high": 0.6},
    "l1": {"type": "float", "low": 1e-7, "high": 1e-2, "log": True},
    "l2": {"type": "float", "low": 1e-7, "high": 1e-1, "log": True},
    "units": {"type": "int", "low": 8, "high": 128, "log": True},
    "layers": 2,
    "batch_size": {"type": "categorical", "choices": [16, 32, 64, 128]},
    "activation": "relu",
    "initializer": "he_uniform",
    "schedule": "constant",
    "input_scaling": "standardize",
}


def run_tuner(n_trials: int, folder: Path) -> dict[str, Any]:
    """This project, two lanes on Ray."""
    import tuner

    study = tuner.launch(
        "mlp",
        data={"name": "breast_cancer", "seed": 0},
        trials=n_trials,
        epochs=20,
        space=_space(),
        lanes=2,
        storage=f"sqlite:///{folder}/tuner.db",
    )
    return {"best": study.best_trial.value, "counts": dict(study.counts)}


def run_optuna(n_trials: int, folder: Path) -> dict[str, Any]:
    """Optuna alone: two processes on one SQLite database, one thread each."""
    import optuna

    url = f"sqlite:///{folder}/optuna.db"
    optuna.create_study(study_name="peer", storage=url, direction="minimize")
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_optuna_worker, args=(url, n_trials // 2, seed)) for seed in (0, 1)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    study = optuna.load_study(study_name="peer", storage=url)
    return {"best": study.best_value, "counts": {"trials": len(study.trials)}}


def _optuna_worker(url: str, n_trials: int, seed: int) -> None:
    import optuna
    import torch
    from plain_mlp import EPOCHS, suggest, tensors, train

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data = tensors()

    def objective(trial: optuna.Trial) -> float:
        loss = math.nan
        for epoch, loss in enumerate(train(suggest(trial), data, trial.number), start=1):
            trial.report(loss, epoch)
            if epoch < EPOCHS and trial.should_prune():
                raise optuna.TrialPruned
        return loss

    study = optuna.load_study(
        study_name="peer",
        storage=url,
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
    )
    study.optimize(objective, n_trials=n_trials)


def run_ray(n_trials: int, folder: Path) -> dict[str, Any]:
    """Ray Tune with OptunaSearch and ASHAScheduler, as its documentation shows."""
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)

    def trainable(config: dict[str, Any]) -> None:
        sys.path.insert(0, str(HERE))
        import torch
        from plain_mlp import tensors, train

        torch.set_num_threads(1)
        for epoch, loss in enumerate(train(config, tensors(), 0), start=1):
            tune.report({"loss": loss, "epoch": epoch})

    space = {
        "learning_rate": tune.loguniform(1e-4, 1.0),
        "momentum": tune.uniform(0.0, 0.99),
        "dropout": tune.uniform(0.0, 0.6),
        "l1": tune.loguniform(1e-7, 1e-2),
        "l2": tune.loguniform(1e-7, 1e-1),
        "units": tune.lograndint(8, 129),
        "batch_size": tune.choice([16, 32, 64, 128]),
    }
    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            num_samples=n_trials,
            search_alg=OptunaSearch(),
            scheduler=ASHAScheduler(
                time_attr="epoch", max_t=20, grace_period=1, reduction_factor=4
            ),
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "ray"), verbose=0),
    ).fit()
    best = min(r.metrics["loss"] for r in results if r.metrics and r.metrics.get("epoch") == 20)
    ray.shutdown()
    return {"best": best, "counts": {"trials": len(results)}}


def _space() -> Any:
    from search_spaces import Space

    return Space.from_plain(SPACE)


RUNS = {"tuner": run_tuner, "optuna": run_optuna, "ray": run_ray}


def measure(name: str, n_trials: int) -> dict[str, Any]:
    """Runs one of the three in a fresh process; its seconds include the interpreter's start."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, "--only", name, "--trials", str(n_trials), folder],
            env=_environment(name),
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-4000:]}")
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return result | {"trials": n_trials, "seconds": seconds, "per_s": n_trials / seconds}


def _environment(name: str) -> dict[str, str]:
    """This process' variables; a token for plain Ray, which has none by itself."""
    extra = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return dict(os.environ) | (extra if name == "ray" else {})


def main() -> None:
    """Prints a line for each of the three, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--optuna-trials", type=int, default=300)
    parser.add_argument("--ray-trials", type=int, default=60)
    parser.add_argument("--only", choices=RUNS)
    parser.add_argument("folder", nargs="?", type=Path)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(RUNS[options.only](options.trials, options.folder)))
        return
    plan = {"tuner": options.trials, "optuna": options.optuna_trials, "ray": options.ray_trials}
    figures = {}
    for name, n_trials in plan.items():
        if n_trials:
            figures[name] = row = measure(name, n_trials)
            print(
                f"{name:8} {n_trials:6} trials {row['seconds']:8.1f} s {row['per_s']:8.2f} trials/s"
                f"   best validation loss {row['best']:.4f}   {row['counts']}",
                flush=True,
            )
    for peer in ("optuna", "ray"):
        if peer in figures:
            ratio = figures["tuner"]["per_s"] / figures[peer]["per_s"]
            print(f"tuner is {ratio:.1f} times {peer}")


if __name__ == "__main__":
    main()
