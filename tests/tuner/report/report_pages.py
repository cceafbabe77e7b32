"""Studies of sixty trials in the database, with the pages that tell of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from report_rows import Cells, Row, figures, select, stored

from tuner.launching import TEST
from tuner.report.data import StudyRecord
from tuner.report.html import document
from tuner.storage.storage import Storage
from tuner.stretch import Stretch

START = datetime(2026, 3, 2, 14, 5)
SPACE: dict[str, optuna.distributions.BaseDistribution] = {
    "rate": FloatDistribution(0.0, 1.0),
    "kind": CategoricalDistribution(["a", "b"]),
}
N_TRIALS = 60
PAUSE_AT = 30  # the trial before which nothing ran for an hour


@dataclass(frozen=True)
class Page:
    """A study as the report has it, as SQL tells it, and its page."""

    record: StudyRecord
    rows: list[Row]
    source: str
    stored_test: Mapping[str, float]

    @cached_property
    def text(self) -> str:
        """All words of it."""
        return Cells(self.source).text

    @cached_property
    def figures(self) -> dict[str, Any]:
        """Its figures, without the number of the study in their names."""
        return {key.removeprefix("s0-"): own for key, own in figures(self.source).items()}

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


def study(
    database: tuple[Storage, Path],
    n_objectives: int = 1,
    seed: int = 0,
    add: Callable[[Storage, int], None] | None = None,
) -> Page:
    """Sixty trials in two runs an hour apart, half of them tried twice."""
    rng = np.random.default_rng(seed)
    made = [trial(n, rng, n_objectives) for n in range(N_TRIALS)]
    directions = ["minimize", "maximize"][:n_objectives]
    record, rows = stored(database, made, directions, add)
    tests = select(
        database[1],
        "SELECT value_json FROM study_system_attributes JOIN studies USING (study_id) "
        "WHERE study_name = ? AND key = 'tuner:test'",
        record.name,
    )
    told = json.loads(tests[0][0])["figures"] if tests else {}
    return Page(record, rows, document([record]), told)


def launched(storage: Storage, study_id: int) -> None:
    """It is one of ours: a budget, figures on the test part, and lanes."""
    storage.records.put_spec(study_id, {"trials": 80}, {})
    figures = {"figures": {"test_loss": 0.123456, "test_accuracy": 0.87654}}
    storage.set_study_system_attr(study_id, TEST, figures)
    rng = np.random.default_rng(3)
    storage.records.add_activity(_stretch(study_id, place, rng) for place in range(20))


def _stretch(study_id: int, place: int, rng: np.random.Generator) -> Stretch:
    """Two seconds of one of two lanes; there are more kinds of stacks than are drawn."""
    part = (rng.dirichlet(np.ones(6)) * 2.0).tolist()
    kinds = {f"batch_size={1 + (place + k) % 18}": int(rng.integers(10, 90)) for k in range(3)}
    n_epochs = sum(kinds.values())
    return Stretch(
        study_id=study_id,
        lane=place % 2,
        began_at=START.astimezone(UTC) + timedelta(seconds=place),
        seconds=2.0,
        n_turns=9,
        n_started=int(place < 16),
        was_full=place >= 4,
        row_s=float(rng.uniform(2, 8)),
        slot_s=8.0,
        row_epochs=n_epochs,
        late_epochs=n_epochs // 7,
        trained_s=part[0],
        waited_s=part[1],
        sampled_s=part[2],
        decided_s=part[3],
        stored_s=part[4],
        stacks=kinds,
        stack_turns=dict.fromkeys(kinds, 10),
    )
