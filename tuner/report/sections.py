"""Hides how a study becomes sections of the page: overview, figure cards, failures, tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from tuner.report import (
    comparison,
    facts,
    figures,
    lane_figures,
    parameter_figures,
    progress_data,
    tables,
    text,
)
from tuner.report.data import STATE_WORDS, StudyRecord
from tuner.report.drawing import Drawing
from tuner.report.facts import UndrawableError
from tuner.report.text import escaped

N_METRICS = 6
N_METRIC_CURVES = 60
N_REASONS = 6
N_OBJECTIVES = 4


Room = Literal["", "wide", "wide sideways"]


class Canvas:
    """The figures of a page by the id of the element that shows each, as Plotly's JSON."""

    def __init__(self) -> None:
        self.figures: dict[str, str] = {}

    def place(self, key: str, title: str, draw: Callable[[], Drawing], room: Room = "") -> str:
        """A card with the figure, or with the sentence that says why there is none.

        Args:
            key: Unique in the page; names the card, and with `-plot` the figure.
            title: Stands there when the figure cannot be drawn.
            draw: Draws the figure.
            room: `wide` takes the whole width; `wide sideways` keeps 720 pixels on a phone and
                moves under the finger.
        """
        try:
            drawing = draw()
        except UndrawableError as reason:
            body = f'<p class="empty">{escaped(reason)}</p>'
            return _card(key, title, body, f"card {room}".strip())
        note = f'<p class="note">{escaped(drawing.caption)}</p>' if drawing.caption else ""
        plot = f'<div class="room">{self.plot(key, drawing)}</div>'
        return _card(key, drawing.title, note + plot, f"card {room}".strip())

    def plot(self, key: str, drawing: Drawing, quiet: bool = False) -> str:
        """The element that the page's script draws the figure into; `quiet` has no tool bar."""
        self.figures[f"{key}-plot"] = drawing.figure.to_json()
        return (
            f'<div class="plot" id="{key}-plot" style="height:{drawing.figure.layout.height}px" '
            f'role="img" aria-label="{escaped(drawing.title)}. {escaped(drawing.caption)}"'
            f"{' data-quiet' if quiet else ''}></div>"
        )


def _card(key: str, title: str, body: str, classes: str = "card") -> str:
    return (
        f'<section class="{classes}" id="{key}"><h3><bdi>{escaped(title)}</bdi></h3>'
        f"{body}</section>"
    )


