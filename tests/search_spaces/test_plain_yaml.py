"""The YAML reader: what it reads, and what it refuses with line and column."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from space_strategies import choices

from search_spaces.plain_yaml import YamlError, dump_yaml, load_yaml

plain = st.recursive(
    choices,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(value=plain)
@example(value={"\x85": "\u2028"})
def test_what_is_written_is_read(value: object) -> None:
    """Plain values come back equal and of the same types, text that looks like a number too."""
    text = dump_yaml(value)
    assert load_yaml(text, "x") == value
    assert repr(load_yaml(text, "x")) == repr(value)


def test_repeated_objects_are_written_out() -> None:
    """One list used twice is written twice, since aliases are not read."""
    shared = [1, 2]
    assert load_yaml(dump_yaml({"a": shared, "b": shared}), "x") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("5E3", 5000.0),
        ("-.inf", -math.inf),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("on", "on"),
        ("no", "no"),
        ("2020-01-01", "2020-01-01"),
        ("1:30", "1:30"),
        ("'1e-4'", "1e-4"),
        ("true", True),
        ("~", None),
        ("", None),
        ("<<: 1", {"<<": 1}),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    """Numbers with an exponent are numbers, and words, dates and times are text."""
    read = load_yaml(text, "x")
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "s.yaml:3:1: key 'a' is given twice (first in line 1)"),
        ("x:\n  a: {b: 1, b: 2}", "s.yaml:2:13: key 'b' is given twice (first in line 2)"),
        ("a:\n\tb: 1", "s.yaml:2:1: indentation must be spaces, got a tab"),
        ("a: &x 1", "s.yaml:1:4: aliases and anchors"),
        ("a: *x", "s.yaml:1:4: aliases and anchors"),
        ("a: !!python/object/apply:os.system [ls]", "s.yaml:1:4: tags are not read"),
        ("a: !!str 1", "s.yaml:1:4: tags are not read"),
        ("? [1]\n: 2", "s.yaml:1:3: a key must be a single value"),
        ("a: [1", "s.yaml:1:6: while parsing a flow sequence (line 1)"),
        ("a: 1\nb: \x00", "s.yaml:2:4: character U+0000 is not allowed"),
        ("a: " + "[" * 5000, "s.yaml:1:67: at most 64 levels are read"),
        ("a: " + "9" * 5000, "s.yaml:1:4: number of 5000 digits is too long"),
        ("a: 1\n---\nb: 1", "s.yaml:2:1: expected a single document"),
    ],
)
def test_refusals_name_line_and_column(text: str, message: str) -> None:
    """What no spec needs, or what would be read silently wrong, is refused where it stands."""
    with pytest.raises(YamlError) as caught:
        load_yaml(text, "s.yaml")
    assert str(caught.value).startswith(message)
    assert caught.value.problems == (str(caught.value),)
