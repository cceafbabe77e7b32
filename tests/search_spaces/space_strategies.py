"""Hypothesis strategies of axes and of spaces with conditions."""

from __future__ import annotations

from hypothesis import strategies as st

from search_spaces import Axis, Categorical, Constant, Float, Int, Ordinal, Space

texts = st.one_of(
    st.sampled_from(["sgd", "1e-4", "010", "true", "yes", "~", "", "a: b", "\n", "é", "<b>", "-"]),
    st.text(max_size=8),
)
choices = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
lists = st.lists(choices, min_size=1, max_size=4, unique=True)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    """A continuous, logarithmic or stepped axis of floats."""
    low = draw(st.floats(1e-6, 10))
    if draw(st.booleans()):
        step = draw(st.sampled_from([0.1, 0.25, 1.0, 0.003]))
        return Float(0.0, round(step * draw(st.integers(1, 20)), 6), step=step)
    return Float(low, low + draw(st.floats(0.01, 100)), log=draw(st.booleans()))


@st.composite
def ints(draw: st.DrawFn) -> Int:
    """An axis of whole numbers."""
    low = draw(st.integers(1, 50))
    if draw(st.booleans()):
        return Int(low, low + draw(st.integers(1, 100)), log=True)
    step = draw(st.integers(1, 5))
    return Int(low, low + step * draw(st.integers(1, 5)), step=step)


axes = st.one_of(
    floats(),
    ints(),
    lists.map(Categorical),
    lists.map(Ordinal),
    choices.map(Constant),
)
names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=6).filter(
    str.isprintable
)


@st.composite
def spaces(draw: st.DrawFn, of: st.SearchStrategy[Axis] = axes) -> Space:
    """A space in which some axes depend on one earlier axis, in chains too."""
    from dataclasses import replace

    made: dict[str, Axis] = {}
    for name in draw(st.lists(names, min_size=1, max_size=6, unique=True)):
        axis = draw(of)
        parents = [parent for parent, one in made.items() if not isinstance(one, Float)]
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            values = list(made[parent].values() or ())
            some = draw(st.lists(st.sampled_from(values), min_size=1, max_size=2))
            axis = replace(axis, when={parent: tuple(dict.fromkeys(some))})
        made[name] = axis
    return Space(made)
