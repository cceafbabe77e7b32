"""What the report says about lanes: how full they were, where time went, what separated rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tuner.report import lane_data, lane_figures
from tuner.report.data import StudyRecord
from tuner.report.facts import UndrawableError
from tuner.stretch import Stretch

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def stretch(lane: int, start_s: float, rows: float, slots: float, **changes: object) -> Stretch:
    """Two seconds of a lane with so many rows and slots."""
    plain = Stretch(
        study_id=1,
        lane=lane,
        began_at=BEGAN + timedelta(seconds=start_s),
        seconds=2.0,
        n_turns=10,
        n_started=1,
        was_full=True,
        row_s=2.0 * rows,
        slot_s=2.0 * slots,
        row_epochs=int(10 * rows),
        late_epochs=10,
        trained_s=1.5,
        waited_s=0.2,
        sampled_s=0.1,
        decided_s=0.05,
        stored_s=0.15,
        stacks={"batch_size=16": int(10 * rows)},
        stack_turns={"batch_size=16": 10},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def study() -> StudyRecord:
    """Two lanes, the second later and half full."""
    kinds = {f"kind <b>{n}</b>": n + 1 for n in range(20)}
    other = {"stacks": kinds, "stack_turns": dict.fromkeys(kinds, 1)}
    return StudyRecord(
        name="s",
        objectives=(("loss", "minimize", ""),),
        stretches=(
            stretch(0, 0.0, 4, 4),
            stretch(0, 2.0, 2, 4),
            stretch(1, 3.0, 2, 4, **other),
        ),
    )


def test_rows_and_slots_over_time(study: StudyRecord) -> None:
    """Each lane has its own line on one clock, and its occupancy is told."""
    data = lane_data.fills(study)
    assert [fill.lane for fill in data.fills] == [0, 1]
    assert data.fills[0].seconds == (1.0, 3.0)
    assert data.fills[0].rows == (4.0, 2.0)
    assert data.fills[1].seconds == (4.0,)
    assert data.fills[1].slots == (4.0,)
    assert [note[:11] for note in data.notes] == ["Lane 0: 75%", "Lane 1: 50%"]


def test_a_pause_of_all_lanes_is_cut_out(study: StudyRecord) -> None:
    """A night between two runs takes no room on the axis, and the caption tells of it."""
    late = stretch(0, 36_005.0, 4, 4)
    data = lane_data.fills(replace(study, stretches=(*study.stretches, late)))
    assert data.fills[0].seconds == (1.0, 3.0, 6.0)
    assert data.notes[0] == "1 pause without a running trial cut out (10 h 00 min)."


def test_time_is_told_as_shares(study: StudyRecord) -> None:
    """Shares are of the time that the lane was there."""
    data = lane_data.time_use(study)
    assert data.lanes == (0, 1)
    assert data.shares["training"] == pytest.approx((0.75, 0.75))
    assert data.shares["storing"] == pytest.approx((0.075, 0.075))
    assert "38%" in data.notes[0]


def test_the_largest_kinds_of_stacks_are_drawn(study: StudyRecord) -> None:
    """Kinds come by their epochs, the rest is counted, and hostile names are inert."""
    data = lane_data.stacks(study)
    assert data.rows[0][0] == "batch_size=16"
    assert len(data.rows) == lane_data.N_STACKS
    assert "7 more kinds" in data.notes[0]
    assert "<b>" not in str(lane_figures.stacks(study).figure.data[0].y)


def test_figures_draw_what_the_data_say(study: StudyRecord) -> None:
    """Rows as drawn lines, slots dotted, a bar per lane and use of time."""
    drawn = lane_figures.fills(study).figure.data
    assert [tuple(trace.y) for trace in drawn] == [(4.0, 2.0), (4.0, 4.0), (2.0,), (4.0,)]
    bars = lane_figures.time_use(study).figure.data
    assert [bar.name for bar in bars] == list(lane_data.TIMES)


def test_without_lanes_there_is_nothing_to_draw(study: StudyRecord) -> None:
    """A study of plain Optuna says so instead of failing."""
    with pytest.raises(UndrawableError):
        lane_data.fills(replace(study, stretches=()))
