"""A task of which only some training points have their answer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from trials.data import Dataset, Part
from trials.data.scaling import ScalingKind
from trials.data.splits import turns
from trials.stacked.supervised import Task

_SEED = 20060728


@dataclass
class FewLabels(Task):
    """A task on few labelled points, whose inputs are scaled as all points are.

    Attributes:
        pool: The same task with all answers.
    """

    pool: Task = field(kw_only=True)

    def scaled(self, part: Part, kind: ScalingKind) -> Tensor:
        """The inputs of `part`, scaled as fitted on all training points, shape (N, *inputs)."""
        return self.pool.scaled(part, kind)


def few_labels(pool: Task, n_labels: int) -> Task:
    """`pool` with the answers of `n_labels` training points, the same ones in every study.

    Classes have as equal numbers of them as there are; at least one point of each is drawn before
    the second of any.
    """
    data = pool.data
    chosen = _chosen(data, n_labels)
    assert data.train.y is not None
    few = replace(data, train=Part(data.train.x[chosen], data.train.y[chosen]))
    return FewLabels(few, pool.device, pool.dtype, pool.inputs_of, pool=pool)


def _chosen(data: Dataset, n_labels: int) -> NDArray[np.int64]:
    """Places of the points that have their answer, ascending."""
    order = np.random.default_rng(_SEED).permutation(len(data.train))
    if data.task == "classification":
        answers = np.asarray(data.train.y)[order]
        order = order[np.argsort(turns(answers), kind="stable")]
    return np.sort(order[:n_labels])
