"""Ready spaces for networks that read sequences, and the axes of series."""

from __future__ import annotations

from search_spaces.deep_networks import (
    INITIALIZER,
    INPUT_SCALING,
    L1,
    L2,
    MOMENTUM,
    NESTEROV,
    OPTIMIZER,
    SCHEDULE,
)
from search_spaces.parameters import Axis, Categorical, Constant, Float, Int
from search_spaces.space import Space

SEASONS = (0, 12)
"""Lags that are tried where the user names none: none, and a year of months."""

WINDOWS = (6, 12, 24)
"""Rows that are seen, where the user does not say."""

_TRAINED: dict[str, Axis] = {
    "learning_rate": Float(1e-3, 1e-1, log=True),
    "optimizer": OPTIMIZER,
    "momentum": MOMENTUM,
    "nesterov": NESTEROV,
    "dropout": Float(0.0, 0.5),
    "l1": L1,
    "l2": L2,
    "batch_size": Categorical((32, 64)),
    "initializer": INITIALIZER,
    "schedule": SCHEDULE,
    "input_scaling": INPUT_SCALING,
}

RNN = Space(
    **_TRAINED,
    cell=Categorical(("lstm", "gru", "plain")),
    layers=Int(1, 2),
    units=Int(8, 64, log=True),
    front=Categorical(("none", "conv")),
)
"""The ready space of the `rnn` trainer, where data are no series.

`units` is the width of every layer, and of the convolution before them where `front` is conv.
"""

TRANSFORMER = Space(
    **(_TRAINED | {"learning_rate": Float(1e-4, 1e-2, log=True)}),
    heads=Categorical((1, 2, 4)),
    layers=Int(1, 2),
    units=Int(2, 8),
    feed_forward=Categorical((1, 2, 4)),
    position=Categorical(("sine", "learnt")),
    summary=Categorical(("mean", "last")),
)
"""The ready space of the `transformer` trainer, where data are no series.

`units` is the width of one head; `feed_forward` times the model's width is that of the inner layer.
"""

TRANSFORMER_SERIES = Space(dict(TRANSFORMER) | {"batch_size": Categorical((16, 32))})
"""The ready space of the `transformer` trainer for series, beside `series_axes`."""


RNN_SERIES = Space(
    dict(RNN)
    | {
        "layers": Constant(1),
        "units": Int(8, 32, log=True),
        "front": Constant("none"),
        "batch_size": Categorical((16, 32)),
    }
)
"""The ready space of the `rnn` trainer for series, beside `series_axes`."""


CNN_1D = Space(
    **(_TRAINED | {"learning_rate": Float(1e-4, 1e-1, log=True)}),
    layers=Int(1, 2),
    channels=Int(4, 32, log=True),
    kernel_size=Categorical((3, 5)),
    pooling=Categorical(("max", "average")),
    units=Int(8, 32, log=True),
)
"""The ready space of the `cnn_1d` trainer, where data are no series.

`layers` counts blocks of convolution, rectifier and pooling, each of `channels` channels; `units`
follow on the last.
"""

CNN_1D_SERIES = Space(dict(CNN_1D) | {"batch_size": Categorical((16, 32))})
"""The ready space of the `cnn_1d` trainer for series, beside `series_axes`."""


def window_sizes(window: int | None, horizon: int, room: int) -> tuple[int, ...]:
    """Rows that are seen: what the user said, or the ready sizes for which there is room.

    Args:
        window: What the user said; None for nothing.
        horizon: Rows to look ahead.
        room: Rows that may be needed before the first that is predicted.
    """
    if window is not None:
        return (window,)
    most = room // 2 - horizon - _lags(horizon, room)[-1]
    return tuple(size for size in WINDOWS if size <= most) or WINDOWS[:1]


def _lags(horizon: int, room: int) -> tuple[int, ...]:
    """Seasonal lags for which there is room."""
    return tuple(lag for lag in SEASONS if not lag or 2 * lag + horizon <= room // 2)


def series_axes(window: int | None, horizon: int | None, room: int, has_log: bool) -> Space:
    """How windows are cut from a series, and into what its target is transformed.

    Args:
        window: Rows that are seen, where the user said so.
        horizon: Rows to look ahead, where the user said so; else 1.
        room: Rows that may be needed before the first that is predicted.
        has_log: The target has a logarithm.
    """
    ahead = horizon or 1
    return Space(
        window=_choice(window_sizes(window, ahead, room)),
        horizon=Constant(ahead),
        log=_choice((False, True) if has_log else (False,)),
        difference=Categorical((False, True)),
        seasonal_lag=_choice(_lags(ahead, room)),
    )


def _choice(values: tuple[int, ...]) -> Axis:
    """One of the values."""
    return Categorical(values) if len(values) > 1 else Constant(values[0])
