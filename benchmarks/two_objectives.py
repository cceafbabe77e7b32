"""What a study with two objectives gains by pruning, at the same number of epochs in all.

Run `python benchmarks/two_objectives.py [--trials N] [--epochs N] [--first-seed N] [--seeds N]
[--data NAME]`.
GANs on points are tuned for the coverage of the data and for the precision of samples. One study
trains every trial to its end. The other prunes by non-dominated rank and may begin more trials;
those count that ended before it had trained as many epochs as the first. Printed are the share of
its trials that was pruned and the hypervolume of both fronts, in parts of the best there can be.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import tuner
from tuner.storage import open_storage
from tuner.study import Study

N_TIMES_MORE = 4
"""Trials of the pruned study over those of the other: more than its epochs suffice for."""

SPACE = {"layers": 2, "batch_size": 256, "discriminator_steps": 1, "units": 64}
"""Axes that would separate rows are fixed, so that the comparison takes minutes."""


OBJECTIVES = ("coverage", "precision")
"""Diversity and quality, both from 0 to 1."""


@dataclass(frozen=True)
class Task:
    """What both studies do.

    Attributes:
        trials: Of the study without pruning.
        epochs: Most epochs of a trial.
    """

    data: str
    trials: int
    epochs: int


@dataclass(frozen=True)
class Ended:
    """The trials that ended within the epochs.

    Attributes:
        n: All of them.
        n_pruned: Those that were pruned.
        volume: Of the front of the others.
    """

    n: int
    n_pruned: int
    volume: float


def run(task: Task, seed: int, folder: Path, *, is_pruned: bool) -> Ended:
    """One study, ended where it has trained `trials * epochs` epochs."""
    name = "pruned" if is_pruned else "whole"
    url = f"sqlite:///{folder}/{name}-{seed}.db"
    # A GAN of few epochs tells little: the first rung is at a quarter of the epochs.
    first = max(1, task.epochs // 4)
    halving = {"name": "asha", "min_resource": first, "reduction_factor": 2}
    study = tuner.launch(
        "gan",
        data=task.data,
        study=name,
        space=SPACE,
        objectives=list(OBJECTIVES),
        trials=task.trials * (N_TIMES_MORE if is_pruned else 1),
        epochs=task.epochs,
        pruner=halving if is_pruned else {"name": "none"},
        seed=seed,
        slots=16,
        samples=False,
        storage=url,
        inline=True,
    )
    return _within(study, url, task)


def _within(study: Study, url: str, task: Task) -> Ended:
    storage = open_storage(url)
    figures = storage.records.metrics(storage.get_study_id_from_name(study.name))
    storage.close()
    n_epochs = Counter(figure.trial_id for figure in figures if figure.name == OBJECTIVES[0])
    left, ended = task.trials * task.epochs, []
    finished = [trial for trial in study.trials if trial.datetime_complete is not None]
    for trial in sorted(finished, key=lambda t: (t.datetime_complete, t.number)):
        left -= n_epochs[trial._trial_id]
        if left < 0:
            break
        ended.append(trial)
    complete = [trial for trial in ended if trial.state.name == "COMPLETE"]
    points = [(trial.values[0], trial.values[1]) for trial in complete]
    n_pruned = sum(trial.state.name == "PRUNED" for trial in ended)
    return Ended(len(ended), n_pruned, hypervolume(points))


def hypervolume(points: Iterable[tuple[float, float]]) -> float:
    """Area of the unit square that lies below one of `points`, both to be large."""
    area, height = 0.0, 0.0
    for x, y in sorted(points, reverse=True):
        area += x * max(0.0, y - height)
        height = max(height, y)
    return area


def main() -> None:
    """Prints a line for each seed, and the medians."""
    parser = argparse.ArgumentParser(description="Two objectives with pruning and without.")
    parser.add_argument("--data", default="ring", help="points")
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    task = Task(options.data, options.trials, options.epochs)
    print(f"{task.data}, {task.trials} trials of {task.epochs} epochs, and as many with pruning")
    print(f"{'seed':>4}{'whole':>9}{'pruned':>9}{'trials':>9}{'of them pruned':>17}")
    volumes, shares = [], []
    with TemporaryDirectory() as folder:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            whole = run(task, seed, Path(folder), is_pruned=False)
            pruned = run(task, seed, Path(folder), is_pruned=True)
            share = pruned.n_pruned / pruned.n
            line = f"{seed:4}{whole.volume:9.3f}{pruned.volume:9.3f}{pruned.n:9}{share:17.0%}"
            print(line, flush=True)
            volumes.append((whole.volume, pruned.volume))
            shares.append(share)
    of_whole, of_pruned = (median(side) for side in zip(*volumes, strict=True))
    print(f"median: {of_whole:.3f} whole, {of_pruned:.3f} pruned; {median(shares):.0%} pruned")


if __name__ == "__main__":
    main()
