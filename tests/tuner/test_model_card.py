"""The model card shows every name as it is, and none of them does anything."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.model_card import CardFacts, card, inert

EVIL = [
    "<script>alert(1)</script>",
    "[a](javascript:alert(1))",
    "![x](http://evil/x.png)",
    "`` ` ```",
    "a\nb\n# heading",
    "http://evil",
    "a\u202eb\x1b[31m",
]


def card_of(name: str) -> str:
    """A card in which everything is called `name`."""
    facts = {name: name}
    return card(
        CardFacts(
            study=name,
            trial=3,
            what=name,
            data=facts,
            values={name: 1.0},
            test={name: 1.0},
            params=facts,
            seeds=facts,
            environment={name: facts},
            inputs=[name],
            classes=[name],
            code="x = 1\n",
            files={"weights.safetensors": "the weights"},
        )
    )


def without_code_spans(line: str) -> str:
    """What is left of a line of Markdown outside of its code spans."""
    return re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", line)


@pytest.mark.parametrize("name", EVIL)
def test_hostile_names_stand_in_code_spans(name: str) -> None:
    """Outside of code spans the card of a hostile name is that of a harmless one."""
    hostile = [without_code_spans(line) for line in card_of(name).splitlines()]
    assert hostile == [without_code_spans(line) for line in card_of("name").splitlines()]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_a_code_span_holds_its_text(text: str) -> None:
    """Any text becomes one code span on one line, without control characters."""
    span = inert(text)
    assert len(span.splitlines()) == 1
    assert without_code_spans(span) == ""
    assert span.isprintable() or not text.isprintable()


def test_a_card_without_code_says_nothing_of_loading() -> None:
    """What is not there has no section."""
    facts = CardFacts("s", 1, "a function", {}, {"value": 0.5}, {}, {"x": 1}, {}, {})
    assert re.findall("^## (.*)$", card(facts), re.MULTILINE) == ["Value", "Parameters"]
