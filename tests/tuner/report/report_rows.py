"""Studies in a real database as plain SQL tells them, and the words of a page."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

import tuner
from tuner.report.data import StudyRecord
from tuner.storage import NewAttempt
from tuner.storage.storage import Storage


@dataclass
class Row:
    """A trial as SQL alone tells it."""

    number: int
    state: str
    started: datetime
    ended: datetime
    spans: list[tuple[datetime, datetime]] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    curve: dict[int, float] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    is_own: bool = False  # a lane has begun it

    @property
    def worked_s(self) -> float:
        """Seconds of its attempts."""
        return sum((end - start).total_seconds() for start, end in self.spans)

    @property
    def last(self) -> float | None:
        """The value that a pruned trial is known by."""
        finite = [step for step, value in self.curve.items() if math.isfinite(value)]
        return self.curve[max(finite)] if finite else None


def read(path: Path, study_id: int) -> list[Row]:
    """The trials of a study by plain SQL, in order of number."""
    with sqlite3.connect(path) as database:
        found = {
            key: Row(number, state, datetime.fromisoformat(start), datetime.fromisoformat(end))
            for key, number, state, start, end in database.execute(
                "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials "
                "WHERE study_id = ? ORDER BY number",
                (study_id,),
            )
        }
        of = f"trial_id IN ({','.join(map(str, found))})"
        for key, value in database.execute(
            f"SELECT trial_id, value FROM trial_values WHERE {of} ORDER BY objective"
        ):
            found[key].values.append(value)
        for key, name, value, text in database.execute(
            f"SELECT trial_id, param_name, param_value, distribution_json FROM trial_params "
            f"WHERE {of} ORDER BY param_id"
        ):
            stored = json.loads(text)
            choices = stored["attributes"].get("choices")
            plain = int(value) if stored["name"] == "IntDistribution" else value
            found[key].params[name] = plain if choices is None else choices[int(value)]
        for key, step, value, kind in database.execute(
            "SELECT trial_id, step, intermediate_value, intermediate_value_type "
            f"FROM trial_intermediate_values WHERE {of}"
        ):
            found[key].curve[step] = math.nan if kind == "NAN" else value
        for key, name, text in database.execute(
            f"SELECT trial_id, key, value_json FROM trial_user_attributes WHERE {of}"
        ):
            found[key].attributes[name] = json.loads(text)
        for key, start, end in database.execute(
            f"SELECT trial_id, started_at, ended_at FROM tuner_attempts WHERE {of} ORDER BY token"
        ):
            moments = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end))
            begun, over = (moment.astimezone().replace(tzinfo=None) for moment in moments)
            found[key].spans.append((begun, over))
    for row in found.values():
        row.is_own = bool(row.spans)
        row.spans = row.spans or [(row.started, row.ended)]
    database.close()
    return list(found.values())


def select(path: Path, query: str, *given: Any) -> list[tuple[Any, ...]]:
    """What the database answers."""
    with sqlite3.connect(path) as database:
        found = database.execute(query, given).fetchall()
    database.close()
    return found


def busy_s(rows: list[Row]) -> float:
    """Seconds from the first start to the last end, without gaps of more than a minute."""
    spans = sorted(span for row in rows for span in row.spans)
    total, reached = 0.0, spans[0][0]
    for start, end in spans:
        gap = (start - reached).total_seconds()
        total += gap if 0 < gap <= 60 else 0
        total += max(0.0, (end - max(start, reached)).total_seconds())
        reached = max(reached, end)
    return total


def figures(source: str) -> dict[str, Any]:
    """The figures in a page by the id of their element."""
    data = source.partition('id="figures">')[2].partition("</script>")[0]
    found: dict[str, Any] = json.loads(data)["figures"]
    return found


class Cells(HTMLParser):
    """The rows of the table of trials, each cell by its full value, and all words of the page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self._is_hidden = self._is_row = False
        self.feed(source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A row, a cell, or the full value that a shortened number carries."""
        known = dict(attrs)
        self._is_hidden = tag in ("script", "style")
        if tag == "tr":
            self._is_row = "-t" in (known.get("id") or "")
            self.rows += [[]] if self._is_row else []
        elif tag == "td" and self._is_row:
            self.rows[-1].append("")
        elif tag == "span" and self._is_row and known.get("title"):
            self.rows[-1][-1] = f"={known['title']}"

    def handle_endtag(self, tag: str) -> None:
        """Leaves a script or a row."""
        self._is_hidden = False
        self._is_row = self._is_row and tag != "tr"

    def handle_data(self, data: str) -> None:
        """Text of the page, and of a cell without a full value."""
        if self._is_hidden:
            return
        self.words.append(data)
        if self._is_row and self.rows and self.rows[-1] and "=" not in self.rows[-1][-1][:1]:
            self.rows[-1][-1] += data


def stored(
    database: tuple[Storage, Path],
    made: Sequence[FrozenTrial],
    directions: Sequence[str],
    add: Callable[[Storage, int], None] | None = None,
) -> tuple[StudyRecord, list[Row]]:
    """A study in the database, as the report has it and as SQL tells it.

    Args:
        database: Where.
        made: Its trials.
        directions: Of its objectives.
        add: Writes more of the study of that id.
    """
    storage, path = database
    study = optuna.create_study(storage=storage, directions=directions)
    for trial in made:
        study.add_trial(trial)
        _tried_twice(storage, study)
    if add is not None:
        add(storage, study._study_id)
    found = tuner.Study(storage, f"sqlite:///{path}", study.study_name).record()
    return found, read(path, study._study_id)


def _tried_twice(storage: Storage, study: optuna.Study) -> None:
    """The study's last trial was interrupted after a second and tried again for its last one."""
    trial = study.trials[-1]
    assert trial.datetime_start is not None
    assert trial.datetime_complete is not None
    second = timedelta(seconds=1)
    if trial.datetime_complete - trial.datetime_start < 2 * second:
        return
    spans = [
        (trial.datetime_start, trial.datetime_start + second, "interrupted"),
        (trial.datetime_complete - second, trial.datetime_complete, trial.state.name.lower()),
    ]
    for place, (begun, over, outcome) in enumerate(spans):
        new = NewAttempt(study._study_id, trial._trial_id, place, started_at=begun.astimezone(UTC))
        (token,) = storage.records.start_attempts([new])
        storage.records.end_attempts([(token, outcome, None, None)], over.astimezone(UTC))
