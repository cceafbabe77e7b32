"""The page in a real browser: figures are drawn, and nothing complains."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tuner.report import StudyRecord, write_report

CHROMIUM = next(
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
    "--virtual-time-budget=15000",
    "--enable-logging=stderr",
    "--log-level=0",
    "--dump-dom",
)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path; `make browser` installs it")
@pytest.mark.parametrize("word", ["mlp", "gan", "hostile"])
def test_the_browser_draws_every_figure(
    word: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """All figures are drawn, none failed, and the console has no error of script or policy."""
    study: StudyRecord = request.getfixturevalue(word)
    path = write_report([study], tmp_path / "report.html")
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    root = done.stdout[: done.stdout.index("<head>")]
    assert 'data-failed="0"' in root
    n_places = path.read_text("utf-8").count('<div class="plot"')
    assert f'data-drawn="{n_places}"' in root
    assert done.stdout.count("main-svg") >= n_places
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert console == []
