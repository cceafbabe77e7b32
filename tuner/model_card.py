"""The page that goes with a trial's weights: what they are, how good, and how to load them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DIRECTION_MARKS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)
_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        study: Name of the study.
        trial: Number of the trial.
        what: Name of the trainer or function.
        data: Facts about the data and its split by label; empty for a function.
        values: By objective, with direction and unit in the label.
        test: Figures on the test part; empty where there are none.
        params: By name.
        seeds: Of the study and the trial, and epochs, by label.
        environment: As stored with the study.
        inputs: Names of the features in order.
        classes: Names of the classes in order; empty without classes.
        code: How to load the weights, in Python; None where there is no recipe.
        files: What is beside the card, name and meaning.
    """

    study: str
    trial: int
    what: str
    data: Mapping[str, object]
    values: Mapping[str, float]
    test: Mapping[str, float]
    params: Mapping[str, object]
    seeds: Mapping[str, object]
    environment: Mapping[str, Any]
    inputs: Sequence[str] = ()
    classes: Sequence[str] = ()
    code: str | None = None
    files: Mapping[str, str] | None = None


def card(facts: CardFacts) -> str:
    """The model card as Markdown; whatever names hold, it shows as it is and does nothing."""
    title = f"# Trial {facts.trial} of {inert(facts.study)}\n\nTrained by {inert(facts.what)}.\n"
    sections = [
        _section("Value", _listed(facts.values)),
        _section("On the test part", _listed(facts.test)),
        _section("Parameters", _listed(facts.params)),
        _section("Data", _listed(facts.data)),
        _section("Inputs, in order", _in_line(facts.inputs)),
        _section("Classes, in order", _in_line(facts.classes)),
        _section("How to load it", _code(facts.code)),
        _section("Files", (f"- {inert(n)}: {text}" for n, text in (facts.files or {}).items())),
        _section("Where it comes from", _listed({**facts.seeds, **_flat(facts.environment)})),
    ]
    return "\n".join([title, *filter(None, sections)])


def inert(text: object) -> str:
    """`text` as a code span of Markdown, in which neither tags nor links nor marks take effect.

    Control characters, line breaks and direction marks become their escapes.
    """
    line = "".join(_escaped(character) for character in str(text)) or " "
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if line.startswith(("`", " ")) or line.endswith(("`", " ")) else ""
    return f"{fence}{space}{line}{space}{fence}"


def _section(title: str, lines: Iterator[str]) -> str:
    body = "\n".join(lines)
    return f"## {title}\n\n{body}\n" if body else ""


def _listed(facts: Mapping[str, object]) -> Iterator[str]:
    for name, value in facts.items():
        yield f"- {inert(name)}: {inert(value)}"


def _in_line(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield ", ".join(inert(name) for name in names)


def _code(code: str | None) -> Iterator[str]:
    if code is not None:
        yield f"```python\n{code}```"


def _flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Nested facts under dotted names; those that are not known are left out."""
    flat: dict[str, object] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            flat[f"{prefix}{name}"] = value
    return flat


def _escaped(character: str) -> str:
    is_hidden = unicodedata.category(character) in _HIDDEN or character in _DIRECTION_MARKS
    return f"\\u{ord(character):04x}" if is_hidden else character
