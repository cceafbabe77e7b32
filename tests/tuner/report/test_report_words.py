"""The numbers in the page's sentences, tiles and small tables, against SQL and plain loops."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import optuna
from report_pages import N_TRIALS, PAUSE_AT, SPACE, START, Page, study
from report_rows import Cells, Row, busy_s

from tuner.report.html import document
from tuner.report.text import DASH, duration, number
from tuner.storage.storage import Storage


def test_importance_is_told_as_stored(page: Page) -> None:
    """Percentages are Optuna's of the stored trials: complete by value, pruned by how far."""
    ranked = sorted(page.of("COMPLETE"), key=lambda row: (row.values[0], row.number))
    pruned = [(-max(row.curve), row.last, row.number, row) for row in page.of("PRUNED")]
    ranked += [row for *_, row in sorted(pruned, key=lambda item: item[:3])]
    plain = optuna.create_study()
    for rank, row in enumerate(ranked):
        kept = {name: row.params[name] for name in SPACE}
        made = optuna.trial.create_trial(value=float(rank), params=kept, distributions=SPACE)
        plain.add_trial(made)
    n_best = max(5, math.ceil(len(ranked) / 10))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(
        target_quantile=max(0.1, 5 / len(ranked))
    )
    shares = optuna.importance.get_param_importances(plain, evaluator=evaluator)
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    percents = [f"{name}  {_percent(share)}" for name, share in ordered]
    assert page.figures["importance-plot"]["layout"]["yaxis"]["ticktext"] == percents
    assert f"among the best {n_best} of {len(ranked)}, pruned ones ranked" in page.text


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"


def test_the_lead_is_told_as_stored(page: Page) -> None:
    """The next best with their distances, the repeats, the last steps, and what came later."""
    ordered = sorted(page.of("COMPLETE"), key=lambda row: (row.values[0], row.number))
    best = ordered[0]
    lead = [
        f"#{row.number} {number(row.values[0])} "
        f"{number(row.values[0] - best.values[0], digits=3)} behind"
        for row in ordered[1:4]
    ]
    assert f"Next best {' '.join(lead)} " in page.text
    same = [row.values[0] for row in ordered if row.params == best.params]
    assert len(same) > 2
    assert (
        f"tried {len(same)} times: mean {number(statistics.mean(same))}, standard deviation "
        f"{number(statistics.stdev(same), digits=2)}." in page.text
    )
    curve = [best.curve[step] for step in sorted(best.curve)]
    change = statistics.median(abs(b - a) for a, b in pairwise(curve))
    close = sum(row.values[0] - best.values[0] <= change for row in ordered[1:])
    assert (
        f"moved by {number(change, digits=2)} per step; {close} other trials are closer"
        in page.text
    )
    assert f"{N_TRIALS - 1 - best.number} later trials brought nothing better." in page.text


def test_the_best_trial_is_told_as_stored(page: Page) -> None:
    """Its number, how long it was worked on, its value, and its parameters."""
    best = min(page.of("COMPLETE"), key=lambda row: (row.values[0], row.number))
    head = f"Best trial #{best.number} · {duration(best.worked_s)} value {number(best.values[0])} "
    assert head in page.text
    assert f"Parameters rate {number(best.params['rate'])} kind {best.params['kind']} " in page.text


def test_time_is_told_as_stored(page: Page) -> None:
    """The tiles hold time of work, pace and retries; the pause is told, not counted."""
    total_s = busy_s(page.rows)
    whole_s = (max(r.ended for r in page.rows) - min(r.started for r in page.rows)).total_seconds()
    retries = sum(len(row.spans) - 1 for row in page.rows)
    assert retries > 20
    pace = number(N_TRIALS / total_s, digits=3)
    assert f"duration {duration(total_s)} trials/s {pace} retries {retries} " in page.text
    end = max(row.ended for row in page.rows)
    assert (
        f"{START:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}, pauses of "
        f"{duration(whole_s - total_s)} not counted" in page.text
    )


