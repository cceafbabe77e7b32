"""Requests that no browser would send to the dashboard are refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import optuna
import pytest
from dashboard_server import Dashboard, serving

from tuner.cli.dashboard import LOOPBACK
from tuner.storage import open_storage

JSON = "application/json"
STUDIES, STUDY, TRIAL, UPLOAD = "/api/studies", "/api/studies/1", "/api/trials/1", "/api/artifacts"


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard over a database with one study of one running trial."""
    folder: Path = tmp_path_factory.mktemp("requests")
    url = f"sqlite:///{folder}/studies.db"
    storage = open_storage(url)
    optuna.create_study(storage=storage, study_name="theirs").ask()
    storage.close()
    with serving(url) as served:
        yield served


def send(
    dashboard: Dashboard, method: str, path: str, body: bytes | None, kind: str = JSON
) -> tuple[int, str]:
    """Status and reason of a request whose body is sent as it is."""
    connection = HTTPConnection(LOOPBACK, dashboard.port, timeout=60)
    connection.request(method, path, body, {"Content-Type": kind})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content)["reason"]


WRITING = [
    ("POST", STUDIES),
    ("POST", f"{STUDY}/rename"),
    ("PUT", f"{STUDY}/note"),
    ("PUT", f"{STUDY}/1/note"),
    ("POST", f"{STUDY}/preference"),
    ("PUT", f"{STUDY}/preference_feedback_component"),
    ("POST", f"{TRIAL}/tell"),
    ("POST", f"{TRIAL}/user-attrs"),
    ("POST", f"{UPLOAD}/1"),
    ("POST", f"{UPLOAD}/1/1"),
]
NO_OBJECTS = [b"{", b"[]", b"null", b"3", b'"text"', b"\xff", b"[" * 100_000, b'{"a": 1} more']


@pytest.mark.parametrize(("method", "path"), [*WRITING, ("DELETE", STUDY)])
def test_a_body_that_is_no_json_object(method: str, path: str, dashboard: Dashboard) -> None:
    """Whatever it is sent to, it is refused as a bad request."""
    for body in NO_OBJECTS:
        status, reason = send(dashboard, method, path, body)
        assert (status, reason) == (400, "The body must be a JSON object."), body[:20]
    assert dashboard.studies() == {"theirs": 1}


@pytest.mark.parametrize(("method", "path"), WRITING)
def test_no_body_or_one_of_another_kind(method: str, path: str, dashboard: Dashboard) -> None:
    """A request without what it needs, and one that a form could send, are refused."""
    assert send(dashboard, method, path, None)[0] == 400
    assert send(dashboard, method, path, b"{}")[0] == 400
    assert send(dashboard, method, path, b"{}", "text/plain")[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", STUDIES, {"study_name": 5, "directions": ["minimize"]}),
        ("POST", STUDIES, {"study_name": "x" * 513, "directions": ["minimize"]}),
        ("POST", STUDIES, {"study_name": "\ud800", "directions": ["minimize"]}),
        ("POST", STUDIES, {"study_name": "a\nb", "directions": ["minimize"]}),
        ("POST", STUDIES, {"study_name": "new", "directions": 5}),
        ("POST", STUDIES, {"study_name": "new", "directions": [5]}),
        ("POST", f"{STUDY}/rename", {"study_name": ["new"]}),
        ("PUT", f"{STUDY}/note", {"version": 1, "body": 5}),
        ("PUT", f"{STUDY}/note", {"version": 1, "body": "\ud800"}),
        ("PUT", f"{STUDY}/note", {"version": "1", "body": "mine"}),
        ("PUT", f"{STUDY}/1/note", {"version": [1], "body": "mine"}),
        ("POST", f"{STUDY}/preference", {"mode": "ChooseWorst", "candidates": 3, "clicked": 1}),
        ("POST", f"{STUDY}/preference", {"mode": "ChooseWorst", "candidates": [None]}),
        ("POST", f"{STUDY}/preference", {"mode": "ChooseWorst", "clicked": []}),
        ("POST", f"{TRIAL}/user-attrs", {"user_attrs": ["seen"]}),
        ("POST", f"{TRIAL}/user-attrs", {"user_attrs": {"x" * 513: 1}}),
        ("POST", f"{TRIAL}/user-attrs", {"user_attrs": {"\ud800": 1}}),
        ("POST", f"{UPLOAD}/1", {"file": 5, "filename": "a"}),
        ("POST", f"{UPLOAD}/1", {"file": "no address", "filename": "a"}),
        ("POST", f"{UPLOAD}/1/1", {"file": "data:text/plain;base64,a", "filename": "a"}),
        ("POST", f"{UPLOAD}/1", {"file": "data:text/plain;base64,YQ==", "filename": 5}),
    ],
)
def test_members_of_another_kind(
    method: str, path: str, body: object, dashboard: Dashboard
) -> None:
    """A member that is not what it must be is refused by name, and nothing is written."""
    assert send(dashboard, method, path, json.dumps(body).encode())[0] == 400
    assert dashboard.studies() == {"theirs": 1}
    assert not dashboard.trials("theirs")[0]["user_attrs"]


def test_a_number_that_is_none(dashboard: Dashboard) -> None:
    """Trials after one that has no number are no trials."""
    assert send(dashboard, "GET", f"{STUDY}?after=some", None)[0] == 400
    assert dashboard.ask("GET", f"{STUDY}?after=1")[0] == 200
