"""Networks that read sequences: what their points are, and series whose windows each row cuts."""

from __future__ import annotations

import copy
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from search_spaces import Categorical, Int, Space
from search_spaces.parameters import Axis
from search_spaces.sequences import series_axes, window_sizes
from trials.contract import Cohort, Row, RowState
from trials.data import DataError, Dataset
from trials.data.series import Cut, Frame, frame, may_be_logarithmic, room, windows
from trials.stacked.cohort import alone, on_test
from trials.stacked.layout import whole_lanes
from trials.stacked.series import SeriesFamily, SeriesTask
from trials.stacked.settings import SupervisedSettings, settings_of
from trials.stacked.supervised import Inputs
from trials.stacked.supervised_family import SupervisedFamily
from trials.stacked.supervised_trainer import SupervisedTrainer

REFIT_SEED = 0
"""Of the row that is fitted again to all rows but the last part."""


@dataclass(frozen=True)
class SequenceSettings(SupervisedSettings):
    """The axes of every network over sequences; the last five are of series, see `Cut`."""

    window: int = 12
    horizon: int = 1
    log: bool = False
    difference: bool = False
    seasonal_lag: int = 0

    @property
    def cut(self) -> Cut:
        """How windows are cut from a series."""
        return Cut(self.window, self.horizon, self.log, self.difference, self.seasonal_lag)


S = TypeVar("S", bound=SequenceSettings)


def sequence_inputs(trainer: str, shape: tuple[int, ...]) -> Inputs:
    """A point as steps of features, (T, F): an image of one channel is read row by row.

    Raises:
        DataError: A point is no sequence.
    """
    if len(shape) == 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2:
        raise DataError(
            f"data: must be sequences, a series or images of one channel for the trainer "
            f"{trainer}, got points of shape {shape}; choose airline, digits or sentences, a table "
            "with a column of time, or trainer mlp"
        )
    return Inputs(shape, (shape[0], whole_lanes(shape[1])))


class SequenceTrainer(SupervisedTrainer[S]):
    """Networks over sequences.

    On a series, every row cuts its own windows and transforms the target in its own way; rows of
    one `Frame` are stacked. Losses are in units of the target whatever the transformation.

    Attributes:
        series_space: The ready space where data are a series, without the axes of cuts.
    """

    series_space: ClassVar[Space]

    def __init__(
        self,
        data: Dataset,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._series = data if data.kind == "series" else None
        self._frames: dict[tuple[Frame, bool], SequenceTrainer[S]] = {}
        self._wanted: Collection[str] = ()
        if self._series is None:
            super().__init__(data, device, dtype)
            return
        ahead, most = data.horizon or 1, room(data)
        first = Cut(window_sizes(data.window, ahead, most)[0], ahead, difference=True)
        where = frame(data, first)
        super().__init__(windows(data, first, where).data, device, dtype)
        self.task = self._task(where)
        axes = series_axes(data.window, data.horizon, most, may_be_logarithmic(data))
        self.space = Space(dict(self.series_space) | dict(axes))
        self.domain = Space(self._fitting(self.domain), **_series_domain(data))

    def _task(self, where: Frame, *, is_whole: bool = False) -> SeriesTask:
        """What rows of that frame learn."""
        assert self._series is not None
        task = self.task
        return SeriesTask(self._series, where, is_whole, task.device, task.dtype, self.inputs)

    def inputs(self, shape: tuple[int, ...]) -> Inputs:
        """A point is a sequence, its features padded."""
        return sequence_inputs(self.name, shape)

    def structure(self, params: Mapping[str, Any]) -> Hashable:
        """Trials that agree in the separating axes, and on a series in the frame."""
        own = super().structure(params)
        if self._series is None:
            return own
        return frame(self._series, settings_of(self.kind, params).cut), own

    def measure(self, names: Collection[str]) -> None:
        """Cohorts that are made from now on report the objectives of these names too."""
        super().measure(names)
        self._wanted = names

    def cohort(self, structure: Hashable) -> Cohort:
        """An empty cohort for that structure."""
        if self._series is None:
            return super().cohort(structure)
        assert isinstance(structure, tuple)
        at = self._at(structure[0])
        at.measure(self._wanted)
        return at.cohort(structure[1])

    def family(self) -> SupervisedFamily[S]:
        """How rows are made, stored and trained."""
        return SeriesFamily(self) if isinstance(self.task, SeriesTask) else super().family()

    def weights(self, state: RowState, params: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weights by the names of the equivalent torch.nn model."""
        if self._series is None:
            return super().weights(state, params)
        where = frame(self._series, settings_of(self.kind, params).cut)
        return self._at(where).weights(state, params)

    def test(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives on the test part; the loss is called test_loss.

        On a series, those of a row of the same parameters that is fitted anew, for as many epochs,
        to all rows before the test part; on one thread, so that they are the same everywhere.
        """
        if self._series is None:
            return super().test(state, params)
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self._refitted(state, params)
        finally:
            torch.set_num_threads(n_threads)

    def _refitted(self, state: RowState, params: Mapping[str, Any]) -> dict[str, float]:
        """The objectives on the test part of a row that is fitted to all that comes before."""
        assert self._series is not None
        where = frame(self._series, settings_of(self.kind, params).cut)
        row = Row(0, params, REFIT_SEED, int(state["epoch"]))
        again = self._at(where, is_whole=True)
        again.measure(())
        cohort = again.cohort(None)
        cohort.admit([row])
        for _ in range(row.epochs):
            cohort.advance()
        family = SeriesFamily(again)
        with family.mode():
            vectors = alone(family, row, cohort.save(0))
            figures = family.plain_training([row], vectors).tested()
        return on_test(figures)

    def _at(self, where: Frame, *, is_whole: bool = False) -> SequenceTrainer[S]:
        """This trainer for windows of one frame."""
        if (where, is_whole) not in self._frames:
            trainer = copy.copy(self)
            trainer._series = None
            trainer.task = self._task(where, is_whole=is_whole)
            self._frames[where, is_whole] = trainer
        return self._frames[where, is_whole]


def _series_domain(series: Dataset) -> dict[str, Axis]:
    """Every value that the axes of cuts may have on that series."""
    most = room(series)
    return {
        "window": Int(1, most),
        "horizon": Int(1, most),
        "log": Categorical((False, True) if may_be_logarithmic(series) else (False,)),
        "difference": Categorical((False, True)),
        "seasonal_lag": Int(0, most),
    }
