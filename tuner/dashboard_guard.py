"""Hides what the Optuna dashboard would break in a study of ours, and what it would not answer.

The dashboard renames a study by copying it and deleting the first one, so that spec, attempts,
metrics and weights would be lost; it stores any values that it is told, and takes a trial that is
judged too early for complete; its tables may hold formulas; it answers with an error of its own to
much that is not there or ill-formed, and with nothing to choices, which its page takes for failure.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from optuna.exceptions import DuplicatedStudyError
from optuna.trial import TrialState

from tuner.algorithms.choices import is_preferential
from tuner.dashboard_notes import forget
from tuner.dashboard_requests import read_request
from tuner.errors import InputError
from tuner.launching import describe_owner, living_owner
from tuner.report.text import inert_cell
from tuner.wording import shown

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from optuna.trial import FrozenTrial

    from tuner.storage import Storage

_OF_STUDY = re.compile(r"/(?:csv|(?:api/)?(?:studies|artifacts))/(-?\d+)(?:/(-?\d+))?(?:/.*)?")
_OF_TRIAL = re.compile(r"/api/trials/(-?\d+)(?:/.*)?")
_OF_CHOICES = re.compile(r"/api/studies/\d+/(?:preference(?:/.*)?|\d+/skip/?)")
_MOST_DIGITS = 18  # drivers of databases raise for keys beyond 64 bits
_TABLES = "/csv/"
_STATUS = {
    201: "201 Created",
    400: "400 Bad Request",
    404: "404 Not Found",
    409: "409 Conflict",
}

Reply = tuple[int, dict[str, Any]]
Handler = Callable[["Storage", int, dict[str, Any]], Reply | None]


def guarded(application: WSGIApplication, storage: Storage) -> WSGIApplication:
    """`application`, whose renaming and telling do no harm to studies of ours.

    Studies and trials that are not there are not found, whatever is asked of them, and no table
    holds a formula.

    Args:
        application: The dashboard.
        storage: Its database.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            reply = _reply(storage, environ)
        except KeyError as error:
            reply = 404, {"reason": f"{error.args[0]} is not found"}
        except InputError as error:
            reply = 400, {"reason": str(error)}
        if reply is not None:
            status, content = reply
            start_response(_STATUS[status], [("Content-Type", "application/json")])
            return [json.dumps(content).encode()]
        if environ.get("PATH_INFO", "").startswith(_TABLES):
            return _inert_table(application, environ, start_response)
        if _OF_CHOICES.fullmatch(environ.get("PATH_INFO", "")):
            return _with_content(application, environ, start_response)
        return application(environ, start_response)

    return serve


def _reply(storage: Storage, environ: WSGIEnvironment) -> Reply | None:
    """What is answered in the place of the dashboard, or None where it may.

    Raises:
        KeyError: There is no such study or trial.
        InputError: The request is none that the dashboard understands.
    """
    path = environ.get("PATH_INFO", "")
    _check_keys(storage, path)
    asked = read_request(environ)
    if environ.get("REQUEST_METHOD") != "POST":
        return None
    for pattern, handler in _HANDLERS.items():
        found = pattern.fullmatch(path)
        if found is not None:
            return handler(storage, int(found[1]), asked)
    return None


def _check_keys(storage: Storage, path: str) -> None:
    """The studies and trials that a path names are there.

    Raises:
        KeyError: One is not.
    """
    of_study, of_trial = _OF_STUDY.fullmatch(path), _OF_TRIAL.fullmatch(path)
    study, trial = of_study.groups() if of_study else (None, of_trial and of_trial[1])
    if study is not None:
        storage.get_study_name_from_id(_key("study", study))
    if trial is not None:
        storage.get_trial(_key("trial", trial))