def test_kinds_are_told_as_stored(page: Page) -> None:
    """Failures and findings with their trials, their epochs, and where they are frequent."""
    failed = page.of("FAIL")
    kinds = Counter(row.attributes["reason"].split(":")[0] for row in failed)
    for kind, count in kinds.items():
        listed = ", ".join(
            str(r.number) for r in failed if r.attributes["reason"].split(":")[0] == kind
        )
        assert f"{kind} {count} " in page.text
        assert f" {listed} " in page.text
    for row in failed:
        assert f"trial {row.number} {row.attributes['reason']}" in page.text
    found = [row for row in page.rows if "findings" in row.attributes]
    epochs = [row.attributes["findings"][0]["epoch"] for row in found]
    assert f"slow start from step {min(epochs)} to {max(epochs)} {len(found)} " in page.text
    n_b = sum(row.params["kind"] == "b" for row in page.rows)
    cause = f"kind = b: {len(found)} of {n_b}, elsewhere 0 of {N_TRIALS - n_b}"
    assert cause in page.text


def test_captions_tell_what_is_stored(page: Page) -> None:
    """What came to a rung and stopped there, what a distribution is made of, what was cut out."""
    pruned = Counter(max(row.curve) for row in page.of("PRUNED"))
    rungs = ", ".join(
        f"{n} of {sum(max(row.curve) >= step for row in page.rows)} at step {step}"
        for step, n in sorted(pruned.items())
    )
    assert f"Stopped at the dotted rungs: {rungs}." in page.text
    n_complete = len(page.of("COMPLETE"))
    assert f"The share of {n_complete} complete trials whose result" in page.text
    n_best = max(5, math.ceil((n_complete + sum(pruned.values())) / 10))
    assert f"stars the {n_best} best trials." in page.text
    lost = duration((page.rows[PAUSE_AT].started - max_end(page.rows[:PAUSE_AT])).total_seconds())
    assert f"1 pause without a running trial cut out ({lost})." in page.text


def max_end(rows: list[Row]) -> datetime:
    """When the last of them ended."""
    return max(row.ended for row in rows)


def test_several_objectives_are_told_as_stored(database: tuple[Storage, Path]) -> None:
    """The front's table holds its trials with both values, the corner is the worst of each."""
    page = study(database, 2)
    points = {row.number: row.values for row in page.of("COMPLETE")}
    front = [
        (own, n)
        for n, own in points.items()
        if not any(a <= own[0] and b >= own[1] and [a, b] != own for a, b in points.values())
    ]
    listed = " ".join(f"{n} {number(own[0])} {number(own[1])}" for own, n in sorted(front))
    assert f"Pareto front {len(front)} trial" in page.text
    assert f"value 1 , maximize {listed} " in page.text
    worst = max(own[0] for own in points.values()), min(own[1] for own in points.values())
    assert f"(value {number(worst[0])}, value 1 {number(worst[1])})" in page.text


def test_compared_studies_are_told_as_stored(page: Page, ours: Page) -> None:
    """A row each: best value, test figures, trials by state, time; then the best parameters.

    Trials that others added to a study of ours stand apart, and their time is not its own.
    """
    text = Cells(document([page.record, ours.record])).text
    shown = []
    for one in (page, ours):
        best = min(one.of("COMPLETE"), key=lambda row: (row.values[0], row.number))
        own = one.rows if one is page else [row for row in one.rows if row.is_own]
        states = Counter(row.state for row in own)
        counted = [states["COMPLETE"], states["PRUNED"], states["FAIL"]]
        counts = " ".join(map(str, [*counted, len(one.rows) - len(own)]))
        figures = one.stored_test.items()
        tests = " · ".join(f"{name} {number(n)}" for name, n in figures) or DASH
        row = f"{one.record.name} {one.record.state} {number(best.values[0])}"
        assert f"{row} {tests} {counts} {duration(busy_s(own))} " in text
        shown.append(number(best.params["rate"]))
    assert f" rate {' '.join(shown)} " in text
