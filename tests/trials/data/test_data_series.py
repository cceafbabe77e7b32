"""Series: how they are read and split, and that windows know nothing of what comes after them."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.data import DataError, load, resolve
from trials.data.sequences import N_BITS, N_SEEN, PASSENGERS
from trials.data.series import Cut, frame, windows

CUTS = st.builds(
    Cut,
    window=st.integers(1, 12),
    horizon=st.integers(1, 14),
    log=st.booleans(),
    difference=st.booleans(),
    seasonal_lag=st.sampled_from([0, 3, 12]),
)


def write(path: Path, text: str) -> dict[str, str]:
    """A source of the table with target y and time t."""
    path.write_text(text, encoding="utf-8")
    return {"file": str(path), "target": "y", "time": "t"}


def table(rows: list[tuple[object, ...]], header: str = "t,y") -> str:
    """The text of a CSV file."""
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def test_airline_is_split_in_the_order_of_time() -> None:
    """The first 67 % train, but for their last fifth, which validates; the rest tests."""
    data = load("airline")
    assert [len(part) for part in (data.train, data.validation, data.test)] == [77, 19, 48]
    parts = [part.y for part in (data.train, data.validation, data.test) if part.y is not None]
    assert np.concatenate(parts).tolist() == list(PASSENGERS)
    assert (data.kind, data.task, data.target_name) == ("series", "regression", "passengers")


@pytest.mark.skipif("TUNER_DATA" not in os.environ, reason="TUNER_DATA names no folder")
def test_airline_is_the_published_series() -> None:
    """The numbers that ship here are those of the published table."""
    path = Path(os.environ["TUNER_DATA"], "airline-passengers.csv")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    assert [int(row[1]) for row in rows] == list(PASSENGERS)


@settings(max_examples=40, deadline=None)
@given(cut=CUTS)
def test_a_transformed_target_leads_back_to_itself(cut: Cut) -> None:
    """The right transformed target gives the target in its own unit, in every part."""
    found = windows(load("airline"), cut)
    truth = np.array(PASSENGERS, dtype=float)
    for place, part in enumerate((found.data.train, found.data.validation, found.data.test)):
        assert part.y is not None
        np.testing.assert_allclose(found.in_units(part.y, place), found.truths[place], rtol=1e-5)
        assert np.isfinite(part.x).all()
        assert part.x.shape == (len(part), cut.window, 1)
    np.testing.assert_array_equal(found.truths[0], truth[frame(load("airline"), cut).n_before : 77])
    np.testing.assert_array_equal(np.concatenate(found.truths[1:]), truth[77:])


@settings(max_examples=25, deadline=None)
@given(cut=CUTS, start=st.integers(0, 66), is_whole=st.booleans())
def test_no_later_number_reaches_a_prediction(cut: Cut, start: int, is_whole: bool) -> None:
    """What is known before a row stays the same when that row and all after it change."""
    place = 1 + (start > 18)
    if is_whole and place == 1:
        return
    first = 77 + start
    before = load("airline")
    changed = np.array(PASSENGERS, dtype=np.float32)
    changed[first:] *= 5
    after = load("airline")
    for part, rows in ((after.validation, slice(77, 96)), (after.test, slice(96, 144))):
        assert part.y is not None
        part.x[:, 0] = part.y[:] = changed[rows]
    one, two = (windows(data, cut, is_whole=is_whole) for data in (before, after))
    assert np.array_equal(one.data.train.x, two.data.train.x)
    assert np.array_equal(one.data.train.y, two.data.train.y)
    row = first - (77 if place == 1 else 96)
    parts = [(w.data.train, w.data.validation, w.data.test)[place] for w in (one, two)]
    assert np.array_equal(parts[0].x[: row + 1], parts[1].x[: row + 1])
    assert np.array_equal(one.bases[place][: row + 1], two.bases[place][: row + 1])


def test_seasons_and_differences_are_the_known_forecast() -> None:
    """Under log, lag 12 and differences, a zero stands for y[t-12] y[t-1] / y[t-13]."""
    found = windows(load("airline"), Cut(12, 1, log=True, difference=True, seasonal_lag=12))
    y = np.array(PASSENGERS, dtype=float)
    rows = np.arange(96, 144)
    known = y[rows - 12] * y[rows - 1] / y[rows - 13]
    np.testing.assert_allclose(found.in_units(np.zeros(48), 2), known)
    assert np.sqrt(np.square(known - y[rows]).mean()) == pytest.approx(15.62, abs=0.01)


def test_cuts_of_one_frame_predict_the_same_rows() -> None:
    """With room for a year's lag, transformations do not change what is predicted."""
    series = load("airline")
    plain, seasonal = Cut(6), Cut(6, 1, log=True, difference=True, seasonal_lag=12)
    assert frame(series, plain) == frame(series, seasonal) != frame(series, Cut(7))
    assert np.array_equal(windows(series, plain).truths[0], windows(series, seasonal).truths[0])


