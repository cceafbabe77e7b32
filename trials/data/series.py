"""Series: rows in the order of time, split in that order, and the windows that are cut from them.

No number of a later part reaches an earlier one: a window ends before what is predicted from it,
and whatever is fitted is fitted to windows of the training part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trials.data.assemble import Content, filled, fingerprint
from trials.data.dataset import Dataset, Part
from trials.data.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trials.data.dataset import Floats

    Numbers = NDArray[np.float64]

FIRST_SHARE = 0.67
"""Of the rows; they train and validate, the rest tests."""

VALIDATION_SHARE = 0.2
"""Of the first part: its end, by which trials are compared."""

MIN_WINDOWS = 5
"""Least windows that train."""

YEAR = 12
"""Months, the seasonal lag for which every frame has room that can."""

MIN_ROWS = 30
"""Least rows of a series."""


@dataclass(frozen=True)
class Cut:
    """How windows are cut from a series, and into what its target is transformed.

    Attributes:
        window: Rows that are seen, the last of them now; at least 1.
        horizon: Rows from now to the one that is predicted, at least 1.
        log: The target's logarithm stands for it.
        difference: The step from one row to the next stands for the value.
        seasonal_lag: The step from so many rows before stands for the value; 0 for none.
    """

    window: int = 12
    horizon: int = 1
    log: bool = False
    difference: bool = False
    seasonal_lag: int = 0

    @property
    def lag(self) -> int:
        """The seasonal lag in whole seasons, so long that the row before is known already."""
        if not self.seasonal_lag:
            return 0
        return self.seasonal_lag * -(-self.horizon // self.seasonal_lag)

    @property
    def n_before(self) -> int:
        """Rows that must come before the first that is predicted."""
        return self.window + self.lag + int(self.difference) + self.horizon - 1


@dataclass(frozen=True)
class Frame:
    """What cuts have in common whose windows are of one shape and end at the same rows.

    Attributes:
        window: As in `Cut`.
        horizon: As in `Cut`.
        n_before: Rows before the first that is predicted, at least as many as each cut needs.
    """

    window: int
    horizon: int
    n_before: int


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of a series under one cut.

    Attributes:
        data: Kind "sequences": x has shape (N, window, F), y the transformed targets.
        cut: The cut.
        bases: Of the three parts, what is added to a transformed target before the logarithm is
            undone, shape (N,) each.
        truths: Of the three parts, the target in its own unit, shape (N,) each.
        columns: What a window shows of a row is (number - shift) / scale, for each of the F
            columns, of which the target as it is transformed is the first; shift and scale.
    """

    data: Dataset
    cut: Cut
    bases: tuple[Numbers, ...]
    truths: tuple[Numbers, ...]
    columns: tuple[Numbers, Numbers]

    def in_units(self, transformed: Numbers, place: int) -> Numbers:
        """Predictions of the transformed target in its own unit.

        Args:
            transformed: Shape (N,).
            place: Of the part: 0 trains, 1 validates, 2 tests.
        """
        level = transformed + self.bases[place]
        with np.errstate(over="ignore", invalid="ignore"):
            return np.exp(level) if self.cut.log else level


def split_series(content: Content, window: int | None, horizon: int | None) -> Dataset:
    """The rows of `content` as parts in the order of time.

    Args:
        content: Kind "series"; x has shape (N, F), of which column 0 is the target.
        window: What the user wants to be seen; None leaves it to the trainer.
        horizon: Likewise what is to be predicted.

    Raises:
        DataError: There are too few rows, or a column has no number in the training part.
    """
    n, target = len(content.x), content.target
    assert target is not None
    if n < MIN_ROWS:
        raise DataError(f"data {content.name}: must have at least {MIN_ROWS} rows, got {n}")
    n_first = int(n * FIRST_SHARE)
    n_train = n_first - round(n_first * VALIDATION_SHARE)
    x, fill = filled(content, np.arange(n_train))

    def part(start: int, stop: int) -> Part:
        return Part(x[start:stop], target.y[start:stop])

    note = f"rows in the order of time: {n_train} train, {n_first - n_train} validate, the rest"
    return Dataset(
        name=content.name,
        kind="series",
        task="regression",
        train=part(0, n_train),
        validation=part(n_train, n_first),
        test=part(n_first, n),
        feature_names=content.feature_names,
        classes=(),
        target_name=target.name,
        fingerprint=fingerprint(content),
        notes=(target.note, f"{note} tests", *content.notes),
        fill=fill,
        window=window,
        horizon=horizon,
    )


def may_be_logarithmic(series: Dataset) -> bool:
    """Whether the target is above zero everywhere, so that it has a logarithm."""
    return all(bool((part.y > 0).all()) for part in _parts(series) if part.y is not None)


def room(series: Dataset) -> int:
    """Most rows that a cut may need before the first that is predicted."""
    return len(series.train) - MIN_WINDOWS


