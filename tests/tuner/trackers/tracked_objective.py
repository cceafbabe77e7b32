"""An objective whose trials end in every way, with names and choices that are hostile."""

from __future__ import annotations

import optuna

N_STEPS = 3
FAILED = 2
PRUNED = 3


def objective(trial: optuna.Trial) -> float:
    """A parabola over three steps; trial 2 fails at its first, trial 3 is pruned at its second."""
    x = trial.suggest_float("x", -1.0, 1.0)
    trial.suggest_categorical("choice =1+1", ["=1+1", "a\x1b[31m🎉", None])
    trial.suggest_int("units/../n", 1, 9)
    for step in range(N_STEPS):
        trial.report(x * x / (step + 1), step)
        if trial.number == FAILED:
            raise ValueError("went wrong 🎉")
        if trial.number == PRUNED and step == 1:
            raise optuna.TrialPruned
    return x * x