def test_a_short_series_is_refused() -> None:
    """The message says how many rows a cut needs."""
    with pytest.raises(DataError, match=r"at least 95 rows for window=80 .* got 77"):
        frame(load("airline"), Cut(80, 11))


def test_a_table_with_times_is_a_series(tmp_path: Path) -> None:
    """Rows are sorted by time; other columns are features; window and horizon are told."""
    rows = [(f"20{n:02d}-01", n * 10, n % 3) for n in range(10, 50)]
    source = write(tmp_path / "t.csv", table(rows[::-1], "t,y,z"))
    data = load(resolve(source | {"window": 4, "horizon": 2}))
    assert data.train.x[:3].tolist() == [[100.0, 1.0], [110.0, 2.0], [120.0, 0.0]]
    assert (data.window, data.horizon, data.feature_names) == (4, 2, ("y", "z"))
    seen = windows(data, Cut(4, 2)).data.train.x
    assert seen.shape[1:] == (4, 2)
    other = load(resolve(write(tmp_path / "u.csv", table(rows, "t,y,z"))))
    assert other.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table([(n, n) for n in range(10)]), "at least 30 rows, got 10"),
        (table([(n // 2, n) for n in range(40)]), "time 't', rows 1, 2.*each time must occur once"),
        (table([(f"May {n}", n) for n in range(40)]), "time 't', rows 1.*must be a number, or a"),
        (table([(n, n) for n in range(40)], "time,y"), "time must name a column, got 't'; time, y"),
        (table([(n, "ab"[n % 2]) for n in range(40)]), "target 'y': must be numbers, got words"),
        (table([(n, "" if n == 2 else n) for n in range(40)]), "target 'y', row 3: must have a"),
    ],
)
def test_mistakes_of_a_series_are_named(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake is told with its column and rows."""
    with pytest.raises(DataError, match=message):
        load(resolve(write(tmp_path / "t.csv", text)))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"window": 0}, "data.window: must be a whole number of at least 1, got 0"),
        ({"horizon": 1.5}, "data.horizon: must be a whole number"),
        ({"time": None, "window": 3}, "data.time: must be text"),
    ],
)
def test_wrong_keys_of_a_series_are_refused(
    tmp_path: Path, keys: dict[str, object], message: str
) -> None:
    """Window and horizon are counts of rows."""
    source = write(tmp_path / "t.csv", table([(n, n) for n in range(40)]))
    with pytest.raises(DataError, match=message):
        resolve({**source, **keys})


def test_sentences_ask_for_the_next_character() -> None:
    """Each point shows twelve characters; the class is the one that follows in the next point."""
    data = load("sentences", seed=1)
    assert data.shape == (N_SEEN, data.n_classes)
    assert data.train.y is not None
    assert np.array_equal(data.train.x.sum(2), np.ones((len(data.train), N_SEEN)))
    assert np.array_equal(data.train.x[1:, -1].argmax(1), data.train.y[:-1])


def test_addition_asks_for_the_sum_bit_by_bit() -> None:
    """The labels of a point, lowest bit first, are the sum of its two numbers, but its overflow."""
    data = load("addition", seed=1)
    assert data.train.y is not None
    assert data.shape == (N_BITS, 2)
    powers = 2 ** np.arange(N_BITS)
    numbers = (data.train.x * powers[:, None]).sum(1)
    assert np.array_equal((data.train.y * powers).sum(1), numbers.sum(1) % 2**N_BITS)
