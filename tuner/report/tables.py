"""Hides how trials, failures, findings and nested settings become HTML tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tuner.report import facts, scales, text
from tuner.report.cause_data import Kind
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.text import escaped

N_ROWS = 1000
N_MANY = 40  # rows that surely fill the height of the table, which is then laid out when seen
N_FAILURES = 50
N_ERROR_CHARACTERS = 20_000


def heads(*words: str) -> str:
    """Headings of columns of numbers, or of texts for a word that ends in a full stop."""
    return "".join(
        f'<th scope="col"{" class=text" if word.endswith(".") else ""}>{word.rstrip(".")}</th>'
        for word in words
    )


def value(number: Any, unit: str = "") -> str:
    """A value as inert HTML: four significant digits, in full when pointed at."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return f"<bdi>{escaped(number)}</bdi>"
    shown = text.number(number)
    after = f' <span class="unit">{escaped(unit)}</span>' if unit else ""
    return f'<span class="num" title="{escaped(number)}">{escaped(shown)}</span>{after}'


def seconds(length_s: float | None) -> str:
    """A duration as inert HTML, a dash where it is not known."""
    if length_s is None:
        return text.DASH
    return f'<span class="num" title="{length_s:.3f} s">{escaped(text.duration(length_s))}</span>'


def state(name: str) -> str:
    """The word for a trial's state as a small coloured label."""
    return f'<span class="state {name}">{name}</span>'


def definitions(pairs: Mapping[str, Any]) -> str:
    """Names and values in two columns; empty text without any."""
    rows = "".join(
        f'<div><dt title="{escaped(name)}"><bdi>{escaped(name)}</bdi></dt>'
        f'<dd title="{escaped(item)}">{value(item)}</dd></div>'
        for name, item in pairs.items()
    )
    return f'<dl class="pairs">{rows}</dl>' if rows else ""


def nested(settings: Mapping[str, Any]) -> str:
    """Settings of any depth as YAML text, inert."""
    shown = yaml.safe_dump(_plain(settings), sort_keys=False, allow_unicode=True, width=100)
    return f"<pre>{escaped(shown)}</pre>"


