"""What Ctrl-C and its kin do to a running study: once, stop cleanly; twice, stop at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptions:
    """While entered, the first signal calls `on_first` and the second raises KeyboardInterrupt.

    Without `on_first` the first signal is kept for those who enter within. To raise at any moment
    would not do: where garbage is collected just then, Python ignores what is raised.
    Outside the main thread Python cannot handle signals, and nothing changes.
    """

    def __init__(self, on_first: Callable[[str], None] | None = None) -> None:
        self._on_first = on_first
        self._before: dict[int, Any] = {}
        self.received: str | None = None
        """Name of the first signal, or None."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _HANDLED}
            around = getattr(self._before[signal.SIGINT], "__self__", None)
            if isinstance(around, Interruptions) and around.received is not None:
                self._receive(around.received)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self._receive(signal.Signals(number).name)

    def _receive(self, name: str) -> None:
        self.received = name
        if self._on_first is not None:
            self._on_first(name)