def _key(kind: str, digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise KeyError(f"the {kind} of this key")
    return int(digits)


def _inert_table(
    application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """The CSV file of the application without cells that a spreadsheet would take for formulas."""

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        kept = [pair for pair in headers if pair[0].lower() != "content-length"]
        return start_response(status, kept, *rest)

    text = b"".join(application(environ, start)).decode()
    table = io.StringIO()
    rows = csv.reader(io.StringIO(text, newline=""))
    csv.writer(table).writerows([[_inert_cell(cell) for cell in row] for row in rows])
    return [table.getvalue().encode()]


def _with_content(
    application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """The application's answer, an empty object where it has none.

    Its page reads every answer as JSON, and tells the person that a choice failed which did not.
    """
    empty = [("Content-Type", "application/json"), ("Content-Length", "2")]

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        is_empty = status.startswith("204")
        return start_response(*(("200 OK", empty) if is_empty else (status, headers)), *rest)

    return [b"".join(application(environ, start)) or b"{}"]


def _inert_cell(cell: str) -> str:
    """The cell, a number as it is."""
    try:
        float(cell)
    except ValueError:
        return inert_cell(cell)
    return cell


def _rename(storage: Storage, study_id: int, asked: dict[str, Any]) -> Reply:
    """Gives a study that nobody runs another name, in place."""
    name = asked.get("study_name")
    if name is None:
        return 400, {"reason": "A study needs a printable name."}
    try:
        owner = living_owner(storage, study_id)
        if owner is not None:
            runs = f"{describe_owner(owner)} runs the study; stop it first."
            return 409, {"reason": runs}
        storage.records.rename(study_id, name)
        forget(storage, study_id)
    except DuplicatedStudyError:
        return 400, {"reason": "Study name already exists."}
    attributes = storage.get_study_user_attrs(study_id)
    return 201, {
        "study_id": study_id,
        "study_name": name,
        "directions": [each.name.lower() for each in storage.get_study_directions(study_id)],
        "user_attrs": [{"key": key, "value": str(value)} for key, value in attributes.items()],
        "is_preferential": is_preferential(storage.get_study_system_attrs(study_id)),
    }


def _refuse_telling(storage: Storage, trial_id: int, asked: dict[str, Any]) -> Reply | None:
    """Why a trial cannot be told what is asked, or None where the dashboard may."""
    trial = storage.get_trial(trial_id)
    n_objectives = storage.records.n_objectives(trial_id)
    if trial.state.is_finished():
        return _has_ended(trial)
    values = asked.get("values")
    if str(asked.get("state")).upper() != "COMPLETE" or values is None:
        return None
    if _is_result(values, n_objectives):
        return None
    wanted = "one finite number" if n_objectives == 1 else f"{n_objectives} finite numbers"
    return 400, {"reason": f"Trial {trial.number} takes {wanted} for its values."}


def _refuse_attributes(storage: Storage, trial_id: int, _: dict[str, Any]) -> Reply | None:
    """Why a trial cannot get attributes, or None where the dashboard may give them."""
    trial = storage.get_trial(trial_id)
    return _has_ended(trial) if trial.state.is_finished() else None


def _refuse_judging(storage: Storage, study_id: int, asked: dict[str, Any]) -> Reply | None:
    """Why trials cannot be compared, or None where the dashboard may note it.

    It would take a trial that trains for complete with the value 0, in studies of any kind.
    """
    if not is_preferential(storage.get_study_system_attrs(study_id)):
        return 400, {"reason": "In this study no person judges."}
    trials = {trial.number: trial for trial in storage.get_all_trials(study_id, deepcopy=False)}
    given = asked.get("candidates")
    for number in [*(given if isinstance(given, list) else []), asked.get("clicked", -1)]:
        trial = trials.get(number) if isinstance(number, int) else None
        if trial is None:
            return 404, {"reason": f"trial {shown(number)} is not found"}
        if trial.state != TrialState.COMPLETE:
            return 409, {"reason": f"Trial {number} is not trained ({trial.state.name})."}
    return None


def _has_ended(trial: FrozenTrial) -> Reply:
    return 409, {"reason": f"Trial {trial.number} has ended already ({trial.state.name})."}


def _is_result(values: Any, n_objectives: int) -> bool:
    if not isinstance(values, list) or len(values) != n_objectives:
        return False
    try:
        return all(math.isfinite(float(value)) for value in values)
    except (TypeError, ValueError, OverflowError):
        return False


_HANDLERS: dict[re.Pattern[str], Handler] = {
    re.compile(r"/api/studies/(\d+)/rename/?"): _rename,
    re.compile(r"/api/studies/(\d+)/preference/?"): _refuse_judging,
    re.compile(r"/api/trials/(\d+)/tell/?"): _refuse_telling,
    re.compile(r"/api/trials/(\d+)/user-attrs/?"): _refuse_attributes,
}
