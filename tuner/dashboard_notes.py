"""Hides how a study tells itself in the Optuna dashboard: a note, notes of trials, our figures."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tuner.errors import StorageError, TunerError
from tuner.report import Plots, facts
from tuner.report.data import StudyRecord, TrialRecord
from tuner.report.overview import BY_CHOICE, trust
from tuner.report.standing import standing
from tuner.report.text import number, plural, visible
from tuner.study import Study

if TYPE_CHECKING:
    from tuner.storage import Storage

STATE = "tuner:dashboard"
"""Study attribute: ended trials at the last writing, and versions of the notes that were ours."""

FIGURES = ("importance", "contours", "space")
FIGURE_HEIGHT = 440  # the dashboard cuts off what is below
FIGURE_LETTERS = 64  # and what is further right; a line of a caption, beside the tools
FIGURE_TOOLS = {  # of the dashboard stand over the first lines otherwise
    "orientation": "v",
    "bgcolor": "rgba(0, 0, 0, 0)",
    "remove": ["lasso2d", "select2d"],
}
MOST_TRIALS = 20

EVERY_S = 60.0
"""Seconds between two looks for studies that have ended meanwhile."""

_log = logging.getLogger(__name__)


def tell_each(storage: Storage, url: str) -> Iterator[tuple[str, bool]]:
    """Tells study after study in the dashboard's own format: its name, and whether it was told.

    Left alone: studies that somebody runs or that plain Optuna made, and those told before that
    got no trial since. A note that a person has edited stays as it is. A study that is deleted
    meanwhile or cannot be written now is passed over, with a warning.

    Args:
        storage: An open database.
        url: Its URL, for the commands in the notes.

    Raises:
        StorageError: The database does not answer.
    """
    for name in [study.study_name for study in storage.get_all_studies()]:
        try:
            is_told = _tell(storage, Study(storage, url, name))
        except (TunerError, KeyError, ValueError) as error:
            _log.warning("study %r gets no note now: %s", name, error)
            is_told = False
        yield name, is_told


@contextmanager
def telling(storage: Storage, url: str) -> Iterator[threading.Event]:
    """Studies are told as by `tell_each` while the block runs, those that end meanwhile too.

    Figures of many studies take long; whoever looks at the dashboard need not wait for them. The
    end of the block waits for the study in work.

    Yields:
        Is set once every study had its turn.
    """
    is_over, is_first_done = threading.Event(), threading.Event()
    events = (is_over, is_first_done)
    thread = threading.Thread(target=_tell_until, args=(*events, storage, url), name="notes")
    thread.start()
    try:
        yield is_first_done
    finally:
        is_over.set()
        thread.join()


def _tell_until(
    is_over: threading.Event, is_first_done: threading.Event, storage: Storage, url: str
) -> None:
    """Tells all studies again and again, until it is over."""
    while not is_over.is_set():
        try:
            for _ in tell_each(storage, url):
                if is_over.is_set():
                    return
        except StorageError as error:
            _log.warning("studies get no notes now: %s", error)
        is_first_done.set()
        is_over.wait(EVERY_S)


def _tell(storage: Storage, study: Study) -> bool:
    from optuna_dashboard import save_plotly_graph_object

    study_id = storage.get_study_id_from_name(study.name)
    n_ended = sum(study.counts[state] for state in ("COMPLETE", "PRUNED", "FAIL"))
    told = storage.get_study_system_attrs(study_id).get(STATE, {})
    is_open = study.is_ours and study.state != "running"
    if not is_open or not n_ended or told.get("n_ended") == n_ended:
        return False
    record = study.record()
    ids = {trial.number: trial._trial_id for trial in study.trials}
    notes: dict[int | None, str] = {None: study_note(record)}
    notes |= {ids[n]: text for n, text in trial_notes(record).items() if n in ids}
    plots = Plots(lambda: record, FIGURE_LETTERS)
    drawn = {name: getattr(plots, name)() for name in FIGURES}  # before the unit begins
    with storage.unit():
        ours = _write_notes(storage, study_id, notes, told.get("notes", {}))
        for name, figure in drawn.items():
            figure.update_layout(height=FIGURE_HEIGHT, modebar=FIGURE_TOOLS)
            save_plotly_graph_object(study.optuna, figure, graph_object_id=f"tuner-{name}")
        storage.set_study_system_attr(study_id, STATE, {"n_ended": n_ended, "notes": ours})
    return True


def forget(storage: Storage, study_id: int) -> None:
    """The study is told anew at the next opportunity: its commands have changed."""
    told = storage.get_study_system_attrs(study_id).get(STATE)
    if told is not None:
        storage.set_study_system_attr(study_id, STATE, {**told, "n_ended": None})


def _write_notes(
    storage: Storage, study_id: int, notes: Mapping[int | None, str], ours: Mapping[str, int]
) -> dict[str, int]:
    """Writes the notes that nobody else has edited; returns the versions that are now ours.

    The dashboard keeps notes of trials with the study, so that ended trials can have them; its
    public function takes a live trial alone, hence the private one, here only.
    """
    from optuna_dashboard._note import note_ver_key, save_note_with_version

    known = dict(ours)
    for trial_id, body in notes.items():
        version = storage.get_study_system_attrs(study_id).get(note_ver_key(trial_id), 0)
        key = "study" if trial_id is None else str(trial_id)
        if version == ours.get(key, 0):
            save_note_with_version(storage, study_id, trial_id, version + 1, body)
            known[key] = version + 1
    return known


def study_note(record: StudyRecord) -> str:
    """What the study is, what came out, and what to do with it, as Markdown."""
    about = facts.subject(record)
    own, added = facts.own(record), facts.added(record)
    counts = facts.state_counts(own)
    lines = [f"# {_plain(record.name)}", ""]
    lines += [f"{_plain(about)}, {record.state}.", ""] if about else []
    lines += [
        f"{plural(len(own.trials), 'trial')}: {counts['COMPLETE']:,} complete, "
        f"{counts['PRUNED']:,} pruned, {counts['FAIL']:,} failed.",
        "",
        *([added, ""] if added else []),
        *_best_lines(record),
    ]
    for title, found in (
        ("Failures", facts.failure_counts(record)),
        ("Findings", [(kind, len(which)) for kind, which in facts.finding_counts(record)]),
    ):
        if found:
            lines += [f"## {title}", "", *(f"- {_plain(kind)}: {n:,}" for kind, n in found), ""]
    lines += ["## Commands", "", "```sh", *(_fenced(line) for line in record.commands), "```"]
    return "\n".join(lines)


def _best_lines(record: StudyRecord) -> Iterator[str]:
    best, found = record.best_trial, standing(record)
    value = None if best is None else facts.final_value(best)
    if best is not None and value is not None and found is not None:
        name, direction, _ = record.objectives[0]
        yield f"Best: trial {best.number}, {_plain(name)} **{number(value)}** ({direction})."
        yield ""
        yield " ".join(trust(found, facts.step_word(record)))
        yield ""
    elif best is not None and record.spec.get("preference"):
        yield f"Best: trial {best.number}. {BY_CHOICE}"
        yield ""


def trial_notes(record: StudyRecord) -> dict[int, str]:
    """Notes of the trials that have something to tell, by number; at most 20, the best first.

    They are the best trial or front, those with findings, and those that failed.
    """
    first = [] if record.best is None else [record.best]
    telling = [t.number for t in facts.by_number(record) if t.findings or t.state == "FAIL"]
    numbers = list(dict.fromkeys([*first, *record.front, *telling]))[:MOST_TRIALS]
    by_number = {trial.number: trial for trial in record.trials}
    return {n: _trial_note(record, by_number[n]) for n in numbers}


def _trial_note(record: StudyRecord, trial: TrialRecord) -> str:
    lines = []
    if trial.number == record.best:
        lines += ["The best trial of the study.", ""]
    if trial.number in record.front:
        lines += ["On the Pareto front.", ""]
    if trial.reason:
        lines += [f"Ended early: {_plain(trial.reason)}", ""]
    for finding in trial.findings:
        when = "" if finding.epoch is None else f" at {facts.step_word(record)} {finding.epoch}"
        lines += [f"- **{_plain(finding.kind)}**{when}: {_plain(finding.text)}"]
    length_s = facts.duration_s(trial)
    if length_s is not None and math.isfinite(length_s):
        lines += ["", f"It took {length_s:.1f} s in {plural(trial.n_attempts, 'attempt')}."]
    return "\n".join(lines).strip()


def _plain(text: Any) -> str:
    """`text` on one line, inert in Markdown and in the HTML that it may hold."""
    line = " ".join(visible(text).split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>#|~" else letter for letter in line)


def _fenced(line: str) -> str:
    """A command inside a fence that it cannot end."""
    return " ".join(visible(line).split()).replace("```", "` ` `")