def frame(series: Dataset, cut: Cut) -> Frame:
    """The frame of `cut` on `series`: that of a seasonal lag of a year where there is room for it.

    Raises:
        DataError: The training part is too short for the cut.
    """
    if cut.n_before > room(series):
        raise DataError(
            f"data {series.name}: the training part must have at least "
            f"{cut.n_before + MIN_WINDOWS} rows for window={cut.window} horizon={cut.horizon} "
            f"seasonal_lag={cut.seasonal_lag}, got {len(series.train)}"
        )
    shared = Cut(cut.window, cut.horizon, difference=True, seasonal_lag=YEAR).n_before
    n_before = shared if cut.n_before <= shared <= len(series.train) // 2 else cut.n_before
    return Frame(cut.window, cut.horizon, n_before)


def windows(
    series: Dataset, cut: Cut, where: Frame | None = None, *, is_whole: bool = False
) -> Windows:
    """The windows of `series`.

    Args:
        series: From `split_series`.
        cut: The cut.
        where: A frame with room for the cut; its own when left out.
        is_whole: The validation part trains too, as when the best trial is fitted again.

    Raises:
        DataError: The training part is too short for the cut.
    """
    n_before = (where or frame(series, cut)).n_before
    ends = np.cumsum([0, *(len(part) for part in _parts(series))]).tolist()
    n_fitted = ends[2] if is_whole else ends[1]
    follows = _Follows(series, cut)
    inputs = _Inputs(series, follows.steps, n_fitted)
    parts, bases, truths = [], [], []
    for start, stop in ((n_before, n_fitted), (ends[1], ends[2]), (ends[2], ends[3])):
        now = np.arange(start, stop) - cut.horizon
        y, base, truth = follows.at(now)
        parts.append(Part(inputs.windows(now, cut.window), y.astype(np.float32)))
        bases.append(base)
        truths.append(truth)
    data = Dataset(
        name=series.name,
        kind="sequences",
        task="regression",
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        feature_names=(),
        classes=(),
        target_name=series.target_name,
        fingerprint=series.fingerprint,
    )
    return Windows(data, cut, tuple(bases), tuple(truths), (inputs.shift, inputs.scale))


def _parts(series: Dataset) -> tuple[Part, Part, Part]:
    return series.train, series.validation, series.test


class _Follows:
    """The target, transformed, and what leads back from it.

    Args:
        series: The series.
        cut: The cut.
    """

    def __init__(self, series: Dataset, cut: Cut) -> None:
        self._cut = cut
        self._truth = np.concatenate([_answers(part) for part in _parts(series)])
        with np.errstate(invalid="ignore", divide="ignore"):
            self._level = np.log(self._truth) if cut.log else self._truth
        season = _step(self._level, cut.lag)
        self._season = season
        self.steps = _step(season, 1) if cut.difference else season
        """What a window shows of each row; nan where it is not known."""

    def at(self, now: NDArray[np.int64]) -> tuple[Numbers, Numbers, Numbers]:
        """For rows that are the last of a window: transformed target, base, and truth, (N,) each.

        With level v, lag s and horizon h, the season's step is u(t) = v(t) - v(t - s). What is
        predicted is u(t + h), or u(t + h) - u(t) under differences; the base is the rest of
        v(t + h), which is known at t.
        """
        then = now + self._cut.horizon
        base = np.zeros(len(now))
        if self._cut.lag:
            base += self._level[then - self._cut.lag]
        if self._cut.difference:
            base += self._season[now]
        return self._level[then] - base, base, self._truth[then]


def _answers(part: Part) -> Numbers:
    assert part.y is not None
    return part.y.astype(np.float64)


def _step(values: Numbers, lag: int) -> Numbers:
    """Each value less the one `lag` rows before; nan where there is none."""
    if not lag:
        return values
    steps = np.full(len(values), np.nan)
    steps[lag:] = values[lag:] - values[:-lag]
    return steps


class _Inputs:
    """What windows show of each row, every column brought to mean 0 and deviation 1 in training.

    Args:
        series: The series.
        steps: What stands for the target, (rows,); nan where it is not known.
        n_train: Rows that train, which come first.
    """

    def __init__(self, series: Dataset, steps: Numbers, n_train: int) -> None:
        others = np.concatenate([part.x[:, 1:].astype(np.float64) for part in _parts(series)])
        columns = np.concatenate([steps[:, None], others], axis=1)
        self.scale: Numbers = np.nanstd(columns[:n_train], axis=0)
        self.scale[~(self.scale > 0)] = 1.0
        self.shift: Numbers = np.nanmean(columns[:n_train], axis=0)
        self._columns = (columns - self.shift) / self.scale

    def windows(self, now: NDArray[np.int64], window: int) -> Floats:
        """What is seen in windows that end at `now`, float32, shape (N, window, F)."""
        seen: Floats = self._columns[now[:, None] + np.arange(1 - window, 1)].astype(np.float32)
        return seen