def _plain(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {str(key): _plain(inner) for key, inner in item.items()}
    if isinstance(item, list | tuple | set | frozenset):
        return [_plain(inner) for inner in item]
    if item is None or isinstance(item, bool | int | float | str):
        return item
    return str(item)


def shown_trials(study: StudyRecord) -> list[TrialRecord]:
    """The trials that the table lists: all up to 1,000, else the 500 best and an even spread."""
    trials = facts.by_number(study)
    place = {trial.number: index for index, trial in enumerate(trials)}
    ranked = [place[number] for number in facts.best_numbers(study)[: N_ROWS // 2]]
    return scales.thinned(trials, N_ROWS, [place[n] for n in study.front if n in place] + ranked)


def trials(study: StudyRecord, key: str) -> str:
    """The sortable table of trials; rows are named `<key>-t<number>`."""
    shown = shown_trials(study)
    names = list(dict.fromkeys(name for trial in shown for name in trial.params))
    extras = _extras(shown)
    columns = ["trial", "state", *[name for name, _, _ in study.objectives], *names]
    columns += ["steps", "duration", *extras, "reason"]
    texts = {"state", "reason"} | {n for n in names if any(_is_text(t.params, n) for t in shown)}
    head = "".join(
        f'<th scope="col"{" class=text" if name in texts else ""} '
        f'aria-sort="{"none" if index else "ascending"}">'
        f'<button type="button" title="{escaped(name)}">'
        f"<bdi>{escaped(text.shortened(name, 28))}</bdi></button></th>"
        for index, name in enumerate(columns)
    )
    rows = "".join(_row(study, trial, names, extras, key) for trial in shown)
    many = " many" if len(shown) >= N_MANY else ""
    return (
        f'<div class="scroll tall{many}"><table class="trials"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _is_text(params: Mapping[str, Any], name: str) -> bool:
    item = params.get(name)
    return item is not None and (isinstance(item, bool) or not isinstance(item, int | float))


def _extras(shown: Sequence[TrialRecord]) -> dict[str, str]:
    """Columns that only some studies need: heading and attribute of the trial."""
    extras = {}
    if any(trial.lane is not None for trial in shown):
        extras["lane"] = "lane"
    if any(trial.n_attempts > 1 for trial in shown):
        extras["attempts"] = "n_attempts"
    return extras


def _row(
    study: StudyRecord,
    trial: TrialRecord,
    names: Sequence[str],
    extras: Mapping[str, str],
    key: str,
) -> str:
    word = state(facts.state_word(study, trial.state))
    cells = [_cell(trial.number, str(trial.number)), f'<td class="text">{word}</td>']
    for objective in range(len(study.objectives)):
        result = facts.final_value(trial, objective)
        if result is None and trial.state == "PRUNED":
            result = facts.last_value(study, trial, objective)
        cells.append(_optional_cell(result))
    cells += [_parameter_cell(trial, name) for name in names]
    n_steps = max(facts.curve(study, trial), default=None)
    length_s = facts.duration_s(trial)
    cells.append(_optional_cell(n_steps))
    cells.append(_cell(-1.0 if length_s is None else length_s, seconds(length_s)))
    cells += [_optional_cell(getattr(trial, attribute)) for attribute in extras.values()]
    reason = trial.reason or ""
    short = escaped(text.shortened(reason, 60))
    cells.append(f'<td class="text" title="{escaped(reason)}"><bdi>{short}</bdi></td>')
    marks = ' class="top"' if trial.number == study.best or trial.number in study.front else ""
    return f'<tr id="{key}-t{trial.number}"{marks}>{"".join(cells)}</tr>'


def _cell(order: float, shown: str) -> str:
    return f'<td class="n" data-v="{order!r}">{shown}</td>'


def _parameter_cell(trial: TrialRecord, name: str) -> str:
    item = trial.params.get(name)
    return _optional_cell("None" if item is None and name in trial.params else item)


def _optional_cell(item: Any) -> str:
    if item is None:
        return f'<td class="n none">{text.DASH}</td>'
    if isinstance(item, bool) or not isinstance(item, int | float):
        return f'<td class="text"><bdi>{escaped(text.shortened(str(item), 60))}</bdi></td>'
    return _cell(item, value(item)) if math.isfinite(item) else f'<td class="n">{item}</td>'


def failures(study: StudyRecord) -> str:
    """Failed trials with their reasons, errors folded; the latest 50 at most."""
    failed = [trial for trial in facts.by_number(study) if trial.state == "FAIL"]
    shown = failed[-N_FAILURES:]
    note = (
        f'<p class="note">The latest {len(shown)} of {len(failed):,} failed trials are listed.</p>'
        if len(shown) < len(failed)
        else ""
    )
    return note + "".join(_failure(trial) for trial in shown)


def _failure(trial: TrialRecord) -> str:
    attempts = f", {text.plural(trial.n_attempts, 'attempt')}" if trial.n_attempts > 1 else ""
    head = (
        f'<b class="num">trial {trial.number}</b> '
        f"<bdi>{escaped(trial.reason or 'no reason recorded')}</bdi>{attempts}"
    )
    if not trial.error:
        return f'<div class="failure">{head}</div>'
    error = trial.error[-N_ERROR_CHARACTERS:]
    cut = "" if len(error) == len(trial.error) else "[beginning left out]\n"
    return (
        f'<details class="failure"><summary>{head}</summary>'
        f"<pre>{cut}{escaped(error)}</pre></details>"
    )


def kinds(found: Sequence[Kind], word: str, step: str) -> str:
    """Failures or findings by kind, with where in the space they come from and which trials.

    Args:
        found: Most frequent first.
        word: What a kind is called.
        step: What a step of training is.
    """
    rows = "".join(_kind_row(kind, step) for kind in found)
    head = heads(f"{word}.", "trials", "where it is frequent.", "which.")
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>'
        "</table></div>"
    )


def _kind_row(kind: Kind, step: str) -> str:
    causes = "<br>".join(f"<bdi>{escaped(cause.sentence)}</bdi>" for cause in kind.causes)
    first = ""
    if kind.epochs is not None:
        low, high = kind.epochs
        span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        first = f' <span class="soft">from {step} {span}</span>'
    return (
        f'<tr><td class="text"><bdi>{escaped(text.shortened(kind.name, 60))}</bdi>{first}</td>'
        f'<td class="n">{len(kind.numbers):,}</td><td class="text wide">{causes or text.DASH}</td>'
        f'<td class="text">{_number_list(kind.numbers)}</td></tr>'
    )


def _number_list(numbers: Sequence[int], limit: int = 20) -> str:
    listed = ", ".join(map(str, numbers[:limit]))
    return listed if len(numbers) <= limit else f"{listed} and {len(numbers) - limit:,} more"


def front(study: StudyRecord) -> str:
    """The trials of the Pareto front with their values, at most 12."""
    by_number = {trial.number: trial for trial in study.trials}
    members = [by_number[n] for n in facts.front_numbers(study) if n in by_number]
    members.sort(key=lambda trial: trial.values or ())
    names = "".join(
        f'<th scope="col"><bdi>{escaped(text.shortened(name, 28))}</bdi>, {escaped(direction)}</th>'
        for name, direction, _ in study.objectives
    )
    rows = "".join(
        f'<tr><td class="n">{trial.number}</td>'
        + "".join(f'<td class="n">{value(item)}</td>' for item in trial.values or ())
        + "</tr>"
        for trial in scales.even(members, 12)
    )
    note = f"12 of {len(members)} shown." if len(members) > 12 else ""
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col">trial</th>{names}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div><p class="note">{note}</p>'
    )
