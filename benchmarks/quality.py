"""Tunes each task within a budget and prints our test figure beside the reference and the aim.

Run `python benchmarks/quality.py [TASK ...] [--seeds N] [--trials N] [--seconds S] [--inline]`.
Without names it runs those of `QUICK`, with `gans` those of `GANS`. Each seed is a study of its
own: it draws the split, the trials and their weights. The study looks at the test part once, for
its best trial; the figure is the median over seeds, with the lowest and the highest. Files of real
data are found through the environment variable TUNER_DATA; tasks that need them are skipped where
it is not set.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gan_tasks import GANS
from goals import FEW_SLOTS, MNIST, WHOLE, Figure, Goal, Task

import tuner
from trials.data import Dataset, load
from trials.data.synthetic import INTERCEPT, SLOPE


def on_test(name: str, unit: float = 1.0) -> Figure:
    """The test figure of that name, in `unit`."""
    return lambda study, _data: study.test[name] / unit


def line_error(study: tuner.Study, data: Dataset) -> float:
    """The larger relative error of the best trial's slope and intercept."""
    from safetensors.torch import load_file

    from trials.networks.linear import Linear

    with tempfile.TemporaryDirectory() as folder:
        (saved,) = study.save_best(Path(folder, "best"))
        weights = load_file(saved.folder / "weights.safetensors")
    slopes, intercepts = Linear(data).coefficients(weights, saved.params)
    return max(abs(float(slopes) / SLOPE - 1), abs(float(intercepts) / INTERCEPT - 1))


def over_ridge(study: tuner.Study, data: Dataset) -> float:
    """R2 on the test part, less that of the ridge that is best on the validation part."""
    from sklearn.linear_model import Ridge

    ridges = [Ridge(alpha).fit(data.train.x, data.train.y) for alpha in np.logspace(-4, 1, 30)]
    best = max(ridges, key=lambda ridge: ridge.score(data.validation.x, data.validation.y))
    return study.test["test_r2"] - float(best.score(data.test.x, data.test.y))


def over_components(study: tuner.Study, data: Dataset) -> float:
    """Squared error of the best code on the test part over that of as many principal components."""
    from sklearn.decomposition import PCA

    x, unseen = (part.x.reshape(len(part), -1) for part in (data.train, data.test))
    components = PCA(study.best_trial.params["code"], svd_solver="full").fit(x)
    restored = components.inverse_transform(components.transform(unseen))
    return study.test["test_loss"] / float(np.square(unseen - restored).mean())


def accuracy(aim: float, reference: str) -> tuple[Goal]:
    """A share of right answers on the test part."""
    return (Goal("accuracy", on_test("test_accuracy"), aim, reference),)


WIDE = {"units": {"type": "int", "low": 64, "high": 256, "log": True}}
STEADY: dict[str, Any] = {
    "optimizer": {"type": "categorical", "choices": ["adam", "adamw"]},
    "learning_rate": {"type": "float", "low": 3e-4, "high": 1e-2, "log": True},
    "schedule": {"type": "categorical", "choices": ["cosine", "constant"]},
    "layers": {"type": "int", "low": 2, "high": 3},
    "dropout": {"type": "float", "low": 0.0, "high": 0.2},
    "batch_size": {"type": "categorical", "choices": [64, 128]},
}
"""Where few trials are affordable, the axes that are known to matter little are narrow."""

FALLING: dict[str, Any] = {
    "optimizer": "adam",
    "schedule": "cosine",
    "l1": 0.0,
    "l2": {"type": "float", "low": 1e-7, "high": 1e-4, "log": True},
    "batch_size": 64,
}
"""How images are learnt in few epochs."""

HALVING: dict[str, Any] = {"pruner": {"name": "asha", "min_resource": 3, "reduction_factor": 3}}
"""Where falling rates show their worth late."""

