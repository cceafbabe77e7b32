"""Hides how a study becomes sections of the page: figure cards, failures, tables, settings."""

from __future__ import annotations

from collections.abc import Callable
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
    text,
)
from tuner.report.cards import Canvas, Room, card
from tuner.report.data import StudyRecord
from tuner.report.drawing import Drawing
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
        _judged(record, key, canvas),
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
    judged = (f"{key}-slices", "Slices")
    if record.is_multi_objective:
        judged = (f"{key}-chooser", "By objective")
    found += [(f"{key}-space", "Space"), judged, (f"{key}-failures", "Failures")]
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
    known = record.state in ("running", "finished", "interrupted", "stopped")
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
        draw = partial(figures.history, record, k)
        cards.append(canvas.place(f"{key}-history-{k}", facts.named(record, "History", k), draw))
        title = facts.named(record, "Learning curves", k)
        draw = partial(figures.curves, record, None, k)
        cards.append(canvas.place(f"{key}-curves-{k}", title, draw))
    draw = partial(parameter_figures.importance, record)
    cards.append(canvas.place(f"{key}-importance", "Parameter importance", draw))
    draw = partial(space_figures.ranges, record)
    cards.append(canvas.place(f"{key}-space", "Space as given and as searched", draw))
    if not record.is_multi_objective:
        draw = partial(spread_figures.distribution, [record])
        cards.append(canvas.place(f"{key}-distribution", "Distribution of results", draw))
    draw = partial(figures.timeline, record)
    cards.append(canvas.place(f"{key}-timeline", "Timeline", draw))
    if record.stretches:
        cards += _lane_cards(record, key, canvas)
    return "".join(cards)


def _judged(record: StudyRecord, key: str, canvas: Canvas) -> str:
    """What looks at one objective at a time, of several the one that the reader chooses."""
    shown = range(min(N_OBJECTIVES, len(record.objectives)))
    cards = "".join(card for k in shown for card in _judged_cards(record, key, k, canvas))
    slices = "".join(_slices(record, key, k, canvas) for k in shown)
    return f'{_chooser(record, key)}<div class="grid">{cards}</div>{slices}'


def _chooser(record: StudyRecord, key: str) -> str:
    """Buttons for several objectives, which the page's script brings to life."""
    if not record.is_multi_objective:
        return ""
    buttons = "".join(
        f'<label><input type="radio" name="{key}-objective" value="{k}"'
        f"{' checked' if k == 0 else ''}> <bdi>{escaped(text.shortened(name, 40))}</bdi></label>"
        for k, (name, _, _) in enumerate(record.objectives[:N_OBJECTIVES])
    )
    rest = len(record.objectives) - N_OBJECTIVES
    note = f'<p class="note">The first {N_OBJECTIVES} are drawn.</p>' if rest > 0 else ""
    return (
        f'<fieldset class="chooser" id="{key}-chooser" hidden><legend>Figures below judge by'
        f"</legend>{buttons}{note}</fieldset>"
    )


def _judged_cards(record: StudyRecord, key: str, k: int, canvas: Canvas) -> list[str]:
    drawings: dict[str, tuple[str, Room, Callable[[], Drawing]]] = {
        "contours": ("Contours", "wide sideways", partial(pair_figures.contours, record, k)),
        "ranks": ("Ranks", "wide sideways", partial(pair_figures.ranks, record, k)),
        "parallel": (
            "Parallel coordinates",
            "wide sideways",
            partial(parameter_figures.parallel, record, k),
        ),
    }
    several = k if record.is_multi_objective else None
    if several is not None:
        draw = partial(parameter_figures.importance, record, objective=k)
        drawings["matters"] = ("Parameter importance", "", draw)
        draw = partial(spread_figures.distribution, [record], k)
        drawings["distribution"] = ("Distribution of results", "", draw)
    return [
        canvas.place(
            _judged_key(record, key, word, k), facts.named(record, title, k), draw, room, several
        )
        for word, (title, room, draw) in drawings.items()
    ]


def _judged_key(record: StudyRecord, key: str, word: str, k: int) -> str:
    return f"{key}-{word}-{k}" if record.is_multi_objective else f"{key}-{word}"


def _lane_cards(record: StudyRecord, key: str, canvas: Canvas) -> list[str]:
    drawings: tuple[tuple[str, Room, Callable[[StudyRecord], Drawing]], ...] = (
        ("Lanes", "", lane_figures.fills),
        ("Where time went", "", lane_figures.time_use),
        ("What separated rows", "wide sideways", lane_figures.stacks),
    )
    return [
        canvas.place(f"{key}-lanes-{place}", title, partial(draw, record), room)
        for place, (title, room, draw) in enumerate(drawings)
    ]


def _slices(record: StudyRecord, key: str, k: int, canvas: Canvas) -> str:
    title = facts.named(record, "Slices", k)
    several = k if record.is_multi_objective else None
    anchor = _judged_key(record, key, "slices", k)
    stem = _judged_key(record, key, "slice", k)
    try:
        drawings, caption = parameter_figures.slice_drawings(record, k)
    except UndrawableError as reason:
        body = f'<p class="empty">{escaped(reason)}</p>'
        return card(anchor, title, body, objective=several)
    plots = (canvas.small(f"{stem}-{index}", drawing) for index, drawing in enumerate(drawings))
    body = f'<p class="note">{escaped(caption)}</p><div class="smalls">{"".join(plots)}</div>'
    return card(anchor, title, body, objective=several)


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
