"""Hides how the first screen is written: what won, by how much, whether to trust it, the budget."""

from __future__ import annotations

import math

from tuner.report import facts, tables, text
from tuner.report.data import StudyRecord
from tuner.report.standing import Standing, standing
from tuner.report.text import escaped

N_REASONS = 6

BY_CHOICE = "A person preferred it by its picture; the value stands beside and decided nothing."


def overview(record: StudyRecord) -> str:
    """The first screen: the best trial, and what became of the budget."""
    best = _front(record) if record.is_multi_objective else _best(record)
    return f'<div class="overview">{best}{_budget(record)}</div>'


def _best(record: StudyRecord) -> str:
    trial = record.best_trial
    value = None if trial is None else facts.final_value(trial)
    if trial is None or value is None:
        why = escaped(_no_best(record))
        return f'<section class="card best"><h2>Best trial</h2><p class="empty">{why}</p></section>'
    name, _, unit = record.objectives[0]
    length_s = facts.duration_s(trial)
    took = f" · {tables.seconds(length_s)}" if length_s is not None else ""
    tests = "".join(
        f'<div class="figure"><span class="name"><bdi>{escaped(key.removeprefix("test_"))}</bdi> '
        f"<em>test</em></span>"
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
        f"{_standing(record)}<h4>Parameters</h4>{params}</section>"
    )


def _no_best(record: StudyRecord) -> str:
    """Why there is no best trial, and the best value on the way to one."""
    if not record.trials:
        return "The study has no trials yet."
    if record.spec.get("preference"):
        return "Nobody has chosen between trials yet; that is done in `tuner dashboard`."
    name, direction, _ = record.objectives[0]
    best: tuple[float, int, int] | None = None
    for trial in facts.by_number(record):
        for step, value in facts.curve(record, trial).items():
            if math.isfinite(value) and (best is None or facts.better(value, best[0], direction)):
                best = value, trial.number, step
    if best is None:
        return "No trial is complete yet."
    return (
        f"No trial is complete yet. The best {name} on the way was {text.number(best[0])}, of "
        f"trial {best[1]} at {facts.step_word(record)} {best[2]:,}."
    )


def _standing(record: StudyRecord) -> str:
    """The next best trials with their distance, and what is known about the lead being luck."""
    found = standing(record)
    if found is None:
        return f'<p class="note">{BY_CHOICE}</p>' if record.spec.get("preference") else ""
    rivals = "".join(
        f'<li><span class="num">#{rival.number}</span>{tables.value(rival.value)}'
        f'<b class="num">{_distance(rival.distance)}</b></li>'
        for rival in found.rivals
    )
    listed = f'<ol class="rivals">{rivals}</ol>' if rivals else ""
    sentences = " ".join(trust(found, facts.step_word(record)))
    return f'<h4>Next best</h4>{listed}<p class="note">{escaped(sentences)}</p>'


def _distance(distance: float) -> str:
    return f"{escaped(text.number(distance, digits=3))} behind" if distance else "equal"


def trust(found: Standing, word: str) -> list[str]:
    """What is known about the lead of the best trial being luck, in sentences.

    Args:
        found: How the best trial stands.
        word: What a step is.
    """
    sentences = []
    if not found.rivals:
        sentences.append("No other trial is complete.")
    if found.repeat_spread is not None:
        sentences.append(
            f"Its parameters were tried {len(found.repeats)} times: mean "
            f"{text.number(found.repeat_mean)}, standard deviation "
            f"{text.number(found.repeat_spread, digits=2)}."
        )
    else:
        sentences.append("Its parameters were tried once, so the spread over seeds is not known.")
    if found.step_change is not None:
        close = text.plural(found.n_close, "other trial") if found.n_close else "no other trial"
        verb = "is" if found.n_close == 1 or not found.n_close else "are"
        sentences.append(
            f"At its end its value moved by {text.number(found.step_change, digits=2)} per "
            f"{word}; {close} {verb} closer to it than that."
        )
    if found.n_after:
        sentences.append(f"{text.plural(found.n_after, 'later trial')} brought nothing better.")
    return sentences


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
    """What became of the study's own trials; those of other processes stand apart."""
    sentence = facts.added(record)
    added = f'<p class="note">{sentence}</p>' if sentence else ""
    record = facts.own(record)
    counts = facts.state_counts(record)
    open_count = max(0, (record.budget or 0) - len(record.trials))
    total = max(1, len(record.trials) + open_count)
    shown = [(facts.state_word(record, state), count) for state, count in counts.items()]
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
        f"{added}{_times(record)}{_reasons(record)}</section>"
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
