"""Hides how a figure becomes a PNG or SVG file: a headless Chromium draws it, offline."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tuner.errors import InputError
from tuner.files import whole_file

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FORMATS = (".png", ".svg")
WIDTH = 900
SCALE = 2  # pixels of a PNG per pixel of the figure
TIMEOUT_S = 120
_QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--virtual-time-budget=60000",
    "--dump-dom",
)
_MARK = "tuner-image:"
_END = " "  # an address has none


def write_image(figure: Figure, path: str | Path, width: int = WIDTH) -> Path:
    """The path of a PNG or SVG file that shows the figure, as its ending says.

    Args:
        figure: As `study.plot` gives it.
        path: Where to write; the folder must exist.
        width: Of the picture, in pixels of the figure; a PNG has twice as many.

    Raises:
        InputError: Another ending, no Chromium on the path, or it could not draw the figure.
        OSError: The file cannot be written.
    """
    target = Path(path)
    kind = target.suffix.lower()
    if kind not in FORMATS:
        raise InputError(f"image: file must end in .png or .svg, got {target.name!r}")
    data = _drawn(figure, kind.removeprefix("."), width)
    with whole_file(target) as partial:
        partial.write_bytes(data)
    return target


def find_browser(look_up: Callable[[str], str | None] = shutil.which) -> str:
    """The path of a Chromium.

    Raises:
        InputError: There is none.
    """
    found = next((path for name in BROWSERS if (path := look_up(name)) is not None), None)
    if found is None:
        raise InputError(
            "image: Chromium draws it, and none is on the path; `make browser` installs one"
        )
    return found


def _drawn(figure: Figure, kind: str, width: int) -> bytes:
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="tuner-image-") as folder:
        page = Path(folder) / "figure.html"
        page.write_text(_page(figure, kind, width), "utf-8")
        # The sandbox cannot start as root, and the page holds nothing but our own figure.
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        free = ("--no-sandbox",) if is_root else ()
        command = [browser, *_QUIET, *free, f"--user-data-dir={folder}/profile", page.as_uri()]
        try:
            done = subprocess.run(  # noqa: S603 - the browser and a page of our own
                command, capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(f"image: {browser} did not draw it in {TIMEOUT_S} s") from error
    _, mark, rest = done.stdout.decode("utf-8", "replace").partition(_MARK)
    address = rest.partition(_END)[0]
    if not mark or not address.startswith(f"data:image/{kind}"):
        raise InputError(f"image: {browser} could not draw it (exit code {done.returncode})")
    return _content(address)


def _page(figure: Figure, kind: str, width: int) -> str:
    """A page that draws the figure and then holds nothing but its picture's address."""
    from plotly.offline import get_plotlyjs

    plain = figure.to_json().replace("<", "\\u003c")
    options = f'{{format: "{kind}", width: {width}, height: {figure.layout.height or 450}'
    options += f", scale: {SCALE if kind == 'png' else 1}}}"
    return (
        f"<!doctype html><meta charset=utf-8><script>{get_plotlyjs()}</script><body><script>"
        f"Plotly.toImage({plain}, {options}).then((address) => {{ "
        f'document.documentElement.textContent = "{_MARK}" + address + "{_END}"; }});'
        "</script>"
    )


def _content(address: str) -> bytes:
    head, _, body = address.partition(",")
    if head.endswith(";base64"):
        return base64.b64decode(body)
    return unquote(body).encode("utf-8")
