"""One training step of many perceptrons: plain torch against stacked rows, on one thread.

Run `python benchmarks/steps.py`. A stacked figure is a whole epoch of a cohort divided by its
steps and rows: data order, gathering, dropout tapes, penalties and validation are included. The
plain step is forward, backward and optimizer alone, on a batch that is at hand.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trials.contract import Row
from trials.data import Dataset, Part
from trials.networks.mlp import MLP

UNITS, BATCH, FEATURES, POINTS = 64, 32, 30, 352
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "momentum": 0.9},
    "adam": {"optimizer": "adam"},
}
PENALTIES: dict[str, dict[str, float]] = {"": {}, "+": {"dropout": 0.3, "l1": 1e-5, "l2": 1e-4}}


def best_of(run: Callable[[], object], n_rounds: int = 7) -> float:
    """Seconds of the fastest of `n_rounds` calls, after one that is not counted.

    Processor time of this thread, so that other programs disturb the comparison less.
    """
    run()
    times = []
    for _ in range(n_rounds):
        start = time.thread_time()
        run()
        times.append(time.thread_time() - start)
    return min(times)


def points() -> Dataset:
    """Random points in the shape of the breast cancer data."""
    rng = np.random.default_rng(0)
    sizes = (POINTS, 114, 114)
    parts = [
        Part(rng.normal(size=(n, FEATURES)).astype(np.float32), rng.integers(0, 2, n))
        for n in sizes
    ]
    return Dataset(
        name="random",
        kind="table",
        task="classification",
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        feature_names=(),
        classes=("a", "b"),
        target_name="",
        fingerprint="",
    )


def plain_step(params: dict[str, Any]) -> float:
    """Seconds of one step of an ordinary model with an ordinary optimizer."""
    modules: list[nn.Module] = []
    for n_in, n_out in ((FEATURES, UNITS), (UNITS, UNITS)):
        modules += [nn.Linear(n_in, n_out), nn.ReLU()]
        modules += [nn.Dropout(0.3)] if "dropout" in params else []
    model = nn.Sequential(*modules, nn.Linear(UNITS, 2))
    decay = 1e-4 if "l2" in params else 0.0
    optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), weight_decay=decay)
    if params["optimizer"] == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=decay)
    x, y = torch.randn(BATCH, FEATURES), torch.randint(0, 2, (BATCH,))
    weights = [p for p in model.parameters() if p.ndim == 2]

    def steps() -> None:
        for _ in range(50):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            if "l1" in params:
                loss = loss + 1e-5 * sum(w.abs().sum() for w in weights)
            torch.autograd.backward(loss)
            optimizer.step()

    return best_of(steps) / 50


def stacked_step(trainer: MLP, params: dict[str, Any], n_rows: int) -> float:
    """Seconds per row and step of a cohort's epoch."""
    params = {"units": UNITS, "layers": 2, "batch_size": BATCH, "learning_rate": 0.01} | params
    cohort = trainer.cohort(trainer.structure(params))
    cohort.admit([Row(key, params, key, 100) for key in range(n_rows)])
    return best_of(cohort.advance, 9) / (-(-POINTS // BATCH)) / n_rows


def product_step(n_rows: int) -> float:
    """Seconds per row of the same step's matrix products by themselves."""
    widths = (32, UNITS, UNITS, 16)
    products: list[tuple[Callable[..., Tensor], tuple[Tensor, ...], Tensor]] = []
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        x, w = torch.randn(n_rows, BATCH, n_in), torch.randn(n_rows, n_in, n_out)
        y, bias = torch.randn(n_rows, BATCH, n_out), torch.randn(n_rows, 1, n_out)
        products.append((torch.baddbmm, (bias, x, w), torch.empty_like(y)))
        products.append((torch.bmm, (x.transpose(1, 2), y), torch.empty_like(w)))
        if layer:
            products.append((torch.bmm, (y, w.transpose(1, 2)), torch.empty_like(x)))

    def steps() -> None:
        for _ in range(20):
            for product, arguments, out in products:
                product(*arguments, out=out)

    return best_of(steps) / 20 / n_rows


def main() -> None:
    """Prints a table: microseconds per row and step, ratio to plain, share of products."""
    torch.set_num_threads(1)
    trainer = MLP(points())
    print(f"{UNITS} units, two layers, batch {BATCH}, {FEATURES} features, one thread")
    print(f"{'optimizer':10}{'rows':>6}{'plain us':>10}{'row us':>9}{'ratio':>7}{'products':>10}")
    for penalties, extra in PENALTIES.items():
        for name, optimizer in OPTIMIZERS.items():
            params: dict[str, Any] = {**optimizer, **extra}
            plain = plain_step(params)
            for n_rows in (1, 8, 32, 64):
                row = stacked_step(trainer, params, n_rows)
                with torch.inference_mode():
                    share = product_step(n_rows) / row
                print(
                    f"{name + penalties:10}{n_rows:6}{plain * 1e6:10.0f}{row * 1e6:9.1f}"
                    f"{plain / row:7.1f}{share:10.0%}"
                )
    print("+ with dropout 0.3, l1 and l2")


if __name__ == "__main__":
    main()