TASKS: dict[str, Task] = {
    "breast_cancer": Task(
        "mlp",
        "breast_cancer",
        60,
        accuracy(0.97, "MLP 0.97-0.98 scaled, 0.916 unscaled"),
        epochs=60,
    ),
    "digits-mlp": Task("mlp", "digits", 150, accuracy(0.975, "MLP about 0.98"), epochs=30),
    "digits-cnn": Task(
        "cnn", "digits", 60, accuracy(0.985, "RBF-SVC about 0.99"), spec={"slots": 4}
    ),
    "mnist-mlp": Task(
        "mlp",
        MNIST,
        12,
        accuracy(0.955, "about 0.95-0.96"),
        epochs=12,
        space=FALLING
        | {
            "learning_rate": {"type": "float", "low": 5e-4, "high": 4e-3, "log": True},
            "units": 256,
            "layers": 2,
            "dropout": {"type": "float", "low": 0.1, "high": 0.5},
            "label_smoothing": 0.0,
            "activation": {"type": "categorical", "choices": ["relu", "leaky_relu", "elu"]},
        },
        spec=FEW_SLOTS | HALVING,
        needs_files=True,
    ),
    "mnist-cnn": Task(
        "cnn",
        MNIST,
        6,
        accuracy(0.98, "0.975-0.985"),
        epochs=8,
        space=FALLING
        | {
            "learning_rate": {"type": "float", "low": 1e-3, "high": 6e-3, "log": True},
            "layers": 2,
            "channels": 8,
            "kernel_size": 5,
            "pooling": "max",
            "units": 128,
            "dropout": {"type": "float", "low": 0.3, "high": 0.6},
            "activation": "relu",
        },
        spec=FEW_SLOTS | HALVING,
        needs_files=True,
    ),
    "houses": Task(
        "mlp",
        {"file": "california-housing.csv", "target": "median_house_value"},
        24,
        (Goal("RMSE", on_test("test_rmse", 1e5), 0.52, "MLP 0.4986, XGBoost 0.4334", is_low=True),),
        epochs=60,
        space=WIDE | STEADY,
        spec=FEW_SLOTS,
        needs_files=True,
    ),
    "diabetes": Task(
        "linear", "diabetes", 100, (Goal("R2 over ridge", over_ridge, 0.0, "ridge 0"),), epochs=40
    ),
    "noisy_line": Task(
        "linear",
        "noisy_line",
        60,
        (Goal("error of the line", line_error, 0.02, "the true line 0", is_low=True),),
    ),
    "airline": Task(
        "rnn",
        "airline",
        150,
        (Goal("RMSE", on_test("test_rmse"), 15.6, "LSTM 47.5, persistence 48.7", is_low=True),),
        epochs=40,
        space={"cell": "lstm", "log": True, "difference": True, "seasonal_lag": 12},
    ),
    "expressions": Task("recursive", "expressions", 30, accuracy(0.95, "the rule 1")),
    "digits-autoencoder": Task(
        "autoencoder",
        "digits",
        60,
        (Goal("error over PCA", over_components, 1.0, "PCA 1", is_low=True),),
        epochs=60,
        space={"kind": "plain", "code": 16},
    ),
    "mnist-vae": Task(
        "autoencoder",
        MNIST,
        6,
        (Goal("ELBO", on_test("test_elbo"), -110.0, "-90.9 (60,000 images)"),),
        epochs=15,
        space={
            "kind": "vae",
            "likelihood": "bernoulli",
            "binarize": "threshold",
            "optimizer": "adam",
            "learning_rate": {"type": "float", "low": 1e-3, "high": 8e-3, "log": True},
            "l2": 0.0,
            "schedule": "cosine",
            "layers": 1,
            "units": 256,
            "activation": "relu",
            "batch_size": 64,
        },
        spec=FEW_SLOTS | HALVING | {"objectives": ["validation_elbo"]},
        needs_files=True,
    ),
    "mnist-dbn-500": Task(
        "dbn",
        MNIST,
        8,
        (Goal("accuracy", on_test("test_accuracy"), None, "pretraining"),),
        epochs=50,
        space={
            "n_labels": 500,
            "optimizer": "adam",
            "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True},
            "schedule": "cosine",
            "dropout": {"type": "float", "low": 0.3, "high": 0.6},
            "units": 256,
            "layers": 2,
            "batch_size": 32,
            "pretraining_epochs": {"type": "int", "low": 5, "high": 10},
            "pretraining_rate": {"type": "float", "low": 0.05, "high": 0.2, "log": True},
        },
        spec=FEW_SLOTS | WHOLE,
        needs_files=True,
        without={"pretraining": "none"},
    ),
    **GANS,
}
"""Name on the command line -> the task."""

