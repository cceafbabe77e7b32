"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 240.0


def wait_until(is_so: Callable[[], bool], pause_s: float = 0.1) -> None:
    """Returns once it is so."""
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(pause_s)
