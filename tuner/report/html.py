"""Hides how a report becomes one HTML file that opens offline and lets nothing in it act."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from tuner.errors import InputError
from tuner.files import check_ordinary, whole_file
from tuner.report import text, theme
from tuner.report.data import StudyRecord
from tuner.report.text import escaped


def write_report(studies: Sequence[StudyRecord], path: str | Path) -> Path:
    """The path of the report, complete on disk; a file that was there is replaced at once.

    Args:
        studies: One study, or several to compare.
        path: The HTML file; its folder must exist.

    Raises:
        InputError: There is no study, or the file cannot be written; nothing is left behind.
    """
    if not studies:
        raise InputError("report: needs at least one study, got none")
    target = Path(path)
    check_ordinary(target, "report")
    page = document(studies).encode("utf-8", "backslashreplace")
    try:
        with whole_file(target) as partial, partial.open("xb") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, ValueError) as error:  # a name with NUL is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"report '{text.visible(target)}': must be a writable file, got: {reason}; "
            "name another path with --out"
        ) from error
    return target


def document(studies: Sequence[StudyRecord]) -> str:
    """The whole page as text: every script has its hash in the policy, nothing is fetched."""
    from tuner.report import sections, side_by_side
    from tuner.report.cards import Canvas

    canvas = Canvas()
    if len(studies) == 1:
        title = studies[0].name
        body = sections.study(studies[0], "s0", canvas)
    else:
        title = f"{len(studies)} studies compared"
        body = side_by_side.compared(studies, canvas) + "".join(
            sections.study(study, f"s{index}", canvas, heading="h2")
            for index, study in enumerate(studies)
        )
    scripts = (_plotly(), _resource("page.js"))
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return "".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{escaped(text.shortened(title, 120))} · tuner</title>",
            f"<style>{_variables()}{_resource('page.css')}</style></head>",
            f"<body><main>{body}<footer>Made by tuner. Figures by Plotly; this file holds "
            "everything it shows and asks nothing of the network.</footer></main>",
            "<noscript><p>The figures need JavaScript; the tables do not.</p></noscript>",
            f'<script type="application/json" id="figures">{_embedded(canvas.figures)}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body></html>\n",
        ]
    )


def _embedded(figures: dict[str, str]) -> str:
    """The figures and the dark colours as JSON in which nothing can end the script element."""
    entries = ",".join(f"{json.dumps(key)}:{figure}" for key, figure in figures.items())
    whole = f'{{"figures":{{{entries}}},"dark":{json.dumps(theme.dark_of_light())}}}'
    for character in "<>&\u2028\u2029":
        whole = whole.replace(character, f"\\u{ord(character):04x}")
    return whole


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return _normal(get_plotlyjs())


@cache
def _resource(name: str) -> str:
    return _normal(resources.files("tuner.report").joinpath(name).read_text("utf-8"))


def _normal(script: str) -> str:
    """`script` as a browser hashes it: it reads every line end as a line feed."""
    return script.replace("\r\n", "\n").replace("\r", "\n")


@cache
def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _variables() -> str:
    """The palette as CSS variables, light first, dark where the reader asks for it."""
    light = "".join(f"--{role}:{color};" for role, color in theme.LIGHT.items())
    dark = "".join(f"--{role}:{color};" for role, color in theme.DARK.items())
    return (
        f":root{{{light}--page:#f5f6f8;--shade:#f8f9fb}}"
        "@media screen and (prefers-color-scheme:dark)"
        f"{{:root{{{dark}--page:#0d1117;--shade:#1b212c}}}}"
    )
