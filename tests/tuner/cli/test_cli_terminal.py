"""What reaches a terminal is inert, whatever it was made of."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.cli.terminal import figure, inert, plain, say_json, say_table


@given(st.text())
def test_inert_text_holds_nothing_a_terminal_obeys(text: str) -> None:
    """No control character, surrogate or line break is left of any text."""
    left = {unicodedata.category(character) for character in inert(text)}
    assert not left & {"Cc", "Cs", "Zl", "Zp"}


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Letters, digits and emoji pass unchanged."""
    assert inert(text) == text


def test_escapes_and_direction_marks_show_as_what_they_are() -> None:
    """An escape sequence and a right-to-left override are visible, not obeyed."""
    assert inert("\x1b[31m\u202ea\nb\x00") == "\\x1b[31m\\u202ea\\nb\\x00"


def test_table_is_aligned_over_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """A character of two cells counts as two."""
    say_table(("name", "n"), [("日本", 1), ("abcd", 22)])
    assert capsys.readouterr().out == "name  n\n日本  1\nabcd  22\n"


def test_json_is_ascii_and_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    """Escapes stay escaped, NumPy scalars are numbers, and infinity is null."""
    say_json({"a\x1b": np.float64(0.5), "b": float("inf"), "c": (1, None, "日")})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {"a\x1b": 0.5, "b": None, "c": [1, None, "日"]}


def test_plain_keeps_truth_values() -> None:
    """A truth value stays one."""
    assert plain({"x": np.bool_(True), "y": False}) == {"x": True, "y": False}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.1 + 0.2, "0.3"),
        ([], "-"),
        ({"a": 1.0, "b": "x"}, "a=1, b=x"),
        ((1, 2), "1, 2"),
        (datetime(2026, 1, 2, 3, 4, 5, 678), "2026-01-02 03:04:05"),
    ],
)
def test_figures_are_short(value: object, text: str) -> None:
    """Numbers have six digits, nothing is a dash."""
    assert figure(value) == text
