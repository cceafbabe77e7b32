"""Hides what may be asked of the Optuna dashboard: JSON objects with members of their kind.

The dashboard itself ends with an error of its own for most that is something else.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tuner.errors import InputError
from tuner.storage.rows import check_name

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_API = "/api/"
_JSON = "application/json"
_DATA_URI = re.compile(r"data:[^,]*,(.*)", re.DOTALL)


def read_request(environ: WSGIEnvironment) -> dict[str, Any]:
    """What a request asks for by its body; an absent one is an empty object from now on.

    Args:
        environ: Of the request; its body can be read again afterwards.

    Raises:
        InputError: The body is no JSON object, or a member of it or of the address is not of its
            kind.
    """
    path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD")
    if not path.startswith(_API):
        return {}
    for after in parse_qs(environ.get("QUERY_STRING", "")).get("after", []):
        _must(after.isascii() and after.isdigit(), "after must be a number of trials")
    if method not in {"POST", "PUT", "DELETE"}:
        return {}
    body = _body(environ)
    if body:
        kind = environ.get("CONTENT_TYPE", "").split(";")[0].strip().lower()
        _must(kind == _JSON, f"The body must be sent as {_JSON}.")
    body = body or b"{}"
    environ |= {
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": _JSON,
    }
    asked = _object(body)
    for member, (is_right, what) in _MEMBERS.items():
        if member in asked:
            _must(is_right(asked[member]), f"{member} must be {what}.")
    return asked


def _body(environ: WSGIEnvironment) -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    body: bytes = environ["wsgi.input"].read(int(length) if length.isdecimal() else 0)
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    _must(isinstance(found, dict), "The body must be a JSON object.")
    return found  # type: ignore[no-any-return]  # just checked


def _must(holds: bool, sentence: str) -> None:
    if not holds:
        raise InputError(sentence)


def _is_text(value: Any) -> bool:
    """Text that every database can hold."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_name(value: Any) -> bool:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        return False
    return bool(check_name("study_name", value))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_whole(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_whole, value))


def _are_attributes(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    for key in value:
        check_name("user_attrs", key)
    return True


def _is_file(value: Any) -> bool:
    found = _DATA_URI.fullmatch(value) if isinstance(value, str) else None
    try:
        return found is not None and base64.standard_b64decode(found[1]) is not None
    except ValueError:
        return False


_MEMBERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "study_name": (_is_name, "a printable name"),
    "directions": (_are_texts, "a list of directions"),
    "version": (_is_whole, "a whole number"),
    "body": (_is_text, "text"),
    "candidates": (_are_whole, "a list of numbers of trials"),
    "clicked": (_is_whole, "the number of a trial"),
    "user_attrs": (_are_attributes, "a mapping of names"),
    "file": (_is_file, "a data URI in base64"),
    "filename": (_is_text, "text"),
}
"""Member of a body -> whether a value is one for it, and what it must be."""
