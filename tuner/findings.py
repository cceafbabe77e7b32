"""What trainers recognised in trials, as it is stored: once a kind, at its first epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from trials.contract import Finding

FINDINGS = "findings"
"""Trial attribute: a list of {epoch, kind, text}, in the order in which they showed."""


def found_in(trial: FrozenTrial) -> list[dict[str, Any]]:
    """What is stored of `trial`."""
    return list(trial.user_attrs.get(FINDINGS, ()))


def with_new(
    stored: Sequence[Mapping[str, Any]], epoch: int, findings: Iterable[Finding]
) -> list[dict[str, Any]]:
    """`stored`, and those of the findings at `epoch` whose kind is not among them yet."""
    found = {entry["kind"]: dict(entry) for entry in stored}
    for finding in findings:
        entry = {"epoch": epoch, "kind": finding.kind, "text": finding.text}
        found.setdefault(finding.kind, entry)
    return list(found.values())


def by_kind(trials: Iterable[FrozenTrial]) -> dict[str, dict[str, list[int]]]:
    """Kind -> state -> numbers of the trials that it showed in, the commonest kind first."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        for entry in found_in(trial):
            found[entry["kind"]][trial.state.name].append(trial.number)
    ordered = sorted(found, key=lambda kind: (-sum(map(len, found[kind].values())), kind))
    return {kind: dict(found[kind]) for kind in ordered}
