"""Small data for comparisons with plain torch, and the curve of a row in company."""

import numpy as np

from tests.trials.datasets import dataset_of
from trials.contract import Row


def dataset(kind, x, classes, is_regression=False):
    """90 points, 53 of them for training, in three classes, or with a number of each class."""
    answers = classes.astype(np.float32) * 10 if is_regression else classes
    task = "regression" if is_regression else "classification"
    words = () if is_regression else ("a", "b", "c")
    return dataset_of(kind, task, x, answers, classes=words)


def sequences_data(n_steps=6, is_regression=False):
    """90 noisy sequences of 3 features."""
    rng = np.random.default_rng(4)
    y = rng.integers(0, 3, 90)
    x = rng.normal(size=(90, n_steps, 3)) + y[:, None, None]
    return dataset("sequences", x, y, is_regression)


def stacked_curve(trainer, row, companions=()):
    """Initial weights, validation losses and last weights of a row among others like it.

    Args:
        trainer: Of the row's kind.
        row: Its key is 0.
        companions: What others have otherwise.
    """
    cohort = trainer.cohort(trainer.structure(row.params))
    others = [Row(k, row.params | o, k, row.epochs) for k, o in enumerate(companions, 1)]
    cohort.admit([row, *others])
    weights = trainer.weights(cohort.save(0), row.params)
    curve = []
    for _ in range(row.epochs):
        (own,) = (p for p in cohort.advance() if p.key == 0)
        curve.append(own.metrics["validation_loss"])
    return weights, curve, trainer.weights(cohort.save(0), row.params)
