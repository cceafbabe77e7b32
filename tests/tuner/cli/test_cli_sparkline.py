"""The best value over time as a few letters."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.cli.sparkline import ASCII_GLYPHS, GLYPHS, MOST_KEPT, Trace, sparkline


def test_letters_by_hand() -> None:
    """The lowest value has the lowest letter, the highest the highest, in order of time."""
    assert sparkline([7.0, 5.0, 3.0, 0.0], 10) == "█▆▄▁"
    assert sparkline([0.0, 7.0], 10, ascii_only=True) == ASCII_GLYPHS[0] + ASCII_GLYPHS[-1]
    assert sparkline([1.0, 10.0, 100.0], 3) == "▁▅█"  # by the logarithm
    assert sparkline([2.0, 2.0], 5) == "▁▁"


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan]])
def test_less_than_two_values_are_nothing(values: list[float]) -> None:
    """One value has no course."""
    assert sparkline(values, 10) == ""


@given(st.lists(st.floats(allow_nan=False, width=32), max_size=80), st.integers(1, 40))
def test_it_never_exceeds_its_width(values: list[float], width: int) -> None:
    """Whatever the values, the letters are known ones and fit; the last value is the last one."""
    drawn = sparkline(values, width)
    assert len(drawn) <= width
    assert set(drawn) <= set(GLYPHS)


def test_a_trace_keeps_the_whole_course_in_little() -> None:
    """Of many moments an even spread from the first on is kept."""
    trace = Trace()
    for moment in range(10_000):
        trace.add(float(moment))
    assert MOST_KEPT / 2 <= len(trace.values) <= MOST_KEPT
    steps = {b - a for a, b in zip(trace.values, trace.values[1:], strict=False)}
    assert trace.values[0] == 0.0
    assert len(steps) == 1
