"""A pseudo-terminal whose screen can be read, as a person at it would see it."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
import threading
import time
from types import TracebackType
from typing import IO, Self

import pyte

ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
"""A whole escape sequence."""

_MARK = b"\x05read until here\x05"
_PATIENCE_S = 60.0


class PseudoTerminal:
    """A terminal of a size that can be changed; what is written to `file` shows on its screen.

    Attributes:
        file: The end that a program writes to.
        written: All bytes so far, the present size beside each part.
    """

    def __init__(self, columns: int, lines: int = 40) -> None:
        self._master, slave = os.openpty()
        self.file: IO[str] = os.fdopen(slave, "w", encoding="utf-8", buffering=1)
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.written: list[tuple[int, bytes]] = []
        self._waiting = b""
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._set_size(columns, lines)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()
        self._reader.join(_PATIENCE_S)
        os.close(self._master)

    def resize(self, columns: int, lines: int = 40) -> None:
        """What was written until now is on the screen, which has another size from now on."""
        self.show()
        self.screen.resize(lines, columns)
        self._set_size(columns, lines)

    def show(self) -> list[str]:
        """The lines of the screen, once it shows all that was written."""
        self.file.write(_MARK.decode())
        self.file.flush()
        with self._arrived:
            assert self._arrived.wait_for(lambda: _MARK in self._waiting, _PATIENCE_S)
            part, _, self._waiting = self._waiting.partition(_MARK)
        self.written.append((self.screen.columns, part))
        self._stream.feed(part)
        return [line.rstrip() for line in self.screen.display]

    def wait_for(self, text: str) -> list[str]:
        """The lines of the screen, once a line has `text` in it."""
        until = time.monotonic() + 2 * _PATIENCE_S
        while text not in "\n".join(lines := self.show()):
            assert time.monotonic() < until, lines
            with self._arrived:
                self._arrived.wait(1.0)
        return lines

    def _set_size(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self.file.fileno(), termios.TIOCSWINSZ, size)

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._master, 65536)
            except OSError:  # the last writer has closed it
                return
            with self._arrived:
                self._waiting += part
                self._arrived.notify_all()
