"""Ready spaces of networks over sequences, and the axes of series."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import Constant
from search_spaces.domains import outside
from search_spaces.sequences import (
    CNN_1D,
    CNN_1D_SERIES,
    RNN,
    RNN_SERIES,
    TRANSFORMER,
    TRANSFORMER_SERIES,
    series_axes,
    window_sizes,
)
from trials.data import load
from trials.networks import cnn_1d, rnn, transformer

READY = [
    (rnn.RNN, RNN, RNN_SERIES),
    (transformer.Transformer, TRANSFORMER, TRANSFORMER_SERIES),
    (cnn_1d.CNN1D, CNN_1D, CNN_1D_SERIES),
]


@pytest.mark.parametrize(("trainer", "plain", "series"), READY, ids=lambda item: "")
def test_ready_values_are_legal(trainer, plain, series):
    """Every value of a ready space is one that its trainer takes."""
    assert not outside(plain, trainer(load("digits")).domain, "space")
    on_series = trainer(load("airline"))
    assert not outside(on_series.space, on_series.domain, "space")
    assert set(on_series.space) == set(series) | set(series_axes(None, None, 72, True))


@given(room=st.integers(9, 500), horizon=st.none() | st.integers(1, 3), has_log=st.booleans())
def test_ready_cuts_have_room(room, horizon, has_log):
    """The widest window, the longest lag and differences fit together into half of the room."""
    axes = series_axes(None, horizon, room, has_log)
    largest = [
        axis.value if isinstance(axis, Constant) else max(axis.choices)
        for axis in (axes["window"], axes["seasonal_lag"], axes["horizon"])
    ]
    assert sum(largest) <= max(room // 2, 6 + (horizon or 1))
    assert (axes["log"] == Constant(False)) == (not has_log)


def test_what_the_user_said_is_fixed():
    """A window and a horizon of the data are constants of the space."""
    axes = series_axes(9, 2, 100, True)
    assert (axes["window"], axes["horizon"]) == (Constant(9), Constant(2))
    assert window_sizes(9, 2, 100) == (9,)
