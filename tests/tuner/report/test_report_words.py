"""The numbers in the page's sentences, tiles and small tables, against SQL and plain loops."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from report_rows import Cells, Row, busy_s, stored

from tuner.report.data import StudyRecord
from tuner.report.html import document
from tuner.report.text import duration, number
from tuner.storage.storage import Storage

START = datetime(2026, 3, 2, 14, 5)
SPACE: dict[str, optuna.distributions.BaseDistribution] = {
    "rate": FloatDistribution(0.0, 1.0),
    "kind": CategoricalDistribution(["a", "b"]),
}
N_TRIALS = 60
PAUSE_AT = 30  # the trial before which nothing ran for an hour


@dataclass(frozen=True)
class Page:
    """A study as the report has it, as SQL tells it, and the words of its page."""

    record: StudyRecord
    rows: list[Row]
    text: str

    def of(self, state: str) -> list[Row]:
        """The trials in that state."""
        return [row for row in self.rows if row.state == state]


def trial(number: int, rng: np.random.Generator, n_objectives: int) -> FrozenTrial:
    """High rates fail, some trials are pruned, every tenth repeats the parameters of the first."""
    rate, kind = (0.0, "a") if number % 10 == 0 else (float(rng.random()), "ab"[rng.integers(2)])
    state = TrialState.COMPLETE
    if rate > 0.7:
        state = TrialState.FAIL
    elif number % 3 == 1:
        state = TrialState.PRUNED
    n_steps = int(rng.choice([1, 3])) if state is TrialState.PRUNED else 4
    curve = {step: rate + 1 / step + 0.01 * float(rng.random()) for step in range(1, n_steps + 1)}
    values = [curve[n_steps], *(float(rng.random()) for _ in range(n_objectives - 1))]
    attributes: dict[str, Any] = {}
    if state is TrialState.FAIL:
        attributes["reason"] = ["non-finite: at step 2", "oom"][number % 2]
    if kind == "b":
        attributes["findings"] = [{"epoch": 1 + number % 4, "kind": "slow start", "text": "late"}]
    made = optuna.trial.create_trial(
        state=state,
        values=values if state is TrialState.COMPLETE else None,
        params={"rate": rate, "kind": kind},
        distributions=SPACE,
        intermediate_values=curve if n_objectives == 1 else {},
        user_attrs=attributes,
    )
    late_s = 3600 if number >= PAUSE_AT else 0
    made.datetime_start = START + timedelta(seconds=late_s + 2 * number)
    made.datetime_complete = made.datetime_start + timedelta(seconds=float(rng.integers(1, 9)))
    return made


def study(database: tuple[Storage, Path], n_objectives: int = 1, seed: int = 0) -> Page:
    """Sixty trials in two runs an hour apart, half of them tried twice."""
    rng = np.random.default_rng(seed)
    made = [trial(n, rng, n_objectives) for n in range(N_TRIALS)]
    directions = ["minimize", "maximize"][:n_objectives]
    record, rows = stored(database, made, directions)
    return Page(record, rows, Cells(document([record])).text)


@pytest.fixture(scope="module")
def page(database: tuple[Storage, Path]) -> Page:
    """A study of one objective."""
    return study(database)


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


def test_compared_studies_are_told_as_stored(database: tuple[Storage, Path], page: Page) -> None:
    """A row each: the best value, trials by state, time of work; then the best parameters."""
    other = study(database, seed=5)
    text = Cells(document([page.record, other.record])).text
    shown = []
    for one in (page, other):
        best = min(one.of("COMPLETE"), key=lambda row: (row.values[0], row.number))
        counts = " ".join(str(len(one.of(s))) for s in ("COMPLETE", "PRUNED", "FAIL"))
        row = f"{one.record.name} {one.record.state} {number(best.values[0])}"
        assert f"{row} \N{EN DASH} {counts} {duration(busy_s(one.rows))} " in text
        shown.append(number(best.params["rate"]))
    assert f" rate {' '.join(shown)} " in text
