"""Studies that look like real ones, made from a seed, for the report's tests."""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tuner.report.data import Finding, SampleSeries, StudyRecord, TrialRecord

START = datetime(2026, 3, 2, 14, 5)
DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhg"
    "GAWjR9awAAAABJRU5ErkJggg=="
)
LOSS = (("validation_loss", "minimize", ""),)
MLP: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "optimizer": CategoricalDistribution(["sgd", "adam"]),
    "momentum": FloatDistribution(0.0, 0.99),
    "units": IntDistribution(8, 128, log=True),
    "dropout": FloatDistribution(0.0, 0.6),
    "l2": FloatDistribution(1e-6, 1e-2, log=True),
    "batch_size": CategoricalDistribution([16, 32, 64, 128]),
    "activation": CategoricalDistribution(["relu", "tanh", "elu", "softplus"]),
    "layers": CategoricalDistribution([2]),
}


def mlp_params(rng: np.random.Generator) -> dict[str, Any]:
    """Parameters drawn at random; momentum belongs to sgd alone."""
    params: dict[str, Any] = {
        "learning_rate": float(10 ** rng.uniform(-4, 0)),
        "optimizer": ["sgd", "adam"][rng.integers(2)],
        "units": round(2 ** float(rng.uniform(3, 7))),
        "dropout": float(rng.uniform(0, 0.6)),
        "l2": float(10 ** rng.uniform(-6, -2)),
        "batch_size": [16, 32, 64, 128][rng.integers(4)],
        "activation": ["relu", "tanh", "elu", "softplus"][rng.integers(4)],
        "layers": 2,
    }
    if params["optimizer"] == "sgd":
        params["momentum"] = float(rng.uniform(0, 0.99))
    return params


def _curve(params: dict[str, Any], rng: np.random.Generator) -> list[float]:
    ideal = -2.6 if params["optimizer"] == "adam" else -1.1
    miss = abs(math.log10(params["learning_rate"]) - ideal)
    floor = 0.05 + 0.09 * miss**1.7 + 0.12 * (params["dropout"] - 0.25) ** 2
    floor += 0.25 / params["units"] + 0.02 * (params["activation"] == "softplus")
    speed = 0.7 / (1 + 0.8 * miss)
    values = []
    for epoch in range(1, 21):
        value = floor + 1.6 * math.exp(-speed * epoch) + 0.01 * rng.standard_normal() * floor * 5
        if params["learning_rate"] > 0.6 and params["optimizer"] == "adam":
            value *= 1.5**epoch
        values.append(max(1e-3, value))
    return values


