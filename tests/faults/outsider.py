"""A program without tuner, plain Optuna on the database of a study that runs."""

from __future__ import annotations

import fcntl
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState


@contextmanager
def turn(url: str, folder: str) -> Iterator[None]:
    """On SQLite one stranger at a time: Optuna gives one waiting trial to two that ask at once."""
    with Path(folder, "turn").open("w") as held:
        if url.startswith("sqlite"):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def ask_and_tell(study: optuna.Study, name: str, n: int, url: str, folder: str) -> dict[int, float]:
    """Enqueues a trial, takes the first that waits, and tells it; its value by its number."""
    study.enqueue_trial({"x": 0.5, "kind": "a"}, user_attrs={"from": f"{name} {n}"})
    with turn(url, folder):
        trial = study.ask()
    value = trial.suggest_float("x", -1.0, 1.0) ** 2 + n
    trial.suggest_categorical("kind", ["a", "b"])
    trial.set_user_attr("told by", name)
    study.tell(trial, value)
    return {trial.number: value}


def annotate(
    study: optuna.Study, storage: optuna.storages.BaseStorage, name: str, n: int
) -> dict[int, int]:
    """Notes a number on every trial that runs; the number by those that took it."""
    noted = {}
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        with suppress(UpdateFinishedTrialError):
            storage.set_trial_user_attr(trial._trial_id, f"noted by {name}", n)
            noted[trial.number] = n
    return noted


def main(url: str, folder: str, name: str) -> None:
    """Does so six times once a trial runs, and prints what the study must hold of it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(url)
    study = optuna.load_study(study_name="s", storage=storage)
    told: dict[int, float] = {}
    noted: dict[int, int] = {}
    while not noted:
        noted = annotate(study, storage, name, -1)
        time.sleep(0.05)
    Path(folder, f"{name}.ready").touch()
    for n in range(6):
        try:
            told |= ask_and_tell(study, name, n, url, folder)
        except (ValueError, UpdateFinishedTrialError):
            # On SQLite Optuna takes a waiting trial that another process took a moment before.
            if not url.startswith("sqlite"):
                raise
        study.set_user_attr(f"{name} {n}", n)
        noted |= annotate(study, storage, name, n)
    print(json.dumps([told, noted]))  # noqa: T201 (it is the answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
