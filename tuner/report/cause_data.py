"""Hides how kinds of failures and findings are counted and told apart by what leads to them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tuner.report import facts, scales, text
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.scales import ParameterAxis

MIN_TRIALS = 5  # that show a kind, and that do not, before a cause is looked for
MAX_CHANCE = 0.01  # that the split is as uneven by chance, over all splits that were looked at
N_SPLITS = 24  # thresholds looked at per numeric parameter
N_CAUSES = 2


@dataclass(frozen=True)
class Cause:
    """A part of the space in which a kind is frequent.

    Attributes:
        where: Parameter and values, such as `learning_rate above 0.31`.
        n_with: Trials there that show the kind.
        n_there: Trials there.
        n_with_elsewhere: Trials elsewhere that show it.
        n_elsewhere: Trials elsewhere that have the parameter.
    """

    where: str
    n_with: int
    n_there: int
    n_with_elsewhere: int
    n_elsewhere: int

    @property
    def sentence(self) -> str:
        """The counts in words."""
        return (
            f"{self.where}: {self.n_with:,} of {self.n_there:,}, "
            f"elsewhere {self.n_with_elsewhere:,} of {self.n_elsewhere:,}"
        )


@dataclass(frozen=True)
class Kind:
    """Trials that share a failure or a finding.

    Attributes:
        name: The failure's reason or the finding's kind.
        numbers: The trials, in order.
        causes: What leads to it, the clearest first; empty where chance explains it as well.
        epochs: Lowest and highest epoch at which it first showed, or None where not known.
    """

    name: str
    numbers: tuple[int, ...]
    causes: tuple[Cause, ...]
    epochs: tuple[int, int] | None = None


def failure_kinds(study: StudyRecord) -> tuple[Kind, ...]:
    """Reasons of failed trials, most frequent first, against the trials that ended otherwise."""
    return _kinds(
        study, lambda trial: {facts.failure_kind(trial)} if trial.state == "FAIL" else set()
    )


def finding_kinds(study: StudyRecord) -> tuple[Kind, ...]:
    """Kinds of findings, most frequent first, against the trials that do not show them."""
    return _kinds(study, lambda trial: {finding.kind for finding in trial.findings})


def _kinds(study: StudyRecord, shown_by: Callable[[TrialRecord], set[str]]) -> tuple[Kind, ...]:
    trials = [t for t in facts.by_number(study) if t.state not in ("WAITING",)]
    axes = scales.parameter_axes(study)
    members: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        for name in sorted(shown_by(trial)):
            members.setdefault(name, []).append(trial)
    order = sorted(members, key=lambda name: (-len(members[name]), name))
    return tuple(_kind(name, members[name], trials, axes) for name in order)


def _kind(
    name: str,
    members: Sequence[TrialRecord],
    trials: Sequence[TrialRecord],
    axes: Sequence[ParameterAxis],
) -> Kind:
    numbers = {trial.number for trial in members}
    epochs = [
        finding.epoch
        for trial in members
        for finding in trial.findings
        if finding.kind == name and finding.epoch is not None
    ]
    found: list[tuple[float, Cause]] = []
    if len(members) >= MIN_TRIALS and len(trials) - len(members) >= MIN_TRIALS:
        found = [best for axis in axes if (best := _cause(axis, numbers, trials)) is not None]
    found.sort(key=lambda item: (item[0], item[1].where))
    limit = MAX_CHANCE / max(1, len(axes) * 2 * N_SPLITS)
    causes = [cause for chance, cause in found if chance < limit]
    return Kind(
        name,
        tuple(sorted(numbers)),
        tuple(causes[:N_CAUSES]),
        (min(epochs), max(epochs)) if epochs else None,
    )


def _cause(
    axis: ParameterAxis, numbers: set[int], trials: Sequence[TrialRecord]
) -> tuple[float, Cause] | None:
    """The part of an axis that is most unlikely to hold so many of `numbers` by chance."""
    placed = sorted(
        (place, trial.number in numbers)
        for trial in trials
        if axis.name in trial.params
        and (place := axis.position(trial.params[axis.name])) is not None
    )
    n_all, n_with_all = len(placed), sum(is_member for _, is_member in placed)
    found = []
    for where, n_with, n_there in _parts(axis, placed):
        if 0 < n_there < n_all:
            chance = log_chance(n_with, n_there, n_with_all, n_all)
            cause = Cause(where, n_with, n_there, n_with_all - n_with, n_all - n_there)
            found.append((math.exp(chance), cause))
    return min(found, key=lambda item: (item[0], item[1].where), default=None)


def _parts(axis: ParameterAxis, placed: Sequence[tuple[float, bool]]) -> list[tuple[str, int, int]]:
    """Parts of an axis with the trials in them that show a kind, and with all trials in them.

    A part is a choice, or what lies above or below a threshold between two tried values.

    Args:
        axis: The parameter.
        placed: Place on the axis and whether the kind shows, in order of place.
    """
    if axis.kind == "category":
        total = Counter(place for place, _ in placed)
        shown = Counter(place for place, is_member in placed if is_member)
        return [
            (f"{axis.name} = {name}", shown[float(index)], total[float(index)])
            for index, name in enumerate(axis.labels)
        ]
    below = list(accumulate((is_member for _, is_member in placed), initial=0))
    ends = [n for n in range(1, len(placed)) if placed[n][0] > placed[n - 1][0]]
    parts = []
    for n in scales.even(ends, N_SPLITS):
        cut = (placed[n - 1][0] + placed[n][0]) / 2
        shown_cut = text.number(10.0**cut if axis.kind == "log" else cut, digits=2)
        n_above, n_shown_above = len(placed) - n, below[-1] - below[n]
        parts.append((f"{axis.name} above {shown_cut}", n_shown_above, n_above))
        parts.append((f"{axis.name} below {shown_cut}", below[n], n))
    return parts


def log_chance(n_with: int, n_there: int, n_with_all: int, n_all: int) -> float:
    """Log of the chance of `n_with` or more among `n_there` drawn from all without regard.

    Args:
        n_with: Trials there that show the kind.
        n_there: Trials there.
        n_with_all: Trials in all that show it.
        n_all: Trials in all.

    Returns:
        The natural logarithm of the hypergeometric tail, at most 0.
    """
    whole = _log_choose(n_all, n_there)
    most = min(n_there, n_with_all)
    terms = [
        _log_choose(n_with_all, k) + _log_choose(n_all - n_with_all, n_there - k) - whole
        for k in range(n_with, most + 1)
        if n_there - k <= n_all - n_with_all
    ]
    if not terms:
        return -math.inf
    top = max(terms)
    return min(0.0, top + math.log(math.fsum(math.exp(term - top) for term in terms)))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
