"""A headless Chromium that tests talk to through a pipe, without any driver."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

PATH = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
DRAWN = """new Promise((done) => {
  const root = document.documentElement;
  const told = () => root.dataset.drawn !== undefined && done({
    drawn: Number(root.dataset.drawn), failed: Number(root.dataset.failed),
    places: document.querySelectorAll("div.plot").length,
    pictures: document.querySelectorAll("div.plot:has(.main-svg)").length });
  new MutationObserver(told).observe(root, { attributes: true });
  told();
})"""


@dataclass(frozen=True)
class Seen:
    """What a page did.

    Attributes:
        answer: Of the expression that was waited for.
        complaints: Errors and warnings of console, scripts and policy.
        requests: Addresses other than the page itself and what it holds.
        cpu_s: Time of the processor that the page's main thread took.
    """

    answer: Any
    complaints: list[str]
    requests: list[str]
    cpu_s: float


class Chromium:
    """One browser; every page is a tab of its own.

    Args:
        profile: An empty folder.
    """

    def __init__(self, profile: Path) -> None:
        assert PATH is not None
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        command = [PATH, *QUIET, f"--user-data-dir={profile}", "about:blank"]

        def connect() -> None:
            """The browser reads commands from descriptor 3 and answers on 4."""
            kept = os.dup(from_browser)
            os.dup2(to_browser, 3)
            os.dup2(kept, 4)

        self._process = subprocess.Popen(
            command,
            preexec_fn=connect,  # noqa: PLW1509 - it only copies descriptors, as a shell would
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._last = 0
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def visit(
        self,
        address: str,
        wait_for: str = DRAWN,
        size: tuple[int, int] = (1400, 1000),
        picture: Path | None = None,
    ) -> Seen:
        """Opens a page, waits for an expression, and tells what happened meanwhile.

        Args:
            address: Of the page.
            wait_for: JavaScript; a promise is waited for.
            size: Of the window.
            picture: File for a screenshot of the whole page.
        """
        self._events.clear()
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        tab: str = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable", {}, tab)
        self._call("Performance.enable", {"timeDomain": "threadTicks"}, tab)
        shape = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", shape, tab)
        self._call("Page.navigate", {"url": address}, tab)
        self._wait_for_event("Page.loadEventFired")
        asked = {"expression": wait_for, "awaitPromise": True, "returnByValue": True}
        answer = self._call("Runtime.evaluate", asked, tab)
        metrics = self._call("Performance.getMetrics", {}, tab)["metrics"]
        if picture is not None:
            shot = self._call("Page.captureScreenshot", {"captureBeyondViewport": True}, tab)
            picture.write_bytes(base64.b64decode(shot["data"]))
        self._call("Target.closeTarget", {"targetId": target})
        taken = {metric["name"]: metric["value"] for metric in metrics}
        return Seen(
            answer["result"].get("value"),
            [text for event in self._events if (text := _complaint(event))],
            [url for event in self._events if (url := _request(event, address))],
            taken["TaskDuration"],
        )

    def _call(self, method: str, params: dict[str, Any], tab: str | None = None) -> dict[str, Any]:
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": params}
        message |= {"sessionId": tab} if tab else {}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == number:
                assert "error" not in found, found
                result: dict[str, Any] = found["result"]
                return result
            self._events.append(found)

    def _wait_for_event(self, method: str) -> None:
        while not any(event.get("method") == method for event in self._events):
            self._events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._read, 1 << 20)
            assert read, "the browser is gone"
            self._rest += read
        message, self._rest = self._rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found


def _complaint(event: dict[str, Any]) -> str | None:
    """What an event complains of, or None."""
    params = event.get("params", {})
    if event.get("method") == "Runtime.exceptionThrown":
        return str(params["exceptionDetails"])
    if event.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
        return str(params["entry"])
    if event.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
        return str(params["args"])
    return None


def _request(event: dict[str, Any], address: str) -> str | None:
    """The address that an event asks for, unless it is the page or within it."""
    if event.get("method") != "Network.requestWillBeSent":
        return None
    url = str(event["params"]["request"]["url"])
    return None if url == address or url.startswith(("data:", "blob:")) else url