def mlp_study(n_trials: int = 200, seed: int = 0, name: str = "digits-mlp") -> StudyRecord:
    """A study of `n_trials` with halving at epochs 1, 4 and 16, four lanes and some failures."""
    rng = np.random.default_rng(seed)
    free = [0.0] * 32
    seen: dict[int, list[float]] = {1: [], 4: [], 16: []}
    trials = []
    for number in range(n_trials):
        slot = int(np.argmin(free))
        begin = free[slot] + 0.02
        trial, cost = _mlp_trial(number, rng, seen)
        free[slot] = begin + cost
        ended = START + timedelta(seconds=begin + cost)
        started = START + timedelta(seconds=begin)
        trials.append(replace(trial, started=started, ended=ended, lane=slot // 8))
    complete = [trial for trial in trials if trial.state == "COMPLETE"]
    best = min(complete, key=lambda trial: (trial.values, trial.number)) if complete else None
    return StudyRecord(
        name=name,
        objectives=LOSS,
        trials=tuple(trials),
        distributions=MLP,
        budget=n_trials,
        state="finished",
        best=None if best is None else best.number,
        test={"loss": 0.0713, "accuracy": 0.977777} if best else {},
        spec={
            "study": name,
            "trainer": "mlp",
            "data": "digits",
            "epochs": 20,
            "trials": n_trials,
            "sampler": {"name": "tpe", "seed": 0},
            "pruner": {"name": "asha", "reduction_factor": 4, "min_resource": 1},
            "space": {"learning_rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True}},
        },
        environment={
            "python": "3.11.9",
            "packages": {"optuna": "5.0.0", "ray": "2.60.0", "torch": "2.13.0"},
            "machine": {"cpus": 4, "gpus": 0, "memory_gib": 23.4},
        },
        commands=(
            f"tuner resume {name} --trials {2 * n_trials}",
            f"tuner best {name} --out best/",
            f"tuner report {name} --out report.html",
        ),
    )


def _mlp_trial(
    number: int, rng: np.random.Generator, seen: dict[int, list[float]]
) -> tuple[TrialRecord, float]:
    params = mlp_params(rng)
    values = _curve(params, rng)
    if number % 41 == 17:
        curve = {1: values[0], 2: values[1], 3: math.nan}
        reason, error = "non-finite: validation_loss is nan at epoch 3", None
        return _failed(number, params, curve, reason, error), 0.5
    if number % 67 == 40:
        error = "Traceback (most recent call last):\n  ...\ntorch.OutOfMemoryError: 2.0 GiB"
        return _failed(number, params, {}, "oom", error), 0.3
    for rung, others in seen.items():
        value = values[rung - 1]
        insort(others, value)
        cut = others[max(0, len(others) // 4 - 1)] if len(others) >= 4 else math.inf
        if value > cut:
            curve = {epoch: values[epoch - 1] for epoch in range(1, rung + 1)}
            reason = f"rung at epoch {rung}: {value:.4f} is above {cut:.4f}"
            trial = TrialRecord(number, "PRUNED", (value,), params, curve, reason=reason)
            return replace(trial, metrics=_metrics(curve)), 0.12 * rung + 0.05
    curve = dict(enumerate(values, start=1))
    n_attempts = 2 if number % 50 == 3 else 1
    trial = TrialRecord(number, "COMPLETE", (values[-1],), params, curve, n_attempts=n_attempts)
    return replace(trial, metrics=_metrics(curve)), 2.5


def _metrics(curve: dict[int, float]) -> dict[str, dict[int, float]]:
    return {
        "training_loss": {step: 0.8 * value for step, value in curve.items()},
        "validation_accuracy": {step: math.exp(-value) for step, value in curve.items()},
    }


def _failed(
    number: int, params: dict[str, Any], curve: dict[int, float], reason: str, error: str | None
) -> TrialRecord:
    return TrialRecord(number, "FAIL", None, params, curve, reason=reason, error=error)


def two_objectives(n_trials: int = 120, seed: int = 1) -> StudyRecord:
    """A GAN study that trades sample quality against diversity; values per epoch are metrics."""
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(n_trials):
        begin = 0.4 * number
        params = {
            "generator_rate": float(10 ** rng.uniform(-5, -2)),
            "latent": int(rng.integers(2, 65)),
            "loss": ["vanilla", "hinge", "wasserstein"][rng.integers(3)],
        }
        miss = abs(math.log10(params["generator_rate"]) + 3.5)
        distance = 0.4 + miss + 0.3 * float(rng.random())
        coverage = 1 / (1 + 0.6 * miss + 1.2 / distance * float(rng.random()))
        is_pruned = number % 3 == 1
        epochs = 3 if is_pruned else 12
        metrics = {
            "distance": {e: distance * (1 + 3 / e) for e in range(1, epochs + 1)},
            "coverage": {e: coverage * (1 - 0.7 / e) for e in range(1, epochs + 1)},
        }
        trials.append(
            TrialRecord(
                number,
                "PRUNED" if is_pruned else "COMPLETE",
                None if is_pruned else (distance, coverage),
                params,
                started=START + timedelta(seconds=begin),
                ended=START + timedelta(seconds=begin + epochs),
                reason="dominated at rung 3" if is_pruned else None,
                metrics=metrics,
                findings=(Finding("mode collapse", "2 of 8 modes left", 9),)
                if number % 9 == 0
                else (),
            )
        )
    angles = rng.uniform(0, 2 * math.pi, 120)
    ring = [[math.cos(angle), math.sin(angle)] for angle in angles]
    frames = tuple([[size * x, size * y] for x, y in ring] for size in (0.1, 0.5, 0.9))
    return StudyRecord(
        name="ring-gan",
        samples=(
            SampleSeries(8, "best", "points", (1, 4, 12), frames, ring),
            SampleSeries(9, "mode collapse", "images", (1, 12), (DOT, DOT), DOT),
        ),
        objectives=(("distance", "minimize", "mm"), ("coverage", "maximize", "")),
        trials=tuple(trials),
        distributions={
            "generator_rate": FloatDistribution(1e-5, 1e-2, log=True),
            "latent": IntDistribution(2, 64),
            "loss": CategoricalDistribution(["vanilla", "hinge", "wasserstein"]),
        },
        budget=n_trials,
        spec={"trainer": "gan", "data": "ring"},
        environment={"python": "3.11.9"},
    )


HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>",
    "</script><script>alert(3)</script>",
    '<a href="javascript:alert(4)">click</a> <b>bold</b> &amp; %{x} $\\alpha$',
    "\u202eright to left\u202c \x00 \x1b[31mred\x1b[0m \u2028 line",
    "=1+1",
    "' OR 1=1 --",
    "💥 מבחן اختبار 试验",
)


def hostile(seed: int = 2) -> StudyRecord:
    """Every name, choice, note and error of it tries to act."""
    rng = np.random.default_rng(seed)
    evil_axis, evil_choice = HOSTILE[2], [HOSTILE[0], HOSTILE[1], None, True, "1", 1]
    trials = []
    for number in range(40):
        is_failed = number % 10 == 9
        choice = evil_choice[rng.integers(len(evil_choice))]
        trials.append(
            TrialRecord(
                number,
                "FAIL" if is_failed else "COMPLETE",
                None if is_failed else (float(rng.random()),),
                {evil_axis: choice, HOSTILE[0]: float(rng.random())},
                {} if is_failed else {1: float(rng.random()), 2: float(rng.random())},
                started=START + timedelta(seconds=number),
                ended=START + timedelta(seconds=number + 1),
                reason=HOSTILE[number % len(HOSTILE)] if is_failed else None,
                error=HOSTILE[1] * 3 if is_failed else None,
                metrics={HOSTILE[1]: {1: 0.5, 2: 0.25}},
                findings=(Finding(HOSTILE[3], HOSTILE[0], 1),),
            )
        )
    best = min((t for t in trials if t.values), key=lambda trial: trial.values or ())
    return StudyRecord(
        name=HOSTILE[0] + "x" * 460,
        objectives=((HOSTILE[2], "minimize", HOSTILE[1]),),
        trials=tuple(trials),
        distributions={
            evil_axis: CategoricalDistribution(evil_choice),
            HOSTILE[0]: FloatDistribution(0, 1),
        },
        budget=50,
        state="interrupted",
        best=best.number,
        test={HOSTILE[0]: 0.5},
        spec={HOSTILE[1]: HOSTILE[0], "trainer": HOSTILE[1], "data": HOSTILE[3]},
        environment={HOSTILE[0]: [HOSTILE[1], HOSTILE[3]]},
        commands=(HOSTILE[0],),
    )
