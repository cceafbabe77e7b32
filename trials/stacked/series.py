"""Rows that cut their own windows from one series, measured in the unit of its target."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from trials.contract import Row
from trials.data import Dataset, Part
from trials.data.scaling import ScalingKind
from trials.data.series import Cut, Frame, Windows, windows
from trials.stacked.architecture import Architecture
from trials.stacked.cohort import Vectors
from trials.stacked.optimizers.second_order import WHOLE
from trials.stacked.settings import SupervisedSettings
from trials.stacked.signs import Signs
from trials.stacked.supervised import Examples, Inputs, Task
from trials.stacked.supervised_family import SupervisedFamily
from trials.stacked.supervised_training import SupervisedTraining
from trials.stacked.whole_training import WholeTraining
from trials.stacked.workspace import Workspace

S = TypeVar("S", bound=SupervisedSettings)

_VALIDATION, _TEST = 1, 2


class CutTask(Task):
    """What is to be learnt under one cut: the transformed target, standardised.

    Attributes:
        windows: What leads back to the target's unit.
    """

    def __init__(
        self,
        found: Windows,
        device: torch.device,
        dtype: torch.dtype,
        inputs_of: Callable[[tuple[int, ...]], Inputs],
    ) -> None:
        self.windows = found
        super().__init__(found.data, device, dtype, inputs_of)
        self.test = Examples(self, found.data.test)

    def examples(self, place: int) -> Examples:
        """The part that trains (0), validates (1) or tests (2)."""
        return (self.train, self.validation, self.test)[place]


class CutExamples(Examples):
    """One part of the windows, as each row cuts it.

    Attributes:
        targets: Standardised values per copy, shape (kinds, n_padded, C).
        place: Of the part: 0 trains, 1 validates, 2 tests.
    """

    def __init__(self, task: Task, part: Part, place: int, of_rows: Sequence[CutTask]) -> None:
        super().__init__(task, part)
        self.place = place
        self._of_rows = of_rows
        self._made: list[tuple[Cut, ScalingKind]] = []
        self._copies = self.targets

    def kinds(self, scalings: Sequence[ScalingKind]) -> Tensor:
        """The index of the copy that each row sees, int64, shape (K,)."""
        keys = [(t.windows.cut, kind) for t, kind in zip(self._of_rows, scalings, strict=True)]
        made = list(dict.fromkeys(keys))
        if made != self._made:
            tasks = {task.windows.cut: task for task in self._of_rows}
            parts = [tasks[cut].examples(self.place) for cut, _ in made]
            chosen = [part.kinds([kind]) for part, (_, kind) in zip(parts, made, strict=True)]
            copies = [part.x.index_select(0, k) for part, k in zip(parts, chosen, strict=True)]
            self._copies = torch.cat(copies)
            self.targets = torch.stack([part.targets for part in parts])
            self._made = made
        places = {key: place for place, key in enumerate(made)}
        return torch.tensor([places[key] for key in keys], device=self.targets.device)

    @property
    def x(self) -> Tensor:
        """Inputs per copy, shape (kinds, n_padded, *inputs)."""
        return self._copies

    def chosen(self, points: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (steps, K, B, *inputs) and targets (steps, K, B, C) of each row's own points."""
        places = (points + (kinds * self.n_padded).unsqueeze(1)).flatten()
        x = self.x.flatten(0, 1).index_select(0, places)
        y = self.targets.flatten(0, 1).index_select(0, places)
        return x.view(*points.shape, *x.shape[1:]), y.view(*points.shape, -1)


class SeriesTask(Task):
    """What is to be learnt from a series by rows of one frame.

    Args:
        series: Kind "series".
        where: The frame.
        is_whole: The validation part trains too.
        device: Where tensors live.
        dtype: Precision of training.
        inputs_of: Shape of one window -> how the network wants it.
    """

    def __init__(
        self,
        series: Dataset,
        where: Frame,
        is_whole: bool,
        device: torch.device,
        dtype: torch.dtype,
        inputs_of: Callable[[tuple[int, ...]], Inputs],
    ) -> None:
        self._series, self._where, self._is_whole = series, where, is_whole
        self._of_cuts: dict[Cut, CutTask] = {}
        plain = windows(series, Cut(where.window, where.horizon), where, is_whole=is_whole)
        super().__init__(plain.data, device, dtype, inputs_of)

    @property
    def losses(self) -> tuple[str, ...]:
        """What rows may learn by: errors of the transformed target, the reference loss first."""
        return ("mse", "mae")

    def under(self, cut: Cut) -> CutTask:
        """The task of rows with that cut."""
        if cut not in self._of_cuts:
            found = windows(self._series, cut, self._where, is_whole=self._is_whole)
            self._of_cuts[cut] = CutTask(found, self.device, self.dtype, self.inputs_of)
        return self._of_cuts[cut]

    def of_rows(self, cuts: Sequence[Cut]) -> SeriesTask:
        """This task with the examples of rows that have these cuts, in order."""
        own, each = copy.copy(self), [self.under(cut) for cut in cuts]
        own.scale = 1.0
        own.train = CutExamples(self, self.data.train, 0, each)
        own.validation = CutExamples(self, self.data.validation, _VALIDATION, each)
        return own

    def tests(self, cuts: Sequence[Cut]) -> CutExamples:
        """The test part for rows that have these cuts."""
        return CutExamples(self, self.data.test, _TEST, [self.under(cut) for cut in cuts])


