"""The Optuna dashboard as `tuner dashboard` serves it, on a free port of loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from tuner.cli import service
from tuner.cli.dashboard import LOOPBACK, LocalServer, QuietHandler, served


@dataclass(frozen=True)
class Dashboard:
    """What a browser would ask of it."""

    port: int

    @property
    def address(self) -> str:
        """Where a browser goes."""
        return f"http://{LOOPBACK}:{self.port}/dashboard"

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer of one request."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=60)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, json.loads(content) if content else None

    def studies(self) -> dict[str, int]:
        """Key of each study by its name."""
        found = self.ask("GET", "/api/studies")[1]["study_summaries"]
        return {study["study_name"]: study["study_id"] for study in found}

    def trials(self, name: str) -> dict[int, dict[str, Any]]:
        """The trials of a study by number."""
        detail = self.ask("GET", f"/api/studies/{self.studies()[name]}")[1]
        return {trial["number"]: trial for trial in detail["trials"]}


@contextmanager
def serving(url: str, *, writes_notes: bool = False) -> Iterator[Dashboard]:
    """A dashboard over the database until the block ends."""
    with (
        service.dashboard(url, None, writes_notes=writes_notes) as application,
        LocalServer((LOOPBACK, 0), QuietHandler) as server,
    ):
        server.set_app(served(application))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Dashboard(server.server_port)
        finally:
            server.shutdown()
            thread.join()
