"""Which line of a YAML file a mistake is on, found from the path that its message begins with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml


def with_lines(
    problems: Iterable[str], path: Path | None, overridden: Iterable[str] = ()
) -> list[str]:
    """`problems`, each that begins with a path of the spec file preceded by `file:line: `.

    Args:
        problems: Lines such as `space.units.low: must be ...`.
        path: The spec file, or None to change nothing.
        overridden: Top keys whose value does not come from the file.
    """
    if path is None:
        return list(problems)
    loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    try:
        root = loader.get_single_node()
    finally:
        loader.dispose()
    lines = {".".join(steps): line for steps, line in _lines_below(root, ())}
    hidden = set(overridden)
    return [_placed(problem, path, lines, hidden) for problem in problems]


def _lines_below(
    node: yaml.Node | None, steps: tuple[str, ...]
) -> Iterable[tuple[tuple[str, ...], int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*steps, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _lines_below(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            inner = (*steps[:-1], f"{steps[-1]}[{index}]") if steps else (f"[{index}]",)
            yield inner, value.start_mark.line + 1
            yield from _lines_below(value, inner)


def _placed(problem: str, path: Path, lines: Mapping[str, int], hidden: set[str]) -> str:
    where = re.split(r": |, ", problem, maxsplit=1)[0]
    if re.split(r"[.\[]", where, maxsplit=1)[0] in hidden:
        return problem
    while where and where not in lines:
        where = where.rpartition(".")[0]
    return f"{path}:{lines[where]}: {problem}" if where else problem