QUICK = ("breast_cancer", "digits-mlp", "diabetes", "noisy_line", "airline", "expressions")


def source(task: Task) -> Any:
    """The task's data as a spec has them, with absolute paths; None where they are not at hand."""
    if isinstance(task.data, str) or not task.needs_files:
        return task.data
    folder = os.environ.get("TUNER_DATA")
    if not folder:
        return None
    return {
        key: str(Path(folder, value).absolute()) if key in ("idx", "file") else value
        for key, value in task.data.items()
    }


def studies(task: Task, data: Any, options: argparse.Namespace, storage: str) -> Iterator[Any]:
    """A finished study of the task for each seed, what it is compared with, and both its times.

    The other study is None where there is nothing to compare with; the times are seconds of the
    wall clock and of this process's cores.
    """
    n_trials = options.trials or task.trials
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        keys: dict[str, Any] = {
            "data": data,
            "seed": seed,
            "time_limit_s": options.seconds or task.seconds,
            "storage": storage,
            "inline": options.inline,
            "samples": False,
            **task.spec,
        }
        if task.epochs is not None:
            keys["epochs"] = task.epochs
        space, other = dict(task.space), None
        start = np.array([time.perf_counter(), time.process_time()])
        tuned = tuner.launch(task.trainer, space=space, trials=n_trials, **keys)
        seconds = np.array([time.perf_counter(), time.process_time()]) - start
        if task.published:
            keys |= {"pruner": {"name": "none"}, "stop_hopeless": False}
            other = tuner.launch(task.trainer, space=dict(task.published), trials=1, **keys)
        elif task.without:
            space |= task.without
            other = tuner.launch(task.trainer, space=space, trials=n_trials, **keys)
        yield tuned, other, seconds


def run(name: str, options: argparse.Namespace, storage: str) -> None:
    """Prints a line for each goal of a task."""
    task = TASKS[name]
    data = source(task)
    if data is None:
        print(f"{name:19} skipped: TUNER_DATA is not set", flush=True)
        return
    found: list[list[float]] = [[] for _ in task.goals]
    others: list[list[float]] = [[] for _ in task.goals]
    seconds: list[Any] = []
    for study, other, took in studies(task, data, options, storage):
        seconds.append(took)
        if not study.best_trials:
            print(f"{name:19} {study.name}: no trial was complete in time", flush=True)
            continue
        split = load(data, seed=study.spec.split_seed)
        for ours, theirs, goal in zip(found, others, task.goals, strict=True):
            ours.append(goal.figure(study, split))
            if other is not None and other.best_trials:
                theirs.append(goal.figure(other, split))
            so_far = f"{goal.name} {ours[-1]:.4g}" + (f" ({theirs[-1]:.4g})" if theirs else "")
            print(f"  {name} seed {study.spec.seed}: {so_far}", file=sys.stderr, flush=True)
    wall, cores = np.mean(seconds, axis=0)
    budget = f"{options.trials or task.trials:4} trials {wall:5.0f} s"
    if options.inline:
        budget += f", {cores:.0f} of a core"
    for ours, theirs, goal in zip(found, others, task.goals, strict=True):
        if ours and (theirs or goal.aim is not None):
            print(f"{name:19} {goal.line(ours, budget, theirs, task.others)}", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Tunes tasks and compares them with references.")
    parser.add_argument("tasks", nargs="*", help=f"of {', '.join(TASKS)}", metavar="TASK")
    parser.add_argument("--trials", type=int, help="in place of each task's own number")
    parser.add_argument("--seeds", type=int, default=5, help="studies of each task")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="most of one study, in place of its own")
    parser.add_argument("--inline", action="store_true", help="in one process, without Ray")
    options = parser.parse_args()
    asked = [(GANS if name == "gans" else (name,)) for name in options.tasks]
    tasks = [name for names in asked for name in names] or QUICK
    unknown = sorted(set(tasks) - TASKS.keys())
    if unknown:
        parser.error(f"unknown tasks {', '.join(unknown)}; there are {', '.join(TASKS)}")
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(tasks):
            run(name, options, f"sqlite:///{folder}/{number}.db")


if __name__ == "__main__":
    main()
