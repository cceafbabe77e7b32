"""Hides YAML: text in, plain values out, with nothing executed, expanded or silently replaced."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, ClassVar, NoReturn, cast

import yaml
from yaml.events import Event
from yaml.nodes import MappingNode, Node, ScalarNode

MAX_DEPTH = 64
"""Levels of lists and mappings that a document may have; deeper ones are refused."""

_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_RULES = (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
)
"""YAML 1.2's core rules; PyYAML follows 1.1, where 1e-4 is text, 010 is 8 and `on` is true."""


class YamlError(ValueError):
    """A document that cannot be read; its text is `name:line:column: what is wrong`.

    Attributes:
        problems: That text, as the only entry.
    """

    def __init__(self, message: str) -> None:
        self.problems = (message,)
        super().__init__(message)


def load_yaml(text: str, name: str) -> object:
    """The one document in `text` as scalars, lists and mappings; None when it is empty.

    Args:
        text: YAML, read by the 1.2 core rules. Aliases, anchors and tags are refused.
        name: Where the text came from, for messages.

    Raises:
        YamlError: Syntax, a repeated key, a key that is no scalar, an alias, an anchor, a tag,
            a tab as indentation, or more than 64 levels.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
        letter = f"U+{ord(text[error.position]):04X}"
        raise YamlError(f"{name}:{line}:{column}: character {letter} is not allowed") from error
    except yaml.MarkedYAMLError as error:
        raise YamlError(_located(error, name)) from error


def dump_yaml(value: object) -> str:
    """`value` (scalars, lists, mappings) as YAML that `load_yaml` reads back equal."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def _located(error: yaml.MarkedYAMLError, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "cannot be read"
    if "'\\t'" in problem:
        problem = "indentation must be spaces, got a tab"
    elif error.context and error.context_mark and error.problem:
        problem = f"{error.context} (line {error.context_mark.line + 1}): {problem}"
    place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    return f"{place}: {problem}"


def _refuse(problem: str, mark: Any) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with fewer features and stricter mappings."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}  # type: ignore[misc]
    _depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """The next node, unless it uses what no spec needs."""
        event = cast(Event, self.peek_event())  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            _refuse("aliases and anchors (*name, &name) are not read", event.start_mark)
        tag = getattr(event, "tag", None)
        if tag is not None:
            _refuse(f"tags are not read, got {tag}", event.start_mark)
        if self._depth >= MAX_DEPTH:
            _refuse(f"at most {MAX_DEPTH} levels are read", event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping, unless a key is repeated or is no scalar."""
        lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, ScalarNode):
                _refuse("a key must be a single value", key_node.start_mark)
            key = self.construct_object(key_node)
            line = key_node.start_mark.line + 1
            if key in lines:
                problem = f"key {key!r} is given twice (first in line {lines[key]})"
                _refuse(problem, key_node.start_mark)
            lines[key] = line
        return super().construct_mapping(node, deep=deep)

    def flatten_mapping(self, node: MappingNode) -> None:
        """Leaves `<<` an ordinary key."""

    def read_int(self, node: ScalarNode) -> int:
        """A decimal, 0x or 0o number."""
        text = node.value
        base = {"0x": 16, "0o": 8}.get(text[:2], 10)
        try:
            return int(text, base)
        except ValueError:
            return _refuse(f"number of {len(text)} digits is too long", node.start_mark)

    def read_float(self, node: ScalarNode) -> float:
        """A decimal number, an infinity or not-a-number."""
        return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper with the loader's rules, so that text like 1e-4 is quoted."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {}  # type: ignore[misc]

    def ignore_aliases(self, data: Any) -> bool:
        """Writes repeated values out, since aliases are not read."""
        return True

    def represent_text(self, text: str) -> ScalarNode:
        """Text, quoted with escapes where a letter is invisible.

        PyYAML folds U+0085 and U+2028 in other styles and does not read them back.
        """
        style = None if text.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


for _kind, _pattern, _first in _RULES:
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", _whole, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.read_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.read_float)
_Dumper.add_representer(str, _Dumper.represent_text)