class SeriesTraining(SupervisedTraining[S]):
    """Rows of one block, each with its cut; a `cohort.Training`.

    Args:
        architecture: Of the networks; its task is a `SeriesTask`.
        rows: In the order of `SupervisedFamily.rank`.
        settings: Of the rows, each with a `cut`.
        vectors: As in `SupervisedTraining`.
        workspace: Where buffers come from.
    """

    def __init__(
        self,
        architecture: Architecture[S],
        rows: Sequence[Row],
        settings: Sequence[S],
        vectors: Vectors,
        workspace: Workspace,
    ) -> None:
        super().__init__(architecture, rows, settings, vectors, workspace)
        task: Any = architecture.task
        self._cuts: list[Cut] = [s.cut for s in settings]  # type: ignore[attr-defined]
        self._task = self._series = task.of_rows(self._cuts)
        self._of_rows: list[CutTask] = [task.under(cut) for cut in self._cuts]

    def epoch(self, epochs: Sequence[int]) -> list[dict[str, float]]:
        """Trains every row for one epoch and measures it on the validation part."""
        return self._in_units(super().epoch(epochs))

    def measured(self) -> list[dict[str, float]]:
        """The figures of rows that stopped, as their last epoch had them."""
        return self._in_units(super().measured())

    def tested(self) -> dict[str, Tensor]:
        """The objectives of every row on the test part, each of shape (K,)."""
        return self.evaluate(self._series.tests(self._cuts))

    def _in_units(self, found: list[dict[str, float]]) -> list[dict[str, float]]:
        """The losses of training, to first order in squared units of the target.

        An error of the logarithm is a share of the value.
        """
        for figures, task in zip(found, self._of_rows, strict=True):
            level = float(np.square(task.windows.truths[0]).mean()) if task.windows.cut.log else 1.0
            figures["train_loss"] *= task.scale**2 * level
        return found

    def evaluate(self, examples: Examples, signs: Signs | None = None) -> dict[str, Tensor]:
        """The objectives on `examples` in units of the target, and `signs`, each of shape (K,)."""
        assert isinstance(examples, CutExamples)
        kinds = examples.kinds([s.input_scaling for s in self._settings])
        x = examples.x.index_select(0, kinds)
        outputs = self._take("evaluated", *x.shape[:2], self._task.n_outputs_padded)
        network = self._network(x.shape[1])
        network.forward(x, None, outputs, is_training=False)
        shown = {} if signs is None else signs.figures(network, examples.n_points)
        said = outputs[:, : examples.n_points, 0].double().cpu().numpy()
        place = examples.place
        truth = self._of_rows[0].windows.truths[place]
        predicted = np.stack(
            [
                task.windows.in_units(row * task.scale + task.shift, place)
                for row, task in zip(said, self._of_rows, strict=True)
            ]
        )
        return _figures(predicted, truth, outputs.device) | shown


class WholeSeriesTraining(SeriesTraining[S], WholeTraining[S]):
    """Rows of one second-order optimizer that see all windows at every step."""


def _figures(predicted: Any, truth: Any, device: torch.device) -> dict[str, Tensor]:
    """The objectives, (K,) each, of predictions (K, N) and true values (N,) in one unit."""
    with np.errstate(over="ignore", invalid="ignore"):
        loss = np.square(predicted - truth).mean(1)
        off = np.abs(predicted - truth).mean(1)
    variance = max(float(truth.var()), 1e-30)
    figures = np.stack([loss, np.sqrt(loss), 1.0 - loss / variance, off])
    names = ("validation_loss", "validation_rmse", "validation_r2", "validation_mae")
    return dict(zip(names, torch.from_numpy(figures).to(device), strict=True))


class SeriesFamily(SupervisedFamily[S]):
    """Rows of one architecture on one frame of a series."""

    def plain_training(self, rows: Sequence[Row], stack: Vectors) -> SeriesTraining[S]:
        """Training of `rows` whether they stopped or not."""
        settings = [self.settings(row) for row in rows]
        kind = WholeSeriesTraining if settings[0].optimizer in WHOLE else SeriesTraining
        return kind(self._architecture, rows, settings, stack, self._workspace)
