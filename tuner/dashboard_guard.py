"""Hides what the Optuna dashboard would break in a study of ours: its renaming and its telling.

The dashboard renames a study by copying it and deleting the first one, so that spec, attempts,
metrics and weights would be lost; it stores any values that it is told.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from optuna.exceptions import DuplicatedStudyError

from tuner.dashboard_notes import forget
from tuner.errors import InputError
from tuner.launching import describe_owner, living_owner

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tuner.storage import Storage

_RENAME = re.compile(r"/api/studies/(\d+)/rename/?")
_TELL = re.compile(r"/api/trials/(\d+)/tell/?")
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

    Args:
        application: The dashboard.
        storage: Its database.
    """

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found = _handler(environ)
        if found is None:
            return application(environ, start_response)
        handler, key = found
        body = _body(environ)
        reply = handler(storage, key, _json(body))
        if reply is None:
            environ["wsgi.input"] = io.BytesIO(body)
            return application(environ, start_response)
        status, content = reply
        start_response(_STATUS[status], [("Content-Type", "application/json")])
        return [json.dumps(content).encode()]

    return serve


def _handler(environ: WSGIEnvironment) -> tuple[Handler, int] | None:
    if environ.get("REQUEST_METHOD") != "POST":
        return None
    for pattern, handler in ((_RENAME, _rename), (_TELL, _refuse_telling)):
        found = pattern.fullmatch(environ.get("PATH_INFO", ""))
        if found is not None:
            return handler, int(found[1])
    return None


def _body(environ: WSGIEnvironment) -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    body: bytes = environ["wsgi.input"].read(int(length) if length.isdecimal() else 0)
    return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _rename(storage: Storage, study_id: int, asked: dict[str, Any]) -> Reply:
    """Gives a study that nobody runs another name, in place."""
    name = asked.get("study_name")
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        return 400, {"reason": "A study needs a printable name."}
    try:
        owner = living_owner(storage, study_id)
        if owner is not None:
            runs = f"{describe_owner(owner)} runs the study; stop it first."
            return 409, {"reason": runs}
        storage.records.rename(study_id, name)
        forget(storage, study_id)
    except KeyError:
        return 404, {"reason": f"study_id={study_id} is not found"}
    except DuplicatedStudyError:
        return 400, {"reason": "Study name already exists."}
    except InputError as error:
        return 400, {"reason": str(error)}
    attributes = storage.get_study_user_attrs(study_id)
    return 201, {
        "study_id": study_id,
        "study_name": name,
        "directions": [each.name.lower() for each in storage.get_study_directions(study_id)],
        "user_attrs": [{"key": key, "value": str(value)} for key, value in attributes.items()],
        "is_preferential": False,
    }


def _refuse_telling(storage: Storage, trial_id: int, asked: dict[str, Any]) -> Reply | None:
    """Why a trial cannot be told what is asked, or None where the dashboard may."""
    try:
        trial = storage.get_trial(trial_id)
        n_objectives = storage.records.n_objectives(trial_id)
    except KeyError:
        return 404, {"reason": f"trial_id={trial_id} is not found"}
    if trial.state.is_finished():
        return 409, {"reason": f"Trial {trial.number} has ended already ({trial.state.name})."}
    values = asked.get("values")
    if str(asked.get("state")).upper() != "COMPLETE" or values is None:
        return None
    if _is_result(values, n_objectives):
        return None
    wanted = "one finite number" if n_objectives == 1 else f"{n_objectives} finite numbers"
    return 400, {"reason": f"Trial {trial.number} takes {wanted} for its values."}


def _is_result(values: Any, n_objectives: int) -> bool:
    if not isinstance(values, list) or len(values) != n_objectives:
        return False
    try:
        return all(math.isfinite(float(value)) for value in values)
    except (TypeError, ValueError, OverflowError):
        return False
