"""What the page of one of our studies tells of budget, test part, lanes and limits, against SQL."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from report_pages import Page
from report_rows import Cells, busy_s, figures, select

from tuner.report import lane_data, pair_data, parameter_data, progress_data, tables
from tuner.report.html import document
from tuner.report.text import duration, number
from tuner.storage.storage import Storage

LIMITS = (
    (progress_data, "N_POINTS", 4),
    (progress_data, "N_BARS", 9),
    (parameter_data, "N_LINES", 8),
    (parameter_data, "N_SLICE_POINTS", 12),
    (pair_data, "N_POINTS", 16),
    (tables, "N_ROWS", 10),
    (tables, "N_FAILURES", 3),
    (lane_data, "N_POINTS", 6),
)


def test_the_budget_is_told_as_stored(database: tuple[Storage, Path], ours: Page) -> None:
    """Own trials by state against the budget, what is not begun, and what others added."""
    ((spec, name),) = select(
        database[1],
        "SELECT spec_json, study_name FROM tuner_studies WHERE study_name = ?",
        ours.record.name,
    )
    budget, words = json.loads(spec)["trials"], {"COMPLETE": "complete", "PRUNED": "pruned"}
    own = [row for row in ours.rows if row.is_own]
    foreign = Counter(row.state for row in ours.rows if not row.is_own)
    states = Counter(row.state for row in own)
    assert set(foreign) == set(states) == {"COMPLETE", "PRUNED", "FAIL"}
    counted = " ".join(f"{word} {states[state]}" for state, word in words.items())
    assert (
        f"Trials {len(own)} of {budget} {counted} failed {states['FAIL']} "
        f"not started {budget - len(own)} Other processes added {foreign['COMPLETE']} complete, "
        f"{foreign['PRUNED']} pruned, {foreign['FAIL']} failed. duration {duration(busy_s(own))} "
        f"trials/s {number(len(own) / busy_s(own), digits=3)} retries {len(own)} " in ours.text
    )
    reasons = Counter(row.attributes["reason"].split(":")[0] for row in own if row.state == "FAIL")
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    listed = " ".join(f"{reason} {n}" for reason, n in ordered)
    stops = Counter(max(row.curve) for row in own if row.state == "PRUNED")
    at = " ".join(f"pruned at step {step} {n}" for step, n in sorted(stops.items()))
    assert f"Why trials ended early {listed} {at} " in ours.text
    assert name == ours.record.name


def test_figures_on_the_test_part_are_told_as_stored(ours: Page) -> None:
    """They stand beside the best value, as the database has them."""
    shown = {name: number(value) for name, value in ours.stored_test.items()}
    assert len(shown) == 2
    beside = " ".join(f"{name.removeprefix('test_')} test {n}" for name, n in shown.items())
    best = min(ours.of("COMPLETE"), key=lambda row: (row.values[0], row.number))
    assert f"value {number(best.values[0])} {beside} Next best" in ours.text


def test_lanes_are_told_as_stored(database: tuple[Storage, Path], ours: Page) -> None:
    """How full each lane was, where its time went, epochs in vain, and the kinds of stacks."""
    rows = select(
        database[1],
        "SELECT lane, n_started, was_full, row_s, slot_s, seconds, row_epochs, late_epochs, "
        "trained_s, waited_s, decided_s, sampled_s, stored_s, stacks_json FROM tuner_activity "
        "JOIN studies USING (study_id) WHERE study_name = ? ORDER BY began_at",
        ours.record.name,
    )
    bars = ours.figures["lanes-1-plot"]["data"]
    for lane in (0, 1):
        own = [row for row in rows if row[0] == lane]
        last = max(place for place, row in enumerate(own) if row[1])
        full = [row for row in own[: last + 1] if row[2]]
        assert 0 < len(full) < last + 1 < len(own)
        share = sum(row[3] for row in full) / sum(row[4] for row in full)
        assert f"Lane {lane}: {share:.0%} of its slots held a row" in ours.text
        for column, bar in enumerate(bars, start=8):
            spent = sum(row[column] for row in own) / sum(row[5] for row in own)
            assert bar["x"][lane] == pytest.approx(spent)
    assert [bar["name"] for bar in bars] == ["training", "waiting", *lane_data.TIMES[2:]]
    late = sum(row[7] for row in rows) / sum(row[6] for row in rows)
    assert f"an epoch late for {late:.0%} of all epochs" in ours.text
    _check_stacks([json.loads(row[13]) for row in rows], ours)


def _check_stacks(told: list[list[dict[str, int]]], ours: Page) -> None:
    epochs, turns = Counter[str](), Counter[str]()
    for own, own_turns in told:
        epochs.update(own)
        turns.update(own_turns)
    ordered = sorted(epochs.values(), reverse=True)
    n_drawn = lane_data.N_STACKS
    (bar,) = ours.figures["lanes-2-plot"]["data"]
    assert bar["x"] == pytest.approx([n / epochs.total() for n in ordered[:n_drawn]])
    assert bar["text"] == [f"{epochs[kind] / turns[kind]:.1f} rows" for kind in bar["y"]]
    rest = sum(ordered[n_drawn:]) / epochs.total()
    note = f"{len(ordered) - n_drawn} more kinds hold {rest:.0%} of the epochs."
    assert len(ordered) > n_drawn
    assert note in ours.text


def test_what_is_left_out_is_told_as_stored(ours: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a limit thins a figure or a table, it tells how many of the stored trials it shows."""
    for module, name, limit in LIMITS:
        monkeypatch.setattr(module, name, limit)
    source = document([ours.record])
    text, drawn = Cells(source).text, figures(source)
    valued = sum(bool(r.values) or (r.state == "PRUNED" and r.last is not None) for r in ours.rows)
    for key, told in (
        ("history-0-plot", f"12 of {len(ours.rows)} trials are drawn, spread evenly."),
        ("timeline-plot", f"9 of {sum(len(r.spans) for r in ours.rows)} bars are drawn, spread"),
        ("parallel-plot", f"8 of {valued} trials are drawn: the 4 best and others"),
        ("slice-0-plot", f"12 of {valued} trials are drawn: the 3 best and others"),
        ("ranks-plot", f"16 of {valued} trials are looked at: the 4 best and others"),
        ("", f"10 of {len(ours.rows)} trials are listed: the 5 best and others"),
        ("", f"The latest 3 of {len(ours.of('FAIL'))} failed trials are listed."),
        ("", "6 points of each line are drawn, spread evenly."),
    ):
        assert told in text
        assert told not in ours.text
        if key:
            _check_marks(drawn[f"s0-{key}"], int(told.split()[0]))
    assert len(Cells(source).rows) == 10
    lines = drawn["s0-lanes-0-plot"]["data"]
    assert {len(line["x"]) for line in lines} == {6}


def _check_marks(figure: dict[str, Any], n: int) -> None:
    """It shows so many trials, or bars, of which a trial may have two."""
    marks = [item for trace in figure["data"] for item in trace.get("customdata", [])]
    numbers = {item[0] if isinstance(item, list) else item for item in marks}
    assert n / 2 < len(numbers) <= n
