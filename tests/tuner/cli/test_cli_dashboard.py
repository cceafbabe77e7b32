"""The dashboard serves the studies of a database on loopback alone, and ends cleanly."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuner.storage import open_storage

Server = subprocess.Popen[str]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one study of one trial."""
    import optuna

    storage = open_storage(f"sqlite:///{tmp_path / 'tuner.db'}")
    study = optuna.create_study(study_name="digits-mlp", storage=storage)
    study.add_trial(optuna.trial.create_trial(value=0.5))
    storage.close()
    return f"sqlite:///{tmp_path / 'tuner.db'}"


@pytest.fixture
def serve(url: str) -> Iterator[Callable[[], tuple[Server, int]]]:
    """Starts a dashboard and returns it with its port; none outlives the test."""
    started: list[Server] = []

    def start() -> tuple[Server, int]:
        # A shell that starts tests in the background has them ignore Ctrl-C.
        code = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from tuner.cli import main; sys.exit(main())"
        )
        command = [sys.executable, "-c", code, "dashboard", "--storage", url]
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(server)
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), server.communicate()
        return server, int(line.strip().rstrip("/").rpartition(":")[2])

    yield start
    for server in started:
        server.kill()
        server.communicate()


def get(port: int, path: str, host: str | None = None) -> tuple[int, bytes]:
    """Status and body of one request."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_dashboard_shows_the_study_and_listens_on_loopback(
    serve: Callable[[], tuple[Server, int]],
) -> None:
    """Its API lists the study, other hosts' names are refused, and Ctrl-C is exit code 0."""
    server, port = serve()
    status, body = get(port, "/api/studies")
    assert status == 200
    assert [study["study_name"] for study in json.loads(body)["study_summaries"]] == ["digits-mlp"]
    assert get(port, "/api/studies", host="evil.example")[0] == 403
    process = psutil.Process(server.pid)
    listening = [c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
    assert [tuple(address) for address in listening] == [("127.0.0.1", port)]
    server.send_signal(signal.SIGINT)
    _, errors = server.communicate()
    assert server.returncode == 0
    assert "Traceback" not in errors


def test_termination_is_exit_code_143(serve: Callable[[], tuple[Server, int]]) -> None:
    """SIGTERM closes the database and ends the server."""
    server, _ = serve()
    server.send_signal(signal.SIGTERM)
    _, errors = server.communicate()
    assert server.returncode == 143
    assert "Traceback" not in errors


def test_port_in_use_is_bad_input(tuner: Callable[..., Any], url: str) -> None:
    """A port that somebody has is one line and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = tuner("dashboard", "--storage", url, "--port", str(port))
    assert ran.code == 2
    assert ran.err.startswith(f"--port: {port} cannot be used (Address already in use)")
