"""Hides how a study becomes sections of the page: figure cards, failures, tables, settings."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from tuner.report import (
    cause_data,
    facts,
    figures,
    front_figures,
    lane_figures,
    pair_figures,
    parameter_figures,
    progress_data,
    sample_figures,
    space_figures,
    spread_figures,
    tables,
)
from tuner.report.cards import Canvas, card
from tuner.report.data import StudyRecord
from tuner.report.facts import UndrawableError
from tuner.report.overview import overview
from tuner.report.text import escaped

N_METRICS = 6
N_METRIC_CURVES = 60
N_OBJECTIVES = 4


def study(record: StudyRecord, key: str, canvas: Canvas, heading: str = "h1") -> str:
    """Everything about one study, its figures placed on `canvas`."""
    parts = [
        _head(record, key, heading),
        overview(record),
        f'<div class="grid">{_figure_cards(record, key, canvas)}</div>',
        _slices(record, key, canvas),
        _samples(record, key, canvas),
        _metrics(record, key, canvas),
        _failures(record, key),
        _trials(record, key),
        _settings(record, key),
    ]
    return f'<article id="{key}">{"".join(parts)}</article>'


def links(record: StudyRecord, key: str) -> list[tuple[str, str]]:
    """Anchor and word of what a reader jumps to."""
    found = [(f"{key}-history-0", "History"), (f"{key}-importance", "Parameters")]
    if record.is_multi_objective:
        found.insert(0, (f"{key}-pareto", "Pareto front"))
    found += [
        (f"{key}-space", "Space"),
        (f"{key}-slices", "Slices"),
        (f"{key}-failures", "Failures"),
    ]
    return [*found, (f"{key}-trials", "Trials"), (f"{key}-settings", "Settings")]


def _head(record: StudyRecord, key: str, heading: str) -> str:
    aims = " · ".join(
        f"{escaped(direction)} <bdi><b>{escaped(name)}</b></bdi>"
        + (f" [{escaped(unit)}]" if unit else "")
        for name, direction, unit in record.objectives
    )
    about = facts.subject(record)
    what = f"<span><bdi>{escaped(about)}</bdi></span>" if about else ""
    jumps = "".join(f'<a href="#{anchor}">{word}</a>' for anchor, word in links(record, key))
    known = record.state in ("running", "stopping", "finished", "interrupted")
    return (
        f'<header class="head"><div class="line"><{heading} dir="auto">'
        f"{escaped(record.name)}</{heading}>"
        f'<span class="pill {record.state if known else ""}">{escaped(record.state)}</span></div>'
        f'<p class="about">{what}<span>{aims}</span></p><nav>{jumps}</nav></header>'
    )


def _figure_cards(record: StudyRecord, key: str, canvas: Canvas) -> str:
    cards = []
    if record.is_multi_objective:
        draw = partial(front_figures.pareto, record)
        cards.append(canvas.place(f"{key}-pareto", "Pareto front", draw))
        draw = partial(front_figures.volumes, record)
        cards.append(canvas.place(f"{key}-volumes", "Hypervolume", draw))
    for k in range(min(N_OBJECTIVES, len(record.objectives))):
        name = f": {record.objectives[k][0]}" if record.is_multi_objective else ""
        draw = partial(figures.history, record, k)
        cards.append(canvas.place(f"{key}-history-{k}", f"History{name}", draw))
        draw = partial(figures.curves, record, None, k)
        cards.append(canvas.place(f"{key}-curves-{k}", f"Learning curves{name}", draw))
    draw = partial(parameter_figures.importance, record)
    cards.append(canvas.place(f"{key}-importance", "Parameter importance", draw))
    draw = partial(space_figures.ranges, record)
    cards.append(canvas.place(f"{key}-space", "Space as given and as searched", draw))
    draw = partial(pair_figures.contours, record)
    cards.append(canvas.place(f"{key}-contours", "Contours", draw, "wide sideways"))
    draw = partial(pair_figures.ranks, record)
    cards.append(canvas.place(f"{key}-ranks", "Ranks", draw, "wide sideways"))
    draw = partial(spread_figures.distribution, [record])
    cards.append(canvas.place(f"{key}-distribution", "Distribution of results", draw))
    draw = partial(figures.timeline, record)
    cards.append(canvas.place(f"{key}-timeline", "Timeline", draw))
    if record.stretches:
        cards += _lane_cards(record, key, canvas)
    draw = partial(parameter_figures.parallel, record)
    cards.append(canvas.place(f"{key}-parallel", "Parallel coordinates", draw, "wide sideways"))
    return "".join(cards)


def _lane_cards(record: StudyRecord, key: str, canvas: Canvas) -> list[str]:
    drawings = {
        "Lanes": lane_figures.fills,
        "Where time went": lane_figures.time_use,
        "What separated rows": lane_figures.stacks,
    }
    return [
        canvas.place(f"{key}-lanes-{place}", title, partial(draw, record))
        for place, (title, draw) in enumerate(drawings.items())
    ]


def _slices(record: StudyRecord, key: str, canvas: Canvas) -> str:
    try:
        drawings, caption = parameter_figures.slice_drawings(record)
    except UndrawableError as reason:
        return card(f"{key}-slices", "Slices", f'<p class="empty">{escaped(reason)}</p>')
    plots = (
        canvas.small(f"{key}-slice-{index}", drawing) for index, drawing in enumerate(drawings)
    )
    note = f'<p class="note">{escaped(caption)}</p>'
    return card(f"{key}-slices", "Slices", f'{note}<div class="smalls">{"".join(plots)}</div>')


def _samples(record: StudyRecord, key: str, canvas: Canvas) -> str:
    if not record.samples:
        return ""
    plots = "".join(
        canvas.small(f"{key}-samples-{index}", sample_figures.samples(series, record))
        for index, series in enumerate(record.samples)
    )
    note = (
        f"The same latents at every {facts.step_word(record)} of the slider. Trials were trained "
        "again from their seeds for this."
    )
    body = f'<p class="note">{note}</p><div class="smalls pictures">{plots}</div>'
    return card(f"{key}-samples", "Samples", body)


def _metrics(record: StudyRecord, key: str, canvas: Canvas) -> str:
    names = progress_data.metric_names(record)
    parts = []
    for index, name in enumerate(names[:N_METRICS]):
        try:
            drawing = figures.curves(record, name, limit=N_METRIC_CURVES)
        except UndrawableError:
            continue
        parts.append(canvas.small(f"{key}-metric-{index}", replace(drawing, caption="")))
    if not parts:
        return ""
    note = f"By {facts.step_word(record)}, in the colours of the learning curves; at most "
    note += f"{N_METRIC_CURVES} curves each, the best among them. "
    note += "Outlying values may lie beyond an axis."
    if len(names) > len(parts):
        note += f" {len(parts)} of {len(names)} are shown."
    body = f'<p class="note">{note}</p><div class="smalls">{"".join(parts)}</div>'
    return card(f"{key}-metrics", "Other measurements", body)


def _failures(record: StudyRecord, key: str) -> str:
    found = ""
    if any(trial.findings for trial in record.trials):
        note = '<p class="note">What was recognised in training, and where in the space.</p>'
        kinds = tables.kinds(cause_data.finding_kinds(record), "finding", facts.step_word(record))
        found = card(f"{key}-findings", "Findings", note + kinds)
    if not facts.state_counts(record)["FAIL"]:
        body = '<p class="empty">No trial failed.</p>'
    else:
        body = tables.failures(record)
        body += tables.kinds(cause_data.failure_kinds(record), "reason", facts.step_word(record))
    return found + card(f"{key}-failures", "Failures", body)


def _trials(record: StudyRecord, key: str) -> str:
    if not record.trials:
        body = '<p class="empty">The study has no trials yet.</p>'
        return card(f"{key}-trials", "Trials", body)
    n_shown, n_all = len(tables.shown_trials(record)), len(record.trials)
    note = "Pruned trials show their last value."
    if n_shown < n_all:
        note = (
            f"{n_shown:,} of {n_all:,} trials are listed: the {tables.N_ROWS // 2} best and others "
            f"spread evenly. {note}"
        )
    search = (
        '<input type="search" class="filter" placeholder="Filter rows" aria-label="Filter rows">'
    )
    body = (
        f'<div class="tools"><p class="note">{note}</p>{search}</div>{tables.trials(record, key)}'
    )
    return card(f"{key}-trials", "Trials", body)


def _settings(record: StudyRecord, key: str) -> str:
    nothing = '<p class="empty">Not recorded.</p>'
    commands = "\n".join(record.commands)
    commands = f'<pre class="commands">{escaped(commands)}</pre>' if commands else nothing
    spec = tables.nested(record.spec) if record.spec else nothing
    environment = tables.nested(record.environment) if record.environment else nothing
    return (
        f'<div class="grid" id="{key}-settings">'
        f"{card(f'{key}-spec', 'Spec', spec)}"
        f'<div class="stack">{card(f"{key}-environment", "Environment", environment)}'
        f"{card(f'{key}-commands', 'Commands', commands)}</div></div>"
    )
