"""Imported by the waiting processes of a local Ray: what lanes need is imported beforehand.

One of them gets the ledger instead, nobody knows which. That one calls `spare`, and the others
wait for it to: it saves the start 2.6 s of processor time.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

MODULES = "TUNER_PRELOAD"
"""Environment variable: names of the modules, with commas between."""

MARK = "TUNER_PRELOAD_MARK"
"""Environment variable: path of the file that says that the ledger has its process."""

PATIENCE_S = 2.0
POLL_S = 0.01

_is_spared = threading.Event()


def surroundings(modules: Sequence[str], mark: Path) -> dict[str, str]:
    """Environment variables of a Ray whose waiting processes import `modules`.

    Args:
        modules: Their names.
        mark: Where the ledger's process may make a file.
    """
    return {"RAY_preload_python_modules": __name__, MODULES: ",".join(modules), MARK: str(mark)}


def spare() -> None:
    """This process will be no lane and imports nothing beforehand; the others begin."""
    _is_spared.set()
    if mark := os.environ.get(MARK):
        Path(mark).touch()


def _run(modules: list[str], mark: Path) -> None:
    """What is imported stays, so the collector need not look at it, now or later."""
    until = time.monotonic() + PATIENCE_S
    while not mark.exists() and time.monotonic() < until:
        time.sleep(POLL_S)
    gc.disable()
    try:
        for module in modules:
            if not _is_spared.is_set():
                import_module(module)
    finally:
        gc.freeze()
        gc.enable()


if names := os.environ.get(MODULES):
    arguments = (names.split(","), Path(os.environ[MARK]))
    threading.Thread(target=_run, args=arguments, name="preload", daemon=True).start()
