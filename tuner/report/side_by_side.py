"""Hides how several studies are written side by side: a table and their figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tuner.report import comparison, facts, spread_figures, tables, text
from tuner.report.cards import Canvas, card
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.text import escaped


def compared(studies: Sequence[StudyRecord], canvas: Canvas) -> str:
    """The head of a page of several studies: a table and the best so far of each."""
    added = ["added by others"] if any(facts.added(record) for record in studies) else []
    rows = "".join(
        _compared_row(record, f"s{index}", has_added=bool(added))
        for index, record in enumerate(studies)
    )
    heads = tables.heads("study.", "state.", "best value", "test.")
    heads += tables.heads("complete", "pruned", "failed", *added, "duration")
    table = (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
    by_trial = canvas.place(
        "by-trial", "Best so far by trials", partial(comparison.by_trial, studies)
    )
    by_time = canvas.place("by-time", "Best so far by time", partial(comparison.by_time, studies))
    alike = comparison.comparable(studies) or list(studies[:1])
    draw = partial(spread_figures.distribution, alike)
    spread = canvas.place("distribution", "Distribution of results", draw)
    parameters = best_parameters(studies)
    chosen = card("best-parameters", "Parameters of the best trials", parameters)
    return (
        f'<header class="head"><div class="line"><h1>{len(studies)} studies compared</h1>'
        "</div></header>"
        f'{card("studies", "Studies", table)}<div class="grid">{by_trial}{by_time}{spread}</div>'
        f"{chosen if parameters else ''}"
    )


def best_parameters(studies: Sequence[StudyRecord]) -> str:
    """A row for each parameter, a column for each study's best trial; empty without any.

    A study of several objectives has no best trial, one without results neither.
    """
    best = [None if record.is_multi_objective else record.best_trial for record in studies]
    names = dict.fromkeys(name for trial in best if trial is not None for name in trial.params)
    if not names:
        return ""
    heads = "".join(
        f'<th scope="col"><bdi>{escaped(text.shortened(record.name, 40))}</bdi></th>'
        for record in studies
    )
    rows = "".join(
        f'<tr><td class="text"><bdi>{escaped(name)}</bdi></td>{_cells(name, best)}</tr>'
        for name in names
    )
    return (
        f'<div class="scroll"><table><thead><tr><th scope="col" class=text>parameter</th>{heads}'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cells(name: str, best: Sequence[TrialRecord | None]) -> str:
    shown = (
        text.DASH if trial is None or name not in trial.params else tables.value(trial.params[name])
        for trial in best
    )
    return "".join(f'<td class="n">{cell}</td>' for cell in shown)


def _compared_row(record: StudyRecord, key: str, *, has_added: bool) -> str:
    trial = record.best_trial
    best = None if trial is None or record.is_multi_objective else facts.final_value(trial)
    if record.is_multi_objective:
        shown = f"front of {len(facts.front_numbers(record))}"
    else:
        shown = text.DASH if best is None else tables.value(best, record.objectives[0][2])
    tests = " · ".join(
        f"<bdi>{escaped(name)}</bdi> {tables.value(item)}" for name, item in record.test.items()
    )
    own = facts.own(record)
    states = facts.state_counts(own)
    counts = [states[s] for s in ("COMPLETE", "PRUNED", "FAIL")]
    counts += [len(record.trials) - len(own.trials)] if has_added else []
    cells = "".join(f'<td class="n">{count:,}</td>' for count in counts)
    clock = facts.clock_of(own.trials)
    took = tables.seconds(None if clock is None else clock.total_s)
    name = escaped(text.shortened(record.name, 60))
    return (
        f'<tr><td class="text"><a href="#{key}"><bdi>{name}</bdi></a></td>'
        f'<td class="text">{escaped(record.state)}</td><td class="n"><b>{shown}</b></td>'
        f'<td class="text">{tests or text.DASH}</td>{cells}<td class="n">{took}</td></tr>'
    )