def study(record: StudyRecord, key: str, canvas: Canvas, heading: str = "h1") -> str:
    """Everything about one study, its figures placed on `canvas`."""
    parts = [
        _head(record, key, heading),
        overview(record),
        f'<div class="grid">{_figure_cards(record, key, canvas)}</div>',
        _slices(record, key, canvas),
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
    found += [(f"{key}-slices", "Slices"), (f"{key}-failures", "Failures")]
    return [*found, (f"{key}-trials", "Trials"), (f"{key}-settings", "Settings")]


def _head(record: StudyRecord, key: str, heading: str) -> str:
    aims = " · ".join(
        f"{escaped(direction)} <bdi><b>{escaped(name)}</b></bdi>"
        + (f" [{escaped(unit)}]" if unit else "")
        for name, direction, unit in record.objectives
    )
    about = [str(record.spec[word]) for word in ("trainer", "data") if _is_word(record, word)]
    what = f"<span><bdi>{escaped(' on '.join(about))}</bdi></span>" if about else ""
    jumps = "".join(f'<a href="#{anchor}">{word}</a>' for anchor, word in links(record, key))
    known = record.state in ("running", "stopping", "finished", "interrupted")
    return (
        f'<header class="head"><div class="line"><{heading} dir="auto">'
        f"{escaped(record.name)}</{heading}>"
        f'<span class="pill {record.state if known else ""}">{escaped(record.state)}</span></div>'
        f'<p class="about">{what}<span>{aims}</span></p><nav>{jumps}</nav></header>'
    )


def _is_word(record: StudyRecord, key: str) -> bool:
    return isinstance(record.spec.get(key), str)


def overview(record: StudyRecord) -> str:
    """The first screen: the best trial, and what became of the budget."""
    best = _front(record) if record.is_multi_objective else _best(record)
    return f'<div class="overview">{best}{_budget(record)}</div>'


def _best(record: StudyRecord) -> str:
    trial = record.best_trial
    value = None if trial is None else facts.final_value(trial)
    if trial is None or value is None:
        why = "No trial is complete yet." if record.trials else "The study has no trials yet."
        return f'<section class="card best"><h2>Best trial</h2><p class="empty">{why}</p></section>'
    name, _, unit = record.objectives[0]
    length_s = facts.duration_s(trial)
    took = f" · {tables.seconds(length_s)}" if length_s is not None else ""
    tests = "".join(
        f'<div class="figure"><span class="name"><bdi>{escaped(key)}</bdi> <em>test</em></span>'
        f'<span class="small">{tables.value(item)}</span></div>'
        for key, item in record.test.items()
    )
    params = tables.definitions(trial.params) or '<p class="note">It has no parameters.</p>'
    return (
        f'<section class="card best"><h2>Best trial <span class="soft">'
        f'<span class="num">#{trial.number}</span>{took}</span></h2>'
        f'<div class="figures"><div class="figure"><span class="name">'
        f'<bdi>{escaped(name)}</bdi></span><span class="big">{tables.value(value, unit)}</span>'
        f"</div>{tests}</div>"
        f"<h4>Parameters</h4>{params}</section>"
    )


def _front(record: StudyRecord) -> str:
    numbers = facts.front_numbers(record)
    if not numbers:
        why = "No trial is complete yet." if record.trials else "The study has no trials yet."
        body = f'<p class="empty">{why}</p>'
    else:
        body = tables.front(record)
    tests = tables.definitions(record.test)
    tests = f"<h4>On the test part</h4>{tests}" if tests else ""
    return (
        f'<section class="card best"><h2>Pareto front <span class="soft">'
        f"{text.plural(len(numbers), 'trial')}</span></h2>{body}{tests}</section>"
    )


def _budget(record: StudyRecord) -> str:
    counts = facts.state_counts(record)
    open_count = max(0, (record.budget or 0) - len(record.trials))
    total = max(1, len(record.trials) + open_count)
    shown = [(STATE_WORDS[state], count) for state, count in counts.items()]
    shown = [item for item in shown if item[1] or item[0] in ("complete", "pruned", "failed")]
    bar = "".join(
        f'<i class="{word}" style="width:{100 * count / total:.3f}%"></i>'
        for word, count in shown
        if count
    )
    if open_count:
        shown.append(("not started", open_count))
    legend = "".join(
        f'<li><i class="{word.split()[0]}"></i><span>{word}</span><b class="num">{count:,}</b></li>'
        for word, count in shown
    )
    of_all = f" of {record.budget:,}" if record.budget is not None else ""
    return (
        f'<section class="card budget"><h2>Trials <span class="soft"><span class="num">'
        f"{len(record.trials):,}{of_all}</span></span></h2>"
        f'<div class="bar" aria-hidden="true">{bar}</div><ul class="legend">{legend}</ul>'
        f"{_times(record)}{_reasons(record)}</section>"
    )


def _times(record: StudyRecord) -> str:
    clock = facts.clock_of(record.trials)
    if clock is None:
        return ""
    n_done = sum(trial.state in ("COMPLETE", "PRUNED", "FAIL") for trial in record.trials)
    total_s = clock.total_s
    tiles = [("duration", tables.seconds(total_s))]
    if total_s > 0 and n_done:
        per_s = n_done / total_s
        unit, rate = ("trials/s", per_s) if per_s >= 0.1 else ("trials/h", per_s * 3600)
        tiles.append((unit, f'<span class="num">{text.number(rate, digits=3)}</span>'))
    retries = sum(max(0, trial.n_attempts - 1) for trial in record.trials)
    if retries:
        tiles.append(("retries", f'<span class="num">{retries:,}</span>'))
    paused = f", pauses of {text.duration(sum(clock.lengths))} not counted" if clock.lengths else ""
    span = f"{clock.origin:%Y-%m-%d %H:%M} to {clock.end:%Y-%m-%d %H:%M}{paused}"
    shown = "".join(f"<div><span>{name}</span><b>{item}</b></div>" for name, item in tiles)
    return f'<div class="tiles">{shown}</div><p class="note">{span}</p>'


def _reasons(record: StudyRecord) -> str:
    """Why trials failed, and where the pruned ones were stopped: the most frequent of each."""
    failed = [("failed", reason, n) for reason, n in facts.failure_counts(record)]
    word = facts.step_word(record)
    stops = [
        ("pruned", f"pruned at {word} {step:,}" if step else "pruned", n)
        for step, n in facts.stop_counts(record)
    ]
    if len(stops) > N_REASONS:
        stops = sorted(stops, key=lambda item: -item[2])
    rows = "".join(_reason_row(*row) for row in [*_with_rest(failed), *_with_rest(stops)])
    if not rows:
        return ""
    return f'<h4>Why trials ended early</h4><ul class="legend rows">{rows}</ul>'


def _with_rest(rows: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """The first rows, and one that sums up the others."""
    rest = rows[N_REASONS:]
    if not rest:
        return rows
    name = text.plural(len(rest), "other")
    return [*rows[:N_REASONS], (rest[0][0], name, sum(count for _, _, count in rest))]


def _reason_row(state: str, reason: str, count: int) -> str:
    name = f"<bdi>{escaped(text.shortened(reason, 60))}</bdi>"
    return f'<li><i class="{state}"></i><span>{name}</span><b class="num">{count:,}</b></li>'


def _figure_cards(record: StudyRecord, key: str, canvas: Canvas) -> str:
    cards = []
    objectives = range(min(N_OBJECTIVES, len(record.objectives)))
    if record.is_multi_objective:
        draw = partial(figures.pareto, record)
        cards.append(canvas.place(f"{key}-pareto", "Pareto front", draw, room="wide"))
    for k in objectives:
        name = f": {record.objectives[k][0]}" if record.is_multi_objective else ""
        draw = partial(figures.history, record, k)
        cards.append(canvas.place(f"{key}-history-{k}", f"History{name}", draw))
        draw = partial(figures.curves, record, None, k)
        cards.append(canvas.place(f"{key}-curves-{k}", f"Learning curves{name}", draw))
    draw = partial(parameter_figures.importance, record)
    cards.append(canvas.place(f"{key}-importance", "Parameter importance", draw))
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
        return _card(f"{key}-slices", "Slices", f'<p class="empty">{escaped(reason)}</p>')
    plots = (
        _small(canvas, f"{key}-slice-{index}", drawing) for index, drawing in enumerate(drawings)
    )
    note = f'<p class="note">{escaped(caption)}</p>'
    return _card(f"{key}-slices", "Slices", f'{note}<div class="smalls">{"".join(plots)}</div>')


def _small(canvas: Canvas, key: str, drawing: Drawing) -> str:
    """A figure without tools under its name, one of several side by side."""
    note = f'<p class="note">{escaped(drawing.caption)}</p>' if drawing.caption else ""
    name = f"<bdi>{escaped(text.shortened(drawing.title, 60))}</bdi>"
    return f"<div><h4>{name}</h4>{note}{canvas.plot(key, drawing, quiet=True)}</div>"


def _metrics(record: StudyRecord, key: str, canvas: Canvas) -> str:
    names = progress_data.metric_names(record)
    parts = []
    for index, name in enumerate(names[:N_METRICS]):
        try:
            drawing = figures.curves(record, name, limit=N_METRIC_CURVES)
        except UndrawableError:
            continue
        parts.append(_small(canvas, f"{key}-metric-{index}", replace(drawing, caption="")))
    if not parts:
        return ""
    note = f"By {facts.step_word(record)}, in the colours of the learning curves; at most "
    note += f"{N_METRIC_CURVES} curves each, the best among them. "
    note += "Outlying values may lie beyond an axis."
    if len(names) > len(parts):
        note += f" {len(parts)} of {len(names)} are shown."
    body = f'<p class="note">{note}</p><div class="smalls">{"".join(parts)}</div>'
    return _card(f"{key}-metrics", "Other measurements", body)


def _failures(record: StudyRecord, key: str) -> str:
    found = ""
    if any(trial.findings for trial in record.trials):
        found = _card(f"{key}-findings", "Findings", tables.findings(record))
    n_failed = facts.state_counts(record)["FAIL"]
    body = tables.failures(record) if n_failed else '<p class="empty">No trial failed.</p>'
    return found + _card(f"{key}-failures", "Failures", body)


def _trials(record: StudyRecord, key: str) -> str:
    if not record.trials:
        body = '<p class="empty">The study has no trials yet.</p>'
        return _card(f"{key}-trials", "Trials", body)
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
    return _card(f"{key}-trials", "Trials", body)


def _settings(record: StudyRecord, key: str) -> str:
    nothing = '<p class="empty">Not recorded.</p>'
    commands = "\n".join(record.commands)
    commands = f'<pre class="commands">{escaped(commands)}</pre>' if commands else nothing
    spec = tables.nested(record.spec) if record.spec else nothing
    environment = tables.nested(record.environment) if record.environment else nothing
    return (
        f'<div class="grid" id="{key}-settings">'
        f"{_card(f'{key}-spec', 'Spec', spec)}"
        f'<div class="stack">{_card(f"{key}-environment", "Environment", environment)}'
        f"{_card(f'{key}-commands', 'Commands', commands)}</div></div>"
    )


def compared(studies: Sequence[StudyRecord], canvas: Canvas) -> str:
    """The head of a page of several studies: a table and the best so far of each."""
    rows = "".join(_compared_row(record, f"s{index}") for index, record in enumerate(studies))
    heads = tables.heads("study.", "state.", "best value", "test.")
    heads += tables.heads("complete", "pruned", "failed", "duration")
    table = (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
    by_trial = canvas.place(
        "by-trial", "Best so far by trials", partial(comparison.by_trial, studies)
    )
    by_time = canvas.place("by-time", "Best so far by time", partial(comparison.by_time, studies))
    return (
        f'<header class="head"><div class="line"><h1>{len(studies)} studies compared</h1>'
        "</div></header>"
        f'{_card("studies", "Studies", table)}<div class="grid">{by_trial}{by_time}</div>'
    )


def _compared_row(record: StudyRecord, key: str) -> str:
    trial = record.best_trial
    best = None if trial is None or record.is_multi_objective else facts.final_value(trial)
    if record.is_multi_objective:
        shown = f"front of {len(facts.front_numbers(record))}"
    else:
        shown = text.DASH if best is None else tables.value(best, record.objectives[0][2])
    tests = " · ".join(
        f"<bdi>{escaped(name)}</bdi> {tables.value(item)}" for name, item in record.test.items()
    )
    counts = facts.state_counts(record)
    cells = "".join(f'<td class="n">{counts[s]:,}</td>' for s in ("COMPLETE", "PRUNED", "FAIL"))
    clock = facts.clock_of(record.trials)
    took = tables.seconds(None if clock is None else clock.total_s)
    name = escaped(text.shortened(record.name, 60))
    return (
        f'<tr><td class="text"><a href="#{key}"><bdi>{name}</bdi></a></td>'
        f'<td class="text">{escaped(record.state)}</td><td class="n"><b>{shown}</b></td>'
        f'<td class="text">{tests or text.DASH}</td>{cells}<td class="n">{took}</td></tr>'
    )
